"""The page of a job whose outline is wrong: a person sends a mask, and the jobs know of each other."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.jobs.settings import Settings
from tests.app.harness import Broker, finish, post
from tests.app.pages.browser import CHROMIUM, Browser
from tests.app.pages.legibility import TOO_FAINT
from tests.app.reports import report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("corrections")
    kept = folder / "kept"
    return Settings(
        data_dir=folder, broker_url=broker.url, stale_after_s=3600, allow_anonymous=True, corrections_dir=kept
    )


def test_a_person_sends_the_right_outline(
    site: httpx.Client, settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    job = post(site, mask=None, name="case 17", params={"vertebra": "L2", "seed_ras_mm": [1, 2, 3]}).json()
    finish(settings, job["id"], {"report.json": (report().model_dump_json().encode(), "application/json")})
    page = job["links"]["page"]
    browser.open(f"{site.base_url}{page}")
    browser.wait("!document.getElementById('correct').hidden")
    browser.click("#correct summary")
    assert "to train the networks with" in browser.text("#correct")
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            browser.resize(width, scheme=scheme)
            assert browser.run(TOO_FAINT) == []
            assert browser.run("document.documentElement.scrollWidth") <= width
    (tmp_path / "mask.nii.gz").write_bytes(b"the right outline")
    browser.choose_file("#correct-form input[name=mask]", tmp_path / "mask.nii.gz")
    browser.click("#correct-form button")
    browser.wait(f"location.pathname !== '{page}' && document.readyState === 'complete'")
    right = site.get("/v1" + browser.run("location.pathname")).json()
    assert (right["corrects"], right["input"]["mask"]["size"]) == (job["id"], len(b"the right outline"))
    assert (right["params"]["vertebra"], right["params"]["seed_ras_mm"]) == ("L2", None)
    browser.wait("!document.getElementById('related').hidden")
    assert browser.text("#related") == "The mask of this job corrects the outline of case 17."
    browser.click("#related a")
    browser.wait(f"location.pathname === '{page}' && document.getElementById('related')?.hidden === false")
    assert browser.text("#related") == "Corrected by case 17."
    site.delete(job["links"]["self"])
    browser.open(f"{site.base_url}{right['links']['page']}")
    browser.wait("!document.getElementById('related').hidden")
    assert browser.text("#related") == (
        f"The mask of this job corrects the outline of job {job['id'][:8]}, which is deleted."
    )


def test_a_mask_that_is_refused_says_why(
    site: httpx.Client, settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    job = post(site, mask=None).json()
    finish(settings, job["id"], {"report.json": (report().model_dump_json().encode(), "application/json")})
    (tmp_path / "mask.nii").touch()
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("!document.getElementById('correct').hidden")
    browser.click("#correct summary")
    browser.choose_file("#correct-form input[name=mask]", tmp_path / "mask.nii")
    browser.click("#correct-form button")
    browser.wait("document.getElementById('correct-message').className === 'problem'")
    assert "The file part `mask` has no bytes." in browser.text("#correct-message")
    assert not browser.run("document.querySelector('#correct-form button').disabled")
