"""The page of a job with several levels, in a real browser on a real gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import Broker, fail, finish, post
from tests.app.pages.browser import CHROMIUM, Browser
from tests.app.pages.legibility import TOO_FAINT
from tests.app.pages.test_pages import PROBLEM, picture
from tests.app.reports import GUESSED_BONE, report
from workers.results.summary import build_summary, summarise_done

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

REFUSED = {"vertebra": "L3", "state": "refused", "headline": None, "warnings": [],
           "problem": PROBLEM | {"detail": "The evidence does not decide which vertebra is L3."}}  # fmt: skip


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("levels")
    return Settings(data_dir=folder, broker_url=broker.url, stale_after_s=3600, allow_anonymous=True)


def files() -> dict[str, tuple[bytes, str]]:
    """Results of a job whose L1 is done and whose L3 is refused."""
    done = report(vertebra="L1")
    summary = build_summary([summarise_done(done)], 500.0, {"morph": 1.0}, (done.inputs, done.software))
    levels = json.loads(summary.model_dump_json())
    levels["levels"].append(REFUSED)
    text = "application/json"
    return {
        "summary.json": (json.dumps(levels).encode(), text),
        "spine.png": picture(30, 60, 40),
        "L1/report.json": (done.model_dump_json().encode(), text),
        "L1/preview.png": picture(168, 76, 90),
        "L3/candidate-1.png": picture(40, 50, 90),
        "L3/candidate-2.png": picture(40, 50, 150),
    }


def files_with_bone() -> dict[str, tuple[bytes, str]]:
    """Results of a job whose L1 and L2 have a density that nothing calibrated."""
    two = [report(vertebra=level, bone=GUESSED_BONE) for level in ("L1", "L2")]
    summary = build_summary(list(map(summarise_done, two)), 500.0, {"morph": 1.0}, (two[0].inputs, two[0].software))
    return {"summary.json": (summary.model_dump_json().encode(), "application/json")}


def submit(site: httpx.Client, **params: Any) -> dict[str, Any]:
    return dict(post(site, mask=None, params={"vertebra": ["L1", "L3"], **params}).json())


def test_levels_with_a_density_have_its_mean(site: httpx.Client, settings: Settings, browser: Browser) -> None:
    job = submit(site)
    finish(settings, job["id"], files_with_bone())
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.querySelector('.levels')")
    assert "L1\tdone\t63 mg/cm³, UNCALIBRATED\t15.2 kN/mm\t0.544 MPa" in browser.text("#report table")
    mean = "Mean trabecular density of L1 and L2: 63 mg/cm³, UNCALIBRATED (K2HPO4). The ACR's lines for such a mean "
    assert f"{mean}are 80 mg/cm³ (osteoporosis) and 120 mg/cm³ (low bone mass)." in browser.text("#report p.caution")
    card = browser.text(".levels > li")
    assert "15.2 kN/mm, 2.80 kN" in card
    assert "voxels measure" not in card  # that stands above, for both


def test_each_level_is_shown_with_its_numbers_or_its_refusal(
    site: httpx.Client, settings: Settings, browser: Browser
) -> None:
    job = submit(site)
    store = open_store(settings)
    browser.open(f"{site.base_url}{job['links']['page']}")
    claim = store.claim(job["id"], "test")
    assert claim is not None
    store.progress(claim.job_id, claim.token, "morph", 40.0, "L1")
    browser.wait("document.getElementById('state').textContent === 'Working: L1, fitting the mesh, 40\u00a0% done.'")
    store.release(claim.job_id, claim.token)
    store.engine.dispose()
    finish(settings, job["id"], files())
    browser.wait("document.querySelectorAll('details.level').length === 2")
    assert "L1\tdone\t0.544 MPa\t0.733 MPa\t1.6 %" in browser.text("#report table")
    assert "L3\trefused: The vertebra was not found" in browser.text("#report table")
    browser.wait("document.getElementById('spine').naturalWidth === 30")
    assert browser.run("document.getElementById('preview').hidden")
    browser.wait("document.querySelector('.levels img')?.naturalWidth === 168")
    first, second = (browser.text(f".levels > li:nth-child({n})") for n in (1, 2))
    assert first.replace("\n\n", "\n").startswith("L1\nThe CT's voxels measure up to 3.0 mm")
    assert "Peak away from the endplates\n0.733 MPa" in first
    assert "Level\nverified" in first
    assert second.split("\n\n") == ["L3", "Refused: The vertebra was not found.", "Which one is L3? See the candidates"]
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            browser.resize(width, scheme=scheme)
            assert browser.run(TOO_FAINT) == []
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run("document.getElementById('spine').offsetHeight") <= 26 * 16
    browser.click("details.level summary")
    browser.wait("document.querySelector('details.level').innerText.includes('Level: L1, verified.')")
    assert "Von Mises stress of L1 under 500 N" in browser.text("details.level")
    assert browser.run("document.querySelectorAll('.candidates img').length") == 2
    assert browser.text("#files").count("L1/") == 2
    browser.run("document.querySelectorAll('details.level')[1].open = true")
    browser.click(".candidates li:nth-child(1) button")
    browser.click(".chosen button")
    browser.wait(f"location.pathname !== '{job['links']['page']}' && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()
    assert (again["retry_of"], again["params"]["vertebra"]) == (job["id"], "L3")
    assert again["params"]["seed_ras_mm"] == PROBLEM["alternatives"][0]["centre_ras_mm"]


def test_a_job_whose_levels_are_all_refused_shows_each(
    site: httpx.Client, settings: Settings, browser: Browser
) -> None:
    job = submit(site, load_newton=750)
    problem = {"type": "/problems/every_level_refused", "title": "No level has an answer", "status": 422,
               "detail": "D", "levels": [{"vertebra": "L3", "problem": REFUSED["problem"]}]}  # fmt: skip
    pictures = {name: data for name, data in files().items() if name.endswith(".png") and "L1" not in name}
    fail(settings, job["id"], problem, pictures)
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.querySelectorAll('details.level').length === 1")
    assert "No level has an answer." in browser.text("#problem")
    assert "L3\trefused: The vertebra was not found" in browser.text("#refusal table")
    browser.run("document.querySelector('details.level').open = true")
    browser.wait("[...document.images].filter(i => i.naturalWidth).length === 3")
    assert "L3 with a probability of 62 %" in browser.text(".candidates")
    browser.run("document.getElementById('again').open = true")
    browser.click("#again-form button")
    browser.wait(f"location.pathname !== '{job['links']['page']}' && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()
    assert again["params"] == job["params"]


def test_the_form_offers_all_levels_and_the_list_names_them(
    site: httpx.Client, settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "ct").write_bytes(b"ct")
    browser.open(f"{site.base_url}/")
    browser.choose_file("input[name=ct]", tmp_path / "ct")
    browser.run("document.forms['submit-form'].vertebra.value = 'all'")
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'")
    assert site.get("/v1" + browser.run("location.pathname")).json()["params"]["vertebra"] == "all"
    finish(settings, submit(site)["id"], files())
    finish(settings, post(site).json()["id"], files(), level="L4")
    mask = post(site).json()
    assert (mask["levels_done"], mask["vertebra"]) == (None, None)
    browser.open(f"{site.base_url}/")
    browser.wait("document.querySelectorAll('#jobs tr').length >= 3")
    listed = browser.text("#jobs")
    assert "all levels" in listed
    assert "the one that the mask says" in listed
    assert "L4, as the mask says" in listed
    assert "L1, L3; done: L1" in listed
