"""The pages with DICOM: files, a folder or a zip are sent, and a person chooses among series."""

from __future__ import annotations

import zipfile
from pathlib import Path

import httpx
import pytest

from app.contract.dicom_series import DicomInput, DicomSeries
from app.contract.errors import SeriesAmbiguous, VertebraNotFound
from app.jobs.settings import Settings
from tests.app.harness import Broker, fail
from tests.app.pages.browser import CHROMIUM, Browser
from tests.app.pages.legibility import TOO_FAINT

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")

SLICES = {"Doe_1.dcm": b"first", "Doe_2.dcm": b"second", "inner/Doe_3": b"third"}
EARLY = DicomSeries(
    id="0123456789abcdef", modality="CT", orientation="axial", slices=400, spacing_mm=0.75, kernel="Br40", left_out=None
)
LATE = EARLY.model_copy(update={"id": "fedcba9876543210", "kernel": None})
SCOUT = EARLY.model_copy(update={"id": "00000000000000aa", "slices": 1, "spacing_mm": None, "left_out": "a localizer"})


@pytest.fixture(scope="module")
def settings(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("dicom")
    return Settings(data_dir=folder, broker_url=broker.url, stale_after_s=3600, allow_anonymous=True)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name, data in SLICES.items():
        (tmp_path / "study" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "study" / name).write_bytes(data)
    return tmp_path / "study"


def stored(site: httpx.Client, settings: Settings, browser: Browser) -> bytes:
    """Send the form and return what is stored of its CT."""
    browser.click("#send")
    browser.wait("location.pathname.startsWith('/jobs/') && document.readyState === 'complete'")
    job = site.get("/v1" + browser.run("location.pathname")).json()
    return (Path(settings.storage) / "jobs" / job["id"] / "input" / "ct").read_bytes()


def contents(data: bytes, path: Path) -> list[bytes]:
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.read(name) for name in archive.namelist())


def test_files_a_folder_and_what_is_dropped_are_sent_file_by_file(
    site: httpx.Client, settings: Settings, browser: Browser, study: Path, tmp_path: Path
) -> None:
    files = [study / name for name in SLICES]
    ways = (
        lambda: browser.choose_file("input[name=ct]", *files),
        lambda: browser.choose_file("input[name=folder]", study),
        lambda: browser.drop("#submit-form", study),
    )
    for way in ways:
        browser.open(str(site.base_url))
        way()
        browser.wait("document.getElementById('ct-text').textContent.startsWith('CT: 3 files')")
        data = stored(site, settings, browser)
        assert contents(data, tmp_path / "got.zip") == sorted(SLICES.values())
        assert b"Doe" not in data


def test_a_zip_is_sent_as_it_is_and_the_last_choice_counts(
    site: httpx.Client, settings: Settings, browser: Browser, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 a zip")
    browser.open(str(site.base_url))
    browser.click("#send")
    browser.wait("document.getElementById('message').textContent.startsWith('Choose a CT first')")
    browser.choose_file("input[name=folder]", study)
    browser.wait("document.getElementById('ct-text').textContent.startsWith('CT: 3 files')")
    browser.choose_file("input[name=ct]", tmp_path / "a.zip")
    browser.wait("document.getElementById('ct-text').textContent.startsWith('CT: a.zip')")
    assert stored(site, settings, browser) == b"PK\x03\x04 a zip"


def test_a_person_chooses_one_of_the_series_that_fit(site: httpx.Client, settings: Settings, browser: Browser) -> None:
    job = site.post("/v1/jobs", files={"ct": ("ct", b"PK\x03\x04")}).json()
    listed = [each.model_dump(mode="json") for each in (EARLY, LATE, SCOUT)]
    fail(settings, job["id"], SeriesAmbiguous("Several fit.", series=listed).problem())
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.querySelectorAll('#refusal tbody tr').length === 3")
    assert browser.text("#refusal tbody tr:nth-child(1)").split("\t") == [
        EARLY.id[:8], "400", "0.75 mm", "axial", "Br40", "Read this one"
    ]  # fmt: skip
    assert browser.text("#problem p") == "Which series is meant?"
    assert "a localizer" in browser.text("#refusal tbody tr:nth-child(3)")
    for width in (390, 1280):
        browser.resize(width)
        assert browser.run(TOO_FAINT) == []
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.querySelector('#refusal button').getBoundingClientRect().right") <= width
    browser.click("#refusal tbody tr:nth-child(2) button")
    browser.wait(f"location.pathname !== '{job['links']['page']}' && document.readyState === 'complete'")
    again = site.get("/v1" + browser.run("location.pathname")).json()
    assert (again["params"]["series_uid"], again["retry_of"]) == (LATE.id, job["id"])


def test_a_refused_vertebra_offers_the_other_series(site: httpx.Client, settings: Settings, browser: Browser) -> None:
    job = site.post("/v1/jobs", files={"ct": ("ct", b"PK\x03\x04")}).json()
    read = DicomInput(
        series=EARLY, reason="the most slices", others=[LATE], files_left_out=0, transfer_syntax="uncompressed",
        lossy=False, gantry_tilt_deg=0.0, repeated_slices=0, resampled_to_mm=None,
    )  # fmt: skip
    fail(settings, job["id"], VertebraNotFound("Not there.", dicom=read.model_dump(mode="json")).problem())
    browser.open(f"{site.base_url}{job['links']['page']}")
    browser.wait("document.querySelectorAll('#refusal tbody tr').length === 2")
    assert browser.text("#refusal tbody tr:nth-child(1)").endswith("was read")
    assert browser.text("#refusal tbody tr:nth-child(2)").endswith("Read this one")
