"""The viewer in a real browser, from a file: what it draws, and what pointer, keys and fingers do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.app.pages.browser import CHROMIUM, SOFTWARE_GRAPHICS, running_browser
from tests.app.pages.legibility import TOO_FAINT
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.results.captions import Caption
from workers.results.ct_slices import CtSlices
from workers.results.stressed_mesh import NodalArray
from workers.results.viewer import write_viewer

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; the page is checked as text only")

PIXEL = """(async (x, y) => {
  draw(); const p = new Uint8Array(4), r = devicePixelRatio;
  gl.readPixels(x * r, (height() - y) * r, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, p); return [...p]; })"""
"""Draws a frame and reads a pixel of it; transparent where there is no bone."""
MIDDLE = "width() / 2, height() / 2"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile"), SOFTWARE_GRAPHICS) as browser:
        yield browser


@pytest.fixture
def page(box, browser, tmp_path):
    """The box, with a solution whose stress is a quarter larger, seen from the front."""
    solved = {"von_mises_fe": box.field.von_mises * 1.25, "s3_fe": -box.field.von_mises * 1.25}
    both = replace(box, extra={name: NodalArray(values, "MPa") for name, values in solved.items()})
    caption = Caption("L1", 500.0, "surrogate", ("Label 30 is L2: check the level.",))
    write_viewer(tmp_path / "viewer.html", both, caption)
    browser.resize(1280)
    browser.open((tmp_path / "viewer.html").as_uri())
    browser.wait("document.body.dataset.ready")
    assert browser.run("document.body.dataset.ready") == "yes"
    browser.run("look('A')")
    return browser


def choose(page, name, value):
    page.run(f"$('{name}').value = '{value}'; $('{name}').dispatchEvent(new Event('input')); "
             f"$('{name}').dispatchEvent(new Event('change'))")  # fmt: skip


def pixel(page, at=MIDDLE):
    return page.run(f"{PIXEL}({at})")


def on_page(page, x="width() / 2", y="height() / 2"):
    """Return a point of the canvas as a point of the page."""
    return page.run(f"(() => {{ const b = $('scene').getBoundingClientRect(); return [b.x + {x}, b.y + {y}]; }})()")


def test_the_warning_comes_first_and_the_bone_is_coloured(page):
    text = page.run("document.body.innerText")
    assert text.index("Label 30 is L2") < text.index("Stress in vertebra L1") < text.index("99th percentile")
    red, green, blue, alpha = pixel(page)
    assert alpha == 255
    assert green > red + 20  # the middle of viridis
    assert pixel(page, "5, 5") == [0, 0, 0, 0]
    choose(page, "quantity", 3)  # s3: all bone is compressed
    assert page.text("#ends") == "compression\ntension" or "compression" in page.text("#ends")
    red, green, blue, _ = pixel(page)
    assert red > blue + 40
    choose(page, "map", "blue to red")
    red, green, blue, _ = pixel(page)
    assert blue > red + 40
    assert "0\n" in page.text("#ticks") or "0" in page.text("#ticks").split()


def test_a_click_and_a_key_read_the_node_under_them(page, box):
    page.click_at(*on_page(page))
    lines = page.text("#probe").splitlines()
    node = int(lines[-1].rsplit(" ", 1)[1])
    x, y, z = box.points[node]
    assert lines[-1].startswith(f"RAS {x:.1f}, {y:.1f}, {z:.1f} mm")
    assert y == pytest.approx(box.points[:, 1].max())  # it is at the front
    assert f"von Mises stress: {box.field.von_mises[node]:.3g}" in page.text("#probe")
    page.run("readNode(0); $('scene').focus()")
    page.press("Enter")
    assert page.text("#probe").splitlines()[-1] == lines[-1]


def test_prediction_solution_and_difference(page):
    page.run("read(width() / 2, height() / 2)")
    seen = page.text("#probe").splitlines()[1:3]
    choose(page, "field", 1)
    page.run("readNode(marked)")
    solved = page.text("#probe").splitlines()[1:3]
    assert (seen[0], solved[0]) == ("surrogate prediction", "finite elements")
    predicted, solution = (float(line[1].split()[3]) for line in (seen, solved))
    assert solution == pytest.approx(1.25 * predicted, rel=0.01)
    choose(page, "field", 2)
    assert page.text("#barTitle").startswith("prediction − solution: von Mises stress (MPa)")
    red, _, blue, _ = pixel(page)
    assert red > blue + 30  # the prediction is lower
    assert "prediction lower" in page.text("#ends")


def test_the_range_can_be_chosen(page):
    choose(page, "high", "100")
    assert page.run("shown.limits") == [0, 100]
    dark = pixel(page)
    choose(page, "high", "-1")
    assert page.run("[shown.limits, $('high').getAttribute('aria-invalid')]") == [[0, 100], "true"]
    page.click("#auto")
    assert sum(pixel(page)) > sum(dark) + 60
    choose(page, "quantity", 3)
    choose(page, "low", "-4")
    assert page.run("shown.limits") == [-4, 4]


def test_a_cut_shows_the_bone_inside(page, box):
    page.run("look('S')")
    whole = pixel(page)
    choose(page, "cut", 2)
    assert page.run("$('deform').disabled")
    assert pixel(page)[3] == 255
    assert pixel(page) != whole
    page.click_at(*on_page(page))
    lines = page.text("#probe").splitlines()
    assert lines[0] == "on the cut"
    x, y, z = (float(v) for v in lines[-1].split(" mm")[0].removeprefix("RAS ").split(", "))
    middle = (box.points.max(axis=0) + box.points.min(axis=0)) / 2
    assert (x, y, z) == pytest.approx(tuple(middle), abs=0.1)
    local = middle - box.points.min(axis=0)  # the field is known there
    expected = 1 + 0.1 * local[2] + 0.01 * local[0] + 0.001 * local[1]
    assert float(lines[2].split()[3]) == pytest.approx(expected, abs=0.2)
    choose(page, "cutAt", -1)
    assert pixel(page)[3] == 0  # everything is cut away
    page.run("$('cutOther').checked = true; setCut()")
    assert page.run("basis[2]") == [0, 0, -1]  # its face is seen
    page.run("look('S')")
    assert pixel(page) == whole


@pytest.fixture
def with_ct(box, browser, tmp_path):
    """The box in a CT of 400 HU, and a mask that fills it."""
    low, high = box.points.min(axis=0), box.points.max(axis=0)
    shape = tuple(int(n) for n in high - low + 80)
    around = np.eye(4)
    around[:3, 3] = low - 40
    ct = Volume(np.full(shape, 400.0, np.float32), around)
    held = np.zeros(tuple(int(n) for n in high - low + 20), bool)
    held[10:-10, 10:-10, 10:-10] = True
    place = np.eye(4)
    place[:3, 3] = low - 9.5
    slices = CtSlices(ct, CleanMask(held, place, 1, 0, 0, 0.0))
    write_viewer(tmp_path / "ct.html", box, Caption("L1", 500.0, "fe"), slices)
    browser.resize(1280, 1600)
    browser.open((tmp_path / "ct.html").as_uri())
    browser.wait("document.body.dataset.ready === 'yes'")
    return browser


def test_the_ct_is_shown_in_three_linked_planes(with_ct, box):
    page = with_ct
    assert not page.run("$('slices').hidden")
    grey = 111  # (400 HU + 250) / 1500 of 255, rounded up
    at = "paintPlane(PLANES[0]).data"
    assert page.run(f"[...{at}.slice(0, 3)]") == [grey] * 3  # a corner: no bone
    shares = page.run(f"(() => {{ const d = [...{at}]; let red = 0, other = 0; for (let i = 0; i < d.length; i += 4)"
                      "{ if (d[i] === 255 && d[i + 1] === 64) red++; else if (d[i] !== d[i + 1]) other++; }"
                      " return [red, other]; })()")  # fmt: skip
    assert shares[0] == 2 * (24 + 18) - 4  # the outline of the box, 24 x 18 mm
    assert shares[1] == 22 * 16  # stress over the rest
    choose(page, "overlay", 0)
    page.run("goTo([0, 0, 0])")
    before = page.run("[...place]")
    x, y = page.run("(b => [b.x + b.width / 4, b.y + b.height / 4])($('axial').getBoundingClientRect())")
    page.click_at(x, y)
    after = page.run("[...place]")
    assert after[0] > before[0] + 5  # the patient's right is at the left
    assert after[1] > before[1] + 5  # anterior is at the top
    assert after[2] == before[2]
    assert page.run("+$('sagittalAt').value") == pytest.approx(after[0], abs=0.6)
    page.run("readNode(0)")
    assert page.text("#place").startswith("RAS " + ", ".join(f"{v:.1f}" for v in box.points[0]))
    page.run("$('axialAt').value = 2; $('axialAt').oninput()")
    assert page.run("place[2]") == pytest.approx(2, abs=0.5)
    page.resize(390)
    top, bottom = page.run("[$('slices').getBoundingClientRect().top, $('controls').getBoundingClientRect().bottom]")
    assert top >= bottom


def test_density_and_yield_ratio_are_read_and_lie_over_the_ct(with_ct, own_bone, tmp_path):
    page = with_ct
    text = (tmp_path / "ct.html").read_text()
    assert "Colours over the bone" in text
    low = own_bone.points.min(axis=0)
    ct = Volume(np.full((80, 80, 80), 400.0, np.float32), np.vstack([np.c_[np.eye(3), low - 20], [0, 0, 0, 1]]))
    held = np.zeros((44, 38, 32), bool)
    held[10:-10, 10:-10, 10:-10] = True
    place = np.vstack([np.c_[np.eye(3), low - 9.5], [0, 0, 0, 1]])
    caption = Caption("L1", 500.0, "fe", is_uncalibrated=True)
    write_viewer(tmp_path / "bone.html", own_bone, caption, CtSlices(ct, CleanMask(held, place, 1, 0, 0, 0.0)))
    page.open((tmp_path / "bone.html").as_uri())
    page.wait("document.body.dataset.ready === 'yes'")
    choose(page, "quantity", 5)
    assert page.text("#barTitle").startswith("bone density, UNCALIBRATED (mg/cm³ K2HPO4)")
    assert page.run("$('map').value") == "cividis"
    page.run("look('A'); read(width() / 2, height() / 2)")
    node = page.run("marked")
    density = own_bone.extra["density"].values[node]
    assert f"bone density, UNCALIBRATED: {density:.0f}" in page.text("#probe")
    assert f"Young's modulus, UNCALIBRATED: {20 * density:,.0f} MPa" in page.text("#probe")
    assert page.text("#probe").splitlines()[-2].split(": ")[1] == page.run("digits(%f)" % (density / 100))  # no unit
    page.run("goTo([0, 0, 0])")
    assert "bone density, UNCALIBRATED" in page.text("#place")
    over = "[...paintPlane(PLANES[0]).data]"
    before = page.run(over)
    choose(page, "quantity", 7)
    assert (page.run("$('map').value"), page.text("#unit")) == ("viridis", "no unit")
    assert "bone yields from 1 on" in page.text("#barTitle")
    assert page.text("#ticks").split() == ["0", "0.5", "1", "1.5"]
    assert page.run(over) != before


def test_keys_turn_zoom_and_choose_a_view(page):
    page.run("$('scene').focus()")
    before = page.run("[...basis]")
    page.press("ArrowLeft")
    assert page.run("[...basis]") != before
    page.press("ArrowRight")
    assert page.run("basis[2]") == pytest.approx(before[2])
    page.press("+")
    assert page.run("zoom") == pytest.approx(1.15)
    page.press("l")
    assert page.run("basis[2]") == [-1, 0, 0]


def test_fingers_turn_and_pinch(page):
    (x, y), before = on_page(page), page.run("basis[2]")
    page.touch("touchStart", (x, y))
    page.touch("touchMove", (x + 60, y))
    page.touch("touchEnd")
    assert page.run("basis[2]") != before
    page.touch("touchStart", (x - 40, y), (x + 40, y))
    page.touch("touchMove", (x - 80, y), (x + 80, y))
    page.touch("touchEnd")
    assert page.run("zoom") == pytest.approx(2, rel=0.05)
    assert page.text("#probe").startswith("Turn")  # no finger has read a value


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen_and_words_can_be_read(page, width, scheme):
    page.resize(width, scheme=scheme)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(TOO_FAINT) == []
