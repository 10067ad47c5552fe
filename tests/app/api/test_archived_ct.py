"""Which addresses of a CT in an archive the gateway takes, and what it keeps of them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from app.contract.errors import ArchiveNotAllowed, InvalidParameters
from app.jobs.ct_reference import CtReference, reference_of
from app.jobs.settings import Settings
from tests.app.harness import check_problem, stored_jobs

ROOT = "http://127.0.0.1:9/dicom-web"
STUDY = f"{ROOT}/studies/1.2.840.1"


def form(url: str, *more: tuple) -> list:
    return [("ct_url", (None, url)), ("mask", ("", b"")), *more]


def test_a_reference_is_stored_and_not_the_address(client: httpx.Client, settings: Settings) -> None:
    job = client.post("/v1/jobs", files=form(f" {STUDY}/series/1.2.3 ", ("ct", ("", b"")))).json()
    assert job["input"]["archive"] == "pacs"
    folder = Path(settings.storage) / "jobs" / job["id"] / "input"
    text = (folder / "reference").read_text()
    assert CtReference.model_validate_json(text) == CtReference(archive="pacs", study="1.2.840.1", series="1.2.3")
    assert job["input"]["ct"]["size"] == len(text)
    assert [path.name for path in folder.iterdir()] == ["reference"]
    client.delete(job["links"]["self"]).raise_for_status()
    assert not folder.exists()


def test_refused_addresses_leave_nothing(client: httpx.Client, stranger: httpx.Client, settings: Settings) -> None:
    before = stored_jobs(settings)
    problem = check_problem(stranger.post("/v1/jobs", files=form(STUDY)), 403, "archive_not_allowed")
    assert problem["expected"] == "none: no archive is set up for you"
    problem = check_problem(
        client.post("/v1/jobs", files=form("http://10.0.0.1/studies/1.2")), 403, "archive_not_allowed"
    )
    assert (problem["expected"], problem["got"]) == ("a study in one of pacs", "another address")
    check_problem(client.post("/v1/jobs", files=form(ROOT + "/studies/x")), 422, "invalid_parameters")
    check_problem(client.post("/v1/jobs", files=form(STUDY, ("ct", ("c", b"ct")))), 400, "malformed_request")
    check_problem(client.post("/v1/jobs", files=form(STUDY, ("dicom", ("c", b"ct")))), 400, "malformed_request")
    check_problem(client.post("/v1/jobs", files=form(" ")), 400, "malformed_request")
    assert stored_jobs(settings) == before


SETTINGS = Settings(
    dicomweb_servers={"pacs": "https://user:secret@Pacs.example/a/dicom-web/", "out": "https://out.example"},
    dicomweb_sources=["pacs"],
)


@pytest.mark.parametrize(
    "url",
    [
        "https://pacs.example/a/dicom-web/studies/1.2",
        "https://PACS.example:443/a/dicom-web/studies/1.2/",
        "pacs/studies/1.2",
    ],
)
def test_an_archive_is_known_by_its_address_and_by_its_name(url: str) -> None:
    assert reference_of(url, "a", SETTINGS) == CtReference(archive="pacs", study="1.2")


@pytest.mark.parametrize("deep", ["a", "z"])
def test_an_archive_below_another_is_reached(deep: str) -> None:
    root = "https://pacs.example/dicom-web"
    servers = {"m": root, deep: f"{root}/aets/X"}
    found = {
        url: reference_of(f"{url}/studies/1.2", "a", Settings(dicomweb_servers=servers, dicomweb_sources=["m", deep]))
        for url in servers.values()
    }
    assert [reference.archive for reference in found.values()] == ["m", deep]


@pytest.mark.parametrize(
    "url",
    [
        "http://pacs.example/a/dicom-web/studies/1.2",
        "https://pacs.example:8443/a/dicom-web/studies/1.2",
        "https://pacs.example.evil.example/a/dicom-web/studies/1.2",
        "https://pacs.example/studies/1.2",
        "https://pacs.example/a/dicom-web-2/studies/1.2",
        "https://user:secret@pacs.example/a/dicom-web/studies/1.2",
        "https://pacs.example@evil.example/a/dicom-web/studies/1.2",
        "https://pacs.example/a/dicom-web/studies/1.2?x=1",
        "https://pacs.example/a/dicom-web/studies/1.2#x",
        "https://out.example/studies/1.2",
        "//pacs.example/a/dicom-web/studies/1.2",
        "https://[pacs.example/a/dicom-web/studies/1.2",
        "https://pacs.example:0/a/dicom-web/studies/1.2",
        "https://pacs.example:http/a/dicom-web/studies/1.2",
        "out/studies/1.2",
        "file:///etc/passwd",
        "",
    ],
)
def test_other_addresses_are_in_no_archive(url: str) -> None:
    with pytest.raises(ArchiveNotAllowed):
        reference_of(url, "a", SETTINGS)


@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        "/studies/1",
        "/studies/../1.2",
        "/studies/1.%32",
        "/studies/1.2/series/",
        "/studies/1.2/instances/1.3",
        "/studies/1.2/series/1.3/instances/1.4",
        "//studies/1.2",
        f"/studies/1.{'2' * 63}",
        "/studies/1.\u0662",
    ],
)
def test_other_resources_are_no_ct(path: str) -> None:
    with pytest.raises(InvalidParameters):
        reference_of(f"https://pacs.example/a/dicom-web{path}", "a", SETTINGS)
