from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from app.contract.dicom_series import series_id
from app.jobs.settings import Settings
from tests.app.harness import check_problem, stored_jobs

SLICES = [b"first slice", b"second slice" * 200_000, b"third"]


def form(*slices: bytes) -> list:
    return [("dicom", (f"JANE DOE {n}.dcm", data)) for n, data in enumerate(slices)]


def test_dicom_parts_become_one_zip_in_which_no_name_of_theirs_is_left(
    client: httpx.Client, settings: Settings
) -> None:
    files = [*form(*SLICES), ("dicom", ("empty", b"")), ("ct", ("", b"")), ("mask", ("m", b"mask"))]
    job = client.post("/v1/jobs", files=files).json()
    stored = (Path(settings.storage) / "jobs" / job["id"] / "input" / "ct").read_bytes()
    assert job["input"]["ct"] == {"size": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}
    assert b"JANE" not in stored
    with zipfile.ZipFile(BytesIO(stored)) as archive:
        assert archive.namelist() == ["00001.dcm", "00002.dcm", "00003.dcm"]
        assert [archive.read(name) for name in archive.namelist()] == SLICES
    again = client.post("/v1/jobs", files=files).json()
    assert again["input"]["ct"] == job["input"]["ct"]


def test_a_repeated_upload_of_a_folder_makes_no_second_job(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "one folder"}
    first = client.post("/v1/jobs", files=form(*SLICES), headers=key).json()
    assert client.post("/v1/jobs", files=form(*SLICES), headers=key).json()["id"] == first["id"]
    other = client.post("/v1/jobs", files=form(*SLICES[:2]), headers=key)
    check_problem(other, 409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("files", "status", "slug"),
    [
        ([("ct", ("c", b"ct")), *form(b"a")], 400, "malformed_request"),
        ([*form(b"a"), ("ct", ("c", b"ct"))], 400, "malformed_request"),
        (form(b"", b""), 400, "empty_upload"),
        ([("ct", ("", b"")), ("dicom", ("", b""))], 400, "empty_upload"),
        (form(*[b"x" * (1 << 20)] * 5), 413, "upload_too_large"),
        ([*form(b"a"), ("params", (None, "{"))], 422, "invalid_parameters"),
    ],
)
def test_refused_folders_leave_nothing(
    client: httpx.Client, settings: Settings, files: list, status: int, slug: str
) -> None:
    before = stored_jobs(settings)
    check_problem(client.post("/v1/jobs", files=files), status, slug)
    assert stored_jobs(settings) == before


def test_more_files_than_any_study_has_are_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.dicom_parts.MAX_DICOM_FILES", 3)
    for fourth in (b"fourth", b""):
        check_problem(client.post("/v1/jobs", files=form(*SLICES, fourth)), 400, "malformed_request")


def test_a_form_of_undeclared_length_has_the_limit_of_one_that_is_declared(
    client: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of parts that are empty, of headers, or before the first boundary: no limit of a file counts them."""
    monkeypatch.setattr("app.api.uploads.FORM_OVERHEAD_BYTES", 1000)
    line = b"--b\r\nContent-Disposition: form-data; name=dicom; filename=a\r\n\r\n\r\n"
    body = line * ((2 * settings.max_upload_bytes + 1000) // len(line) + 1)
    monkeypatch.setattr("app.api.dicom_parts.MAX_DICOM_FILES", len(body))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    response = client.post("/v1/jobs", content=iter((body, b"--b--\r\n")), headers=headers)
    check_problem(response, 413, "upload_too_large")


def test_no_row_keeps_the_uid_of_a_series(client: httpx.Client) -> None:
    uid = "1.2.840.113619.2.55.3.604688119"
    files = [*form(b"a"), ("params", (None, f'{{"series_uid": "{uid}"}}'))]
    job = client.post("/v1/jobs", files=files).json()
    assert job["params"]["series_uid"] == series_id(uid) == hashlib.sha256(uid.encode()).hexdigest()[:16]
    assert uid not in client.get(job["links"]["self"]).text
    listed = [("params", (None, f'{{"series_uid": "{series_id(uid)}-2"}}')), *form(b"a")]
    assert client.post("/v1/jobs", files=listed).json()["params"]["series_uid"] == f"{series_id(uid)}-2"
    wrong = [("params", (None, '{"series_uid": "Doe^Jane"}')), *form(b"a")]
    check_problem(client.post("/v1/jobs", files=wrong), 422, "invalid_parameters")
