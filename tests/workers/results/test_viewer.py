from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from workers.results.captions import Caption
from workers.results.viewer import write_viewer

CAPTION = Caption("L1", 500.0, "fe")


@pytest.fixture
def page(box, tmp_path):
    path = tmp_path / "viewer.html"
    write_viewer(path, box, CAPTION)
    return path


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page.read_text(), re.S).group(1))


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_page_loads_nothing_from_anywhere(page):
    text = page.read_text()
    assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]|\bsrc=|\bhref=|@import|\burl\(|fetch\(|import\(", text, re.I)
    assert "default-src 'none'" in text
    assert not re.search(r"@[A-Z]+@", text)


def test_page_says_what_it_shows(page):
    text = page.read_text()
    assert "L1 · 500 N axial compression · finite elements" in text
    assert "RESEARCH USE ONLY" in text
    assert "MPa" in text


def test_data_is_the_surface_and_its_field(box, page):
    data, n = data_of(page), box.template.n_surface
    points = array(data["points"], "<f4").reshape(-1, 3) + np.array(data["origin"])
    np.testing.assert_allclose(points, box.points[:n], atol=1e-4)
    np.testing.assert_array_equal(array(data["triangles"], "<u4").reshape(-1, 3), box.template.triangles)
    von_mises = data["quantities"][0]
    assert von_mises["unit"] == "MPa"
    np.testing.assert_allclose(array(von_mises["values"], "<f4"), box.field.von_mises[:n], rtol=1e-6)
    assert von_mises["peak"] == int(np.argmax(box.field.von_mises[:n]))
    assert [q["unit"] for q in data["quantities"]] == ["MPa", "MPa", "MPa", "mm"]


def test_no_deformation_where_none_was_solved(sideways, tmp_path):
    write_viewer(tmp_path / "v.html", sideways, CAPTION)
    data = data_of(tmp_path / "v.html")
    assert "displacement" not in data
    assert len(data["quantities"]) == 3


def test_title_is_escaped(box, tmp_path):
    write_viewer(tmp_path / "v.html", box, Caption("<b>", 500.0, "</script>"))
    text = (tmp_path / "v.html").read_text()
    assert "<b> ·" not in text
    assert text.count("</script>") == 2


def test_draws_in_a_browser_from_a_file(page, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium here; the page is checked as text only")
    flags = ["--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    profile = [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=900,700", "--virtual-time-budget=4000"]
    done = subprocess.run(
        [browser, *flags, *profile, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'data-ready="yes"' in done.stdout, done.stderr[-2000:]
    assert "scale ends at the 99th percentile" in done.stdout
