"""The pages in a real browser, on a real gateway."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image

from app.api import job_watch
from app.contract.bone import CALIBRATION_KINDS, BoneMaterial, DensityLaw
from app.contract.load import BodyWeight
from app.contract.moments import Moments
from app.contract.numbering import Numbering
from app.contract.params import LoadCase, OnUncertainLevel
from app.contract.report import Agreement, ExpectedError
from app.contract.size import Size
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import PATIENCE_S, Broker, fail, finish, post, running_gateway, wait_for
from tests.app.pages.browser import CHROMIUM, SOFTWARE_GRAPHICS, Browser, running_browser
from tests.app.pages.legibility import TOO_FAINT
from tests.app.reports import BONE, GUESSED_BONE, INTERNAL_BONE, OUTLINE, REFINED, ROW, SEGMENTATION, report
from tests.workers.results.box import box_template, stress_of, stressed_box
from workers.results.captions import Caption
from workers.results.viewer import write_viewer
from workers.stage_clock import STAGES

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; the pages are checked as text only")

CANDIDATES = [
    {"centre_ras_mm": [1.0, -20.0, 300.5], "probability": 0.62},
    {"centre_ras_mm": [1.2, -19.0, 268.0], "probability": 0.31},
]
PROBLEM = {
    "type": "/problems/vertebra_not_found",
    "title": "The vertebra was not found",
    "status": 422,
    "detail": "The evidence does not decide which vertebra is L1.",
    "expected": "L1 with a confidence of at least 85%",
    "got": "62% at (1, -20, 300)",
    "alternatives": CANDIDATES,
    "row": [body.model_dump(mode="json") for body in ROW],
}


@pytest.fixture(scope="module")
def open_settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("open")
    return Settings(data_dir=folder, broker_url=broker.url, stale_after_s=3600, allow_anonymous=True)


@pytest.fixture(scope="module")
def site(open_settings: Settings) -> Iterator[httpx.Client]:
    """Return a client of a gateway without keys."""
    with running_gateway(open_settings) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile"), SOFTWARE_GRAPHICS) as browser:
        yield browser


def picture(width: int, height: int, grey: int) -> tuple[bytes, str]:
    stream = io.BytesIO()
    Image.new("L", (width, height), grey).save(stream, format="PNG")
    return stream.getvalue(), "image/png"


def refused(client: httpx.Client, settings: Settings, problem: dict[str, Any], files: dict[str, Any]) -> str:
    job = post(client, mask=None, params={"vertebra": "L1", "load_newton": 750}).json()
    fail(settings, job["id"], problem, files)
    return f"{client.base_url}{job['links']['page']}"


def finished(client: httpx.Client, settings: Settings, **changes: Any) -> str:
    job = post(client, mask=None).json()
    data = report(**changes).model_dump_json().encode()
    files = {"report.json": (data, "application/json"), "preview.png": picture(168, 76, 90)}
    files["report.pdf"] = (b"%PDF-1.4", "application/pdf")
    finish(settings, job["id"], files)
    return f"{client.base_url}{job['links']['page']}"


def test_a_refused_job_shows_its_candidates(site: httpx.Client, open_settings: Settings, browser: Browser) -> None:
    files = {"spine.png": picture(30, 60, 40), "candidate-1.png": picture(40, 50, 90),
             "candidate-2.png": picture(40, 50, 150)}  # fmt: skip
    page = refused(site, open_settings, PROBLEM, files)
    browser.open(page)
    browser.wait("document.querySelectorAll('.candidates li').length === 2")
    problem = browser.text("#problem")
    assert "The evidence does not decide which vertebra is L1." in problem
    assert "Expected\nL1 with a confidence of at least 85%\nFound\n62% at (1, -20, 300)" in problem
    assert "T12\t99 %\tyes\tabove the last vertebra\t1.0, -20.0, 332.0" in browser.text("#refusal table")
    assert "unknown\t\tnot seen\tnot seen" in browser.text("#refusal table")
    first, second = (browser.text(f".candidates li:nth-child({n})") for n in (1, 2))
    assert "L1 with a probability of 62 %; in the row the networks call it L1." in first
    assert "L1 with a probability of 31 %." in second
    browser.wait("[...document.images].filter(i => i.naturalWidth).length === 3")
    widths = browser.run("[...document.querySelectorAll('#refusal img')].map(i => [i.naturalWidth, i.alt !== ''])")
    assert widths == [[30, True], [40, True], [40, True]]
    assert browser.text("#files").count(".png") == 3
    assert browser.run("document.getElementById('report').hidden")

    browser.click(".candidates li:nth-child(1) button")
    browser.click(".candidates li:nth-child(2) button")
    assert browser.run("document.querySelectorAll('.chosen').length") == 1
    assert "Its seed is 1.2, -19.0, 268.0." in browser.text(".candidates li:nth-child(2)")
    browser.click(".chosen a")
    browser.wait("location.pathname === '/' && document.readyState === 'complete'")
    form = (
        "Object.fromEntries(['vertebra', 'seed', 'load_newton'].map(n => [n, document.forms['submit-form'][n].value]))"
    )
    assert browser.run(form) == {"vertebra": "L1", "seed": "1.2, -19.0, 268.0", "load_newton": "750"}
    assert not browser.run("document.getElementById('seed-note').hidden")

    browser.open(page)
    browser.wait("document.querySelectorAll('.candidates li').length === 2")
    browser.click(".candidates li:nth-child(2) button")
    browser.click(".chosen button")
    browser.wait(f"location.pathname !== '{urlsplit(page).path}' && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()
    assert (again["state"], again["retry_of"]) == ("queued", page.rsplit("/", 1)[1])
    assert again["params"]["seed_ras_mm"] == PROBLEM["alternatives"][1]["centre_ras_mm"]


@pytest.mark.parametrize("waits", [job_watch.MOST_WAITS, 0], ids=["events", "too many wait, so it polls"])
def test_the_page_follows_a_job_to_its_end(
    site: httpx.Client, open_settings: Settings, browser: Browser, monkeypatch: pytest.MonkeyPatch, waits: int
) -> None:
    monkeypatch.setattr(job_watch, "MOST_WAITS", waits)
    job = post(site, mask=None).json()
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.getElementById('state').textContent.startsWith('Waiting for a free worker: ')")
    left = "showLeft({seconds_left: %s}); (p => [p.hidden, p.innerText])(document.getElementById('left'))"
    assert browser.run(left % 42) == [False, "It should end in about 40\u00a0s, as recent jobs like it did."]
    assert browser.run(left % 130)[1].startswith("It should end in about 2\u00a0min")
    assert browser.run(left % "null")[0]
    store = open_store(open_settings)
    claim = store.claim(job["id"], "test")
    assert claim is not None
    store.progress(claim.job_id, claim.token, "morph", 40.0)
    browser.wait("document.getElementById('state').textContent === 'Working: fitting the mesh, 40\u00a0% done.'")
    assert browser.run("document.getElementById('progress').value") == 40
    assert store.fail(claim.job_id, claim.token, PROBLEM)
    browser.wait("document.getElementById('state').textContent === 'The job failed.'")
    browser.wait("!document.getElementById('problem').hidden")
    assert "The evidence does not decide" in browser.text("#problem")
    store.engine.dispose()


def test_every_stage_has_words(site: httpx.Client, browser: Browser) -> None:
    browser.open(f"{site.base_url}/")
    assert set(browser.run("Object.keys(STAGES)")) == {"fetch", *STAGES, "publish"}


def test_other_pictures_are_shown_too(site: httpx.Client, open_settings: Settings, browser: Browser) -> None:
    problem = {"type": "/problems/outline_uncertain", "title": "T", "status": 422, "detail": "D"}
    browser.open(refused(site, open_settings, problem, {"outline-sagittal.png": picture(20, 20, 9)}))
    browser.wait("document.querySelector('#refusal figure')")
    assert browser.text("#refusal") == "Outline sagittal."


def test_a_failure_without_pictures_shows_its_problem(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    detail = "<b>Bad</b> Say with mask_label which."
    problem = {"type": "/problems/not_nifti", "title": "Not a NIfTI file", "status": 422, "detail": detail}
    browser.open(refused(site, open_settings, problem, {}))
    browser.wait("!document.getElementById('problem').hidden")
    assert browser.text("#problem") == "Not a NIfTI file.\n\n<b>Bad</b> Say with the label of the vertebra which."
    assert browser.run("document.getElementById('refusal').hidden && document.getElementById('published').hidden")


def sign_in(browser: Browser, page: str, key: str) -> None:
    browser.open(page)
    browser.wait("location.pathname === '/sign-in' && document.readyState === 'complete'")
    browser.run(f"document.querySelector('input[name=key]').value = '{key}'")
    browser.click("#sign-in-form button")
    browser.wait("document.readyState === 'complete' && (location.pathname !== '/sign-in' || "
                 "document.getElementById('message'))")  # fmt: skip


def visit(browser: Browser, page: str) -> None:
    """Open a page as somebody who is signed in."""
    browser.open(page)
    if browser.run("location.pathname") == "/sign-in":
        sign_in(browser, page, "key-a")


def test_a_page_is_seen_after_signing_in_and_knows_no_key(
    client: httpx.Client, settings: Settings, browser: Browser
) -> None:
    page = refused(client, settings, PROBLEM, {"candidate-1.png": picture(41, 50, 90)})
    sign_in(browser, page, "key-c")
    assert "does not know this key" in browser.text("#message")
    sign_in(browser, page, "key-a")
    assert browser.run("location.href") == page
    browser.wait("document.querySelector('.candidates img') && document.querySelector('.candidates img').naturalWidth")
    assert browser.run("document.querySelector('.candidates img').src").endswith("/results/candidate-1.png")
    assert browser.run("document.cookie") == ""
    assert browser.run("sessionStorage.length + localStorage.length") == 0
    assert not browser.run("document.documentElement.innerHTML.includes('key-a') || location.href.includes('key')")
    assert "Signed in for tenant-a." in browser.text("footer")


def test_a_link_on_another_site_leads_to_the_page(client: httpx.Client, settings: Settings, browser: Browser) -> None:
    """The browser leaves a strict cookie out of such a request; the page asks for itself again."""
    page = refused(client, settings, PROBLEM, {})
    visit(browser, page)
    elsewhere = str(client.base_url).replace("127.0.0.1", "localhost")
    browser.open(f"{elsewhere}/sign-in")
    assert browser.run("location.hostname") == "localhost"
    browser.run(f"location.href = '{page}'")
    browser.wait(f"location.href === '{page}' && document.getElementById('problem')")
    assert "Signed in for tenant-a." in browser.text("footer")
    browser.click("#sign-out")
    browser.wait("location.pathname === '/sign-in' && document.readyState === 'complete'")
    browser.open(f"{elsewhere}/sign-in")
    browser.run(f"location.href = '{page}'")
    browser.wait("location.hostname === '127.0.0.1' && location.pathname === '/sign-in'")
    visit(browser, page)


def was_read(settings: Settings, job_id: str, name: str) -> bool:
    with closing(sqlite3.connect(settings.data_dir / "jobs.sqlite3")) as database:
        query = "SELECT count(*) FROM audit WHERE action = 'read' AND job_id = ? AND detail = ?"
        return bool(database.execute(query, (job_id, name)).fetchone()[0])


def test_the_viewer_is_drawn_in_a_session(
    client: httpx.Client, settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    """The frame has no origin of this server, but its request has the cookie; coloured bone is on the page."""
    job = post(client, mask=None).json()
    data = report().model_dump_json().encode()
    field = stress_of(box_template().nodes[:, 2] + 1.0)
    write_viewer(tmp_path / "viewer.html", stressed_box(field), Caption("L1", 500.0, "fe"))
    page = ((tmp_path / "viewer.html").read_bytes(), "text/html; charset=utf-8")
    finish(settings, job["id"], {"report.json": (data, "application/json"), "viewer.html": page})
    visit(browser, f"{client.base_url}{job['links']['page']}")
    browser.wait("!document.getElementById('viewer').hidden")
    wait_for(lambda: was_read(settings, job["id"], "viewer.html"), "the frame's request, with the cookie")
    assert browser.run("document.getElementById('viewer').contentDocument") is None
    wait_for(lambda: has_colours(browser, tmp_path), "the bone in the frame")
    browser.open(browser.run("document.getElementById('viewer-alone').href"))
    browser.wait("document.body.dataset.ready === 'yes'")


def has_colours(browser: Browser, folder: Path) -> bool:
    """Whether the page shows many pixels of the yellow end of viridis; browsers draw no frame that is out of sight."""
    browser.run("document.getElementById('viewer').scrollIntoView()")
    browser.screenshot(folder / "page.png")
    with Image.open(folder / "page.png") as image:
        red, green, blue = (np.asarray(image.convert("RGB")).astype(int)[..., k] for k in range(3))
    return int(((red > blue + 80) & (green > blue + 80)).sum()) > 2000


def test_a_page_makes_a_link_for_a_program(client: httpx.Client, settings: Settings, browser: Browser) -> None:
    visit(browser, refused(client, settings, PROBLEM, {"spine.png": picture(30, 60, 40)}))
    browser.wait("document.querySelector('#files button')")
    browser.click("#files button")
    browser.wait("document.querySelector('#files code')")
    url = browser.text("#files code")
    assert url.startswith(f"{client.base_url}/v1/jobs/")
    assert httpx.get(url).content == picture(30, 60, 40)[0]


def test_a_job_is_submitted_and_deleted_in_a_session_and_signing_out_ends_it(
    client: httpx.Client, browser: Browser, tmp_path: Path
) -> None:
    ct = tmp_path / "ct.nii.gz"
    ct.write_bytes(b"a ct")
    visit(browser, f"{client.base_url}/")
    browser.choose_file("input[name=ct]", ct)
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'")
    path = "/v1" + browser.run("location.pathname")
    assert client.get(path).json()["state"] == "queued"
    browser.run("confirm = () => true")
    browser.click("#delete")
    browser.wait("location.pathname === '/' && document.readyState === 'complete'")
    assert client.get(path).status_code == 404
    browser.click("#sign-out")
    browser.wait("location.pathname === '/sign-in'")
    browser.open(str(client.base_url))
    browser.wait("location.pathname === '/sign-in'")


def test_warnings_level_outline_and_error_come_before_the_numbers(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    browser.open(finished(site, open_settings))
    browser.wait("document.querySelector('#report table')")
    shown = browser.text("#report")
    parts = [
        "Warnings",
        "The CT's voxels measure up to 3.0 mm",
        "Level: L1, verified. Counted down from the lowest rib it is L1. Confidence 97 %.",
        "Outline: by the networks, within the limit. Two views of the body agree with a Dice of 0.96. The image has an "
        "edge from bone to disc along 91 % of the superior endplate and 87 % of the inferior endplate. The "
        "height of the body is 0.98 of the distance of the bodies. It turns the axis of the load by at most 1.6° "
        "(9 of 10 such outlines). It is least sure at: superior endplate.",
        "Expected error of the stress: 1.6 % of the peak on average. The outline alone causes 1.5 %. The surrogate "
        "alone causes 0.6 %.",
        "99th percentile, body\t0.544 MPa",
        "99th percentile, whole vertebra\t0.521 MPa",
        "Peak away from the endplates\t0.733 MPa\tbody, at (12.0, -10.0, 300.0)",
        "Peak overall\t1.25 MPa\tinferior endplate",
        "The peak overall depends on the mesh",
        "two vertebrae of one shape get the same stress",
    ]
    places = [shown.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert browser.run("document.querySelectorAll('#report .caution').length") == 1  # the warnings
    browser.wait("document.getElementById('preview').naturalWidth === 168")


def row_of(job: dict[str, Any]) -> str:
    """Return the script that finds a job's row in the list."""
    return f"[...document.querySelectorAll('#jobs tr')].find(r => r.querySelector('a[href$=\"{job['id']}\"]'))"


def test_the_list_of_jobs_tells_one_from_the_other(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    job = post(site, mask=None, params={"vertebra": "L3"}, name="case 17").json()
    finish(open_settings, job["id"], {}, ["Label 30 is L2: check the level.", "The template is an L1."])
    failed = post(site, mask=None).json()
    fail(open_settings, failed["id"], PROBLEM)
    browser.open(f"{site.base_url}/")
    browser.wait(row_of(job))
    cells = browser.run(f"[...{row_of(job)}.cells].map(c => c.innerText)")
    assert cells[:4] == ["case 17", "L3", "succeeded", "Label 30 is L2: check the level.\n1 more"]
    assert browser.run(f"{row_of(job)}.querySelector('details').textContent") == "1 moreThe template is an L1."
    assert browser.run(f"{row_of(failed)}.cells[2].innerText") == "failed: The vertebra was not found"
    browser.run("$('filter').value = 'failed'; $('filter').dispatchEvent(new Event('change'))")
    browser.wait(f"!{row_of(job)}")
    assert browser.run(row_of(failed) + " !== undefined")
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.getElementById('heading').textContent === 'case 17'")


def test_labels_are_sent_shown_and_filter_the_list(site: httpx.Client, browser: Browser, tmp_path: Path) -> None:
    other = post(site, mask=None).json()
    (tmp_path / "ct").write_bytes(b"ct")
    browser.open(f"{site.base_url}/")
    browser.choose_file("input[name=ct]", tmp_path / "ct")
    form = "document.forms['submit-form']"
    browser.run(f"{form}.labels.value = 'study'")
    browser.click("#send")
    assert "A label needs a key, an equals sign and a value" in browser.text("#message")
    browser.run(f"{form}.labels.value = ' study = spine 2026, ward=B,'")
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/') && document.getElementById('labels')?.hidden === false")
    job = site.get("/v1" + browser.run("location.pathname")).json()
    assert job["labels"] == {"study": "spine 2026", "ward": "B"}
    assert browser.run("[...document.querySelectorAll('#labels .chip')].map(e => e.innerText)") == [
        "study=spine 2026",
        "ward=B",
    ]
    browser.open(f"{site.base_url}/")
    browser.wait(f"{row_of(job)} && {row_of(other)}")
    browser.run(f"[...{row_of(job)}.querySelectorAll('.chip')][1].click()")
    browser.wait(f"!{row_of(other)}")
    assert browser.run(f"$('label-filter').value === 'ward=B' && {row_of(job)} !== undefined")
    browser.run("$('label-filter').value = '=B'; $('label-filter').dispatchEvent(new Event('change'))")
    browser.wait("$('label-filter').getAttribute('aria-invalid') === 'true'")


def test_a_failed_job_runs_again_with_other_parameters_and_no_upload(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    before = {"vertebra": "L2", "mask_label": 30, "load_newton": 750}
    job = post(site, mask=b"mask", params=before, name="case 18").json()
    problem = {"type": "/problems/label_absent", "title": "T", "status": 422, "detail": "The mask has no label 30."}
    fail(open_settings, job["id"], problem)
    page = f"{site.base_url}{job['links']['page']}"
    browser.open(page)
    browser.wait("$('again').open")
    field = "$('again-form').elements"
    assert browser.run(f"['vertebra', 'mask_label', 'load_newton'].map(n => {field}[n].value)") == ["L2", "30", "750"]
    assert browser.run(f"{field}.seed.closest('label').hidden")  # the job has a mask
    browser.run(f"{field}.mask_label.value = ''; {field}.load_newton.value = '0'")
    browser.click("#again-form button")
    assert browser.run("location.href") == page  # a load of 0 N is refused by the form
    browser.run(f"{field}.load_newton.value = '600'")
    browser.click("#again-form button")
    browser.wait(f"location.href !== '{page}' && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()
    assert (again["retry_of"], again["name"], again["state"]) == (job["id"], "case 18", "queued")
    params = {name: again["params"][name] for name in ("vertebra", "mask_label", "load_newton")}
    assert params == {"vertebra": "L2", "mask_label": None, "load_newton": 600}


def test_what_is_unsure_stands_out(site: httpx.Client, open_settings: Settings, browser: Browser) -> None:
    outline = OUTLINE.model_copy(update={"uncertain": True, "dense_share": 0.18, "view_dice": None})
    unsure = {"level_verified": False, "level_by_ribs": None, "outline": outline}
    browser.open(
        finished(
            site,
            open_settings,
            warnings=[],
            fidelity="fe",
            segmentation=SEGMENTATION.model_copy(update=unsure),
            expected_error=ExpectedError(outline_percent=4.2, surrogate_percent=None, total_percent=4.2),
        )
    )
    browser.wait("document.querySelector('#report table')")
    shown = browser.text("#report")
    assert shown.startswith("Warnings\n\nNone.")
    assert "Level: L1, not verified. Ribs and sacrum do not settle it." in shown
    assert "Outline: uncertain. Look at the mask before you use the numbers, or send a mask." in shown
    assert "18 % of the body is as dense as metal or cement." in shown
    assert "Two views" not in shown
    assert "The outline alone causes 4.2 %. Finite elements add none." in shown
    assert browser.run("document.querySelectorAll('#report p.caution').length") == 2


def test_the_bone_has_a_card_and_a_guess_is_marked(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    browser.open(finished(site, open_settings, fidelity="fe", bone=BONE))
    browser.wait("document.querySelector('.bone table')")
    shown = browser.text(".bone")
    for part in (
        "Calibrated with a phantom. Density in mg/cm³ = 0.750 × HU − 4.00.",
        "Trabecular density 91 mg/cm³ K2HPO4: between the lines of osteoporosis (80) and of low bone mass (120).",
        "Stiffness\t15.2 kN/mm\tload over the shortening of the body, the body 27 mm high",
        "Linear strength\t2.80 kN",
        "Load over strength\t0.18\t500 N of this job over the linear strength; not a daily activity",
        "about a tenth softer than between plates",
        "fragile at or below 4.5 kN in women and 6.5 kN in men",
        "The strengths above are not on that scale: do not compare them with these lines",
        "Research, not diagnosis.",
    ):
        assert part in shown, part
    assert "UNCALIBRATED" not in shown
    place = "(d => +d.match(/M([\\d.]+)/)[1])(document.querySelector('.scale path').getAttribute('d'))"
    assert browser.run(place) == pytest.approx(10 + 380 * 91.4 / 200)
    browser.open(finished(site, open_settings, fidelity="fe", bone=GUESSED_BONE))
    browser.wait("document.querySelector('.bone.guessed')")
    assert browser.text(".bone").count("UNCALIBRATED") >= 3  # the text, the scale and its caption
    assert browser.text(".bone p.caution").startswith("UNCALIBRATED. Nothing calibrated this CT")
    shown = browser.text(".bone figcaption")
    assert "63 mg/cm³ K2HPO4, UNCALIBRATED: lines for orientation; this number is no measurement." in shown
    assert "line of osteoporosis" not in shown
    browser.open(finished(site, open_settings, fidelity="fe", bone=INTERNAL_BONE))
    browser.wait("document.querySelector('.scale path.other')")
    shown = browser.text(".bone figcaption")
    assert shown.startswith("Trabecular density 91 mg/cm³ K2HPO4 by the calibration of this job (hollow mark);")
    assert "78 mg/cm³ (full mark): below the line of osteoporosis (80)" in shown
    assert "rest on the higher density (hollow mark): up to half again as high where bone is sparse." in shown
    assert "Found: adipose -101 HU. Effective energy 69 keV, R² 0.9991" in browser.text(".bone")


def test_a_moment_and_a_weight_are_named_where_the_strength_has_neither(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    """Beside them contrast agent, with which the density is no measurement either."""
    seen = BONE.calibration.model_copy(update={"contrast_agent": True})
    case = {"load_newton": 257.43, "body_weight": BodyWeight.above("L1", 70.0), "moments": Moments(flexion=8000.0)}
    bone = BONE.model_copy(update={"calibration": seen})
    browser.open(finished(site, open_settings, fidelity="fe", bone=bone, **case))
    browser.wait("document.querySelector('.bone table')")
    shown = browser.text("#report")
    for part in (
        "under 257 N axial compression with bending (8 N m flexion, 0 N m to the right), solved",
        "91 mg/cm³ K2HPO4: lines for orientation; this number is no measurement.",
        "257 N of this job (weight alone, without muscle forces) over the linear strength; not a daily activity; "
        "compression alone, the moment is not in it",
        "Stiffness and strengths are of compression alone; the moment is not in them.",
    ):
        assert part in shown, part
    assert "no bending" not in shown


def test_prediction_and_solution_are_compared(site: httpx.Client, open_settings: Settings, browser: Browser) -> None:
    agreement = Agreement(mae_mpa=0.001, nmae_percent=0.123, r2=0.99987, peak_error_percent=-1.26, peak_distance_mm=0.4)
    browser.open(finished(site, open_settings, agreement=agreement))
    browser.wait("document.querySelector('#report table')")
    shown = browser.text("#report")
    assert "the prediction has a mean error of 0.12 % of the peak (R² 0.9999); its peak is 1.3 % too low." in shown


def test_a_bound_of_the_error_is_called_one(site: httpx.Client, open_settings: Settings, browser: Browser) -> None:
    error = ExpectedError(outline_percent=1.5, surrogate_percent=0.05, total_percent=1.5)
    browser.open(finished(site, open_settings, prediction=REFINED, expected_error=error))
    browser.wait("document.querySelector('#report table')")
    assert "The surrogate alone causes at most 0.05 %: the solver's residual shows it." in browser.text("#report")


def test_a_mask_and_a_seed_leave_the_level_to_the_client(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    browser.open(finished(site, open_settings, segmentation=None, expected_error=None))
    browser.wait("document.querySelector('#report table')")
    shown = browser.text("#report")
    assert "Level: L1, as the client says. A mask was sent." in shown
    assert "It counts as exact." in shown
    assert "Expected error of the prediction: 0.6 % of the peak on average." in shown
    seeded = {"confidence": None, "level_verified": None, "level_by_ribs": None, "outline": None, "row": []}
    browser.open(finished(site, open_settings, segmentation=SEGMENTATION.model_copy(update=seeded)))
    browser.wait("document.querySelector('#report table')")
    assert "A seed was sent, so nothing was counted." in browser.text("#report")


def test_an_unknown_level_and_a_doubtful_size_stand_before_the_numbers(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    told = Numbering(
        label=1, convention=None, chosen_by=None, level=None, possible={}, contradicted=False, reason="Too few to tell."
    )
    size = Size(
        volume_cm3=17.1, usual_volume_cm3=(26.0, 110.0), scale=0.66, usual_scale=(0.77, 1.22), stress_factor=2.2,
        edge_offset_mm=-2.0, unusual=True, off_edge=True,
    )  # fmt: skip
    error = ExpectedError(outline_percent=None, surrogate_percent=0.6, total_percent=0.6)
    doubtful = {"vertebra": "unknown", "numbering": told, "size": size, "expected_error": error}
    browser.open(finished(site, open_settings, segmentation=None, **doubtful))
    browser.wait("document.querySelector('#report table')")
    shown = browser.text("#report")
    assert "Level: unknown. Neither the client nor the mask says it. The label is 1. Too few to tell." in shown
    assert "Size: 17 cm³, unlike that of adults (T11 to L5: 26 to 110 cm³)." in shown
    assert "The mask ends 2.0 mm outside the edge of the bone." in shown
    assert "although its size is doubtful: that error is not in the number." in shown
    assert "Von Mises stress of a vertebra of unknown level under" in shown
    assert shown.index("Level: unknown") < shown.index("Size: ") < shown.index("Von Mises stress of")


def test_the_form_sends_the_seed_and_what_to_do_with_an_uncertain_level(
    site: httpx.Client, browser: Browser, tmp_path: Path
) -> None:
    ct = tmp_path / "ct.nii.gz"
    ct.write_bytes(b"a ct")
    browser.open(f"{site.base_url}/?vertebra=T12&seed=1.5%2C-20%2C300&load_newton=800&fidelity=nonsense")
    offered = browser.run("[...document.forms['submit-form'].on_uncertain_level.options].map(o => o.value)")
    assert tuple(offered) == get_args(OnUncertainLevel)
    assert browser.run("document.forms['submit-form'].fidelity.value") == "surrogate"
    browser.choose_file("input[name=ct]", ct)
    browser.run("document.forms['submit-form'].seed.value = '1, 2'")
    browser.click("#send")
    assert browser.text("#message") == "The point needs three numbers: x, y, z in mm."
    browser.run("document.forms['submit-form'].seed.value = '1.5 -20; 300'")
    browser.run("document.forms['submit-form'].on_uncertain_level.value = 'flag'")
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/')")
    job = site.get("/v1/jobs/" + browser.run("location.pathname").rsplit("/", 1)[1]).json()
    assert job["params"]["seed_ras_mm"] == [1.5, -20.0, 300.0]
    assert (job["params"]["vertebra"], job["params"]["load_newton"]) == ("T12", 800.0)
    assert job["params"]["on_uncertain_level"] == "flag"


def test_the_form_asks_for_what_a_density_needs_and_explains_what_does_not_fit(
    site: httpx.Client, open_settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(b"a ct")
    browser.open(f"{site.base_url}/")
    form = "document.forms['submit-form']"
    choose = f"((name, value) => {{ const f = {form}.elements[name]; f.value = value; "
    choose += "f.dispatchEvent(new Event('change', {bubbles: true})); })"
    shown = "[...document.querySelectorAll('[data-needs]')].filter(e => !e.hidden).map(e => e.dataset.needs)"
    offered = f"['load_case', 'material', 'density_law'].map(n => [...{form}.elements[n].options].map(o => o.value))"
    assert browser.run(offered) == [list(get_args(kind)) for kind in (LoadCase, BoneMaterial, DensityLaw)]
    kinds = browser.run(f"[...{form}.elements.calibration.options].map(o => o.value)")
    assert sorted(kinds) == sorted(CALIBRATION_KINDS)
    assert browser.run(shown) == ["traction", "traction"]
    asked = f"['seed', 'mask_label'].map(n => !{form}.elements[n].closest('label').hidden)"
    assert browser.run(asked) == [True, False]
    browser.choose_file("input[name=mask]", tmp_path / "ct.nii.gz")
    assert browser.run(asked) == [False, True]
    browser.run(f"{choose}('mask', '')")
    assert browser.run(asked) == [True, False]
    browser.choose_file("input[name=ct]", tmp_path / "ct.nii.gz")
    browser.run(f"{choose}('material', 'density')")
    asked_for = ["density", "phantom", "phantom", "phantom", "density", "density", "density", "solved"]
    assert browser.run(shown) == ["traction", "traction", *asked_for]
    browser.click("#send")
    assert "needs a slope above 0 and an intercept" in browser.text("#message")
    browser.run(f"{choose}('calibration', 'internal')")
    asked_for = ["density", "internal", "density", "density", "density", "solved"]
    assert browser.run(shown) == ["traction", "traction", *asked_for]
    browser.run(f"{choose}('internal_method', 'water_line')")
    assert browser.run(f"readParams({form}).calibration") == {"kind": "internal", "method": "water_line"}
    browser.run(f"{choose}('calibration', 'none')")
    assert "marked UNCALIBRATED" in browser.text("#submit-form [data-needs=none]")
    browser.run(f"{choose}('fidelity', 'both')")
    browser.click("#send")
    assert "There is no prediction to compare with" in browser.text("#message")
    browser.run(f"{choose}('fidelity', 'fe'); {choose}('body_weight_kg', '70'); {choose}('load_newton', '700')")
    browser.click("#send")
    assert browser.text("#message") == "Give the load or the body weight, not both."
    browser.run(f"{choose}('load_newton', '500'); {choose}('flexion', '3')")  # plates do not bend, so it is not sent
    phantom = {"calibration": "phantom", "slope": "0.8", "intercept": "-3", "measure": "hydroxyapatite"}
    for name, value in {**phantom, "strength": "nonlinear", "density_law": "keyak_2003", "load_case": "plates"}.items():
        browser.run(f"{choose}('{name}', '{value}')")
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/')")
    job = site.get("/v1" + browser.run("location.pathname")).json()
    expected = {
        "material": "density",
        "calibration": {"kind": "phantom", "slope": 0.8, "intercept": -3.0, "measure": "hydroxyapatite"},
        "density_law": "keyak_2003",
        "load_case": "plates",
        "fidelity": "fe",
        "body_weight_kg": 70.0,
        "moments": None,
        "strength": "nonlinear",
    }
    assert {name: job["params"][name] for name in expected} == expected
    browser.wait("document.getElementById('asked')?.textContent")
    load = "the weight above the level of a body of 70 kg (plates)"
    bone = "bone of its own density, a phantom calibrates it, crushed in the model"
    assert browser.text("#asked") == f"Asked for: L1; {load}; {bone}; finite elements."
    fail(open_settings, job["id"], PROBLEM)
    browser.wait("$('again')?.open")
    browser.run("$('again-form').elements.body_weight_kg.value = '80'")
    browser.click("#again-form button")
    browser.wait(f"!location.pathname.endsWith('{job['id']}') && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()["params"]
    assert {name: again[name] for name in expected} == expected | {"body_weight_kg": 80.0}


def test_a_page_whose_session_has_ended_says_so(client: httpx.Client, settings: Settings, browser: Browser) -> None:
    page = refused(client, settings, PROBLEM, {})
    visit(browser, page)
    browser.wait("!document.getElementById('delete').hidden")
    browser.forget_cookies()
    browser.wait("(confirm = () => true, document.querySelector('#delete')?.click(), true)")  # or it saw it by itself
    browser.wait("location.pathname === '/sign-in' && document.readyState === 'complete'")
    assert "Your session has ended." in browser.text("#message")
    browser.run("document.querySelector('input[name=key]').value = 'key-a'")
    browser.click("#sign-in-form button")
    browser.wait(f"location.href === '{page}' && document.readyState === 'complete'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen_and_words_can_be_read(
    site: httpx.Client, open_settings: Settings, browser: Browser, width: int, scheme: str
) -> None:
    pages = {
        f"{site.base_url}/": "document.querySelector('#jobs tr')",
        finished(site, open_settings, bone=GUESSED_BONE): "document.querySelector('.bone table')",
        refused(
            site, open_settings, PROBLEM, {"spine.png": picture(30, 60, 40)}
        ): "document.querySelector('.candidates')",
        f"{site.base_url}/sign-in": "true",
    }
    browser.resize(width, scheme=scheme)
    for page, is_there in pages.items():
        browser.open(page)
        browser.wait(is_there)
        scroll, client = browser.run("(d => [d.scrollWidth, d.clientWidth])(document.documentElement)")
        assert scroll <= client <= width, page
        assert browser.run(TOO_FAINT) == [], page
    browser.resize(1000)


def test_a_print_has_warnings_numbers_and_picture(
    site: httpx.Client, open_settings: Settings, browser: Browser
) -> None:
    browser.open(finished(site, open_settings))
    browser.wait("document.getElementById('preview').naturalWidth === 168")
    browser.media("print")
    seen = "(s => getComputedStyle(document.querySelector(s)).display !== 'none')"
    assert browser.run(f"['#report ul.caution', '#report table', '#preview', '#pdf'].every({seen})")
    written = browser.run("getComputedStyle(document.getElementById('pdf'), '::after').content")
    assert browser.run("document.getElementById('pdf').getAttribute('href')") in written
    assert httpx.get(browser.run("document.getElementById('pdf').href")).content == b"%PDF-1.4"
    assert browser.run("document.getElementById('zip').href").endswith("/results.zip")
    assert not browser.run(f"['button', '#viewer', '#published', 'form'].some({seen})")
    browser.media("")
