"""The client against a real gateway, with good connections."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.contract.errors import (
    BadSpacing,
    Forbidden,
    InvalidParameters,
    JobEnded,
    JobNotFinished,
    JobNotFound,
    ResultNotFound,
    Unauthorized,
)
from app.identity.key_store import KeyOwner, KeyStore
from app.jobs.database import open_database
from app.jobs.settings import Settings
from tests.app.harness import fail, finish, wait_for
from vertebra_client import (
    Changes,
    Client,
    Filter,
    JobCancelledError,
    JobFailedError,
    JobParams,
    Submission,
    UnexpectedAnswerError,
    WaitTimeoutError,
)

PROBLEM = {
    "type": "/problems/bad_spacing", "title": "t", "status": 422, "detail": "Voxels of a metre.",
    "expected": "0.1 to 6 mm", "got": "1000 mm", "row": [],
}  # fmt: skip
FILES = {"report.json": (b"{}", "application/json"), "L2/stress.vtu": (b"\x00\xff" * 50_000, "application/vnd.vtk.vtu")}

Connect = Callable[..., Any]


def test_a_job_from_submission_to_its_results(
    connect: Connect, gateway: str, settings: Settings, tmp_path: Path
) -> None:
    client = connect(gateway)
    sent: list[tuple[int, int]] = []
    ct = tmp_path / "Name of a patient.nii.gz"
    ct.write_bytes(b"c" * 300_000)
    submission = Submission(
        ct, b"mask", JobParams(mask_label=31, load_newton=750.0), name="case 17", labels={"study": "s1"}
    )
    job = client.submit(submission, progress=lambda *state: sent.append(state))
    assert (job.state, job.name, job.params.mask_label, job.params.load_newton) == ("queued", "case 17", 31, 750.0)
    assert [each.id for each in client.jobs(Filter(labels=["study=s1"]))][0:1] == [job.id]
    assert list(client.jobs(Filter(labels=["study=other"]))) == []
    assert job.params.fidelity == "surrogate"  # the service's default
    assert (job.input.ct.size, job.input.mask.size) == (300_000, 4)
    assert sent[-1] == (300_004, 300_004)
    assert len(sent) > 2
    with pytest.raises(JobNotFinished):
        client.results(job.id)

    seen: list[Any] = []
    threading.Timer(0.3, finish, (settings, job.id, FILES)).start()
    done = client.wait(job.id, progress=seen.append)
    assert (done.state, done.warnings) == ("succeeded", [])
    assert (seen[0].state, seen[-1]) == ("queued", done)

    got: list[tuple[int, int]] = []
    saved = client.download_all(job.id, tmp_path / "out", progress=lambda *state: got.append(state))
    assert saved == {name: tmp_path / "out" / name for name in FILES}
    assert {name: path.read_bytes() for name, path in saved.items()} == {
        name: data for name, (data, _) in FILES.items()
    }
    assert got[-1] == (100_002, 100_002)
    got.clear()
    assert client.download_all(job.id, tmp_path / "out", progress=lambda *state: got.append(state)) == saved
    assert got == []  # everything was there
    one = client.download(job.id, "L2/stress.vtu", tmp_path / "one")
    assert sorted(path.name for path in one.parent.iterdir()) == ["stress.vtu"]
    url = Client(gateway).result_url(job.id, "L2/stress.vtu")
    assert httpx.get(url, headers={"X-API-Key": "key-a"}).content == FILES["L2/stress.vtu"][0]
    with pytest.raises(ResultNotFound) as absent:
        client.download(job.id, "surface.vtp", tmp_path)
    assert absent.value.expected == "report.json, L2/stress.vtu"


def test_a_folder_of_dicom_files_is_sent_file_by_file(
    connect: Connect, gateway: str, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "PATIENT^NAME").mkdir()
    for name, data in {"IM1": b"first", "PATIENT^NAME/IM2": b"second " * 30_000}.items():
        (tmp_path / name).write_bytes(data)
    sent: list[tuple[int, int]] = []
    job = connect(gateway).submit(Submission(tmp_path), progress=lambda *state: sent.append(state))
    assert sent[-1] == (210_005, 210_005)
    (stored,) = Path(settings.storage).glob(f"jobs/{job.id}/input/ct")
    with zipfile.ZipFile(stored) as zipped:
        assert [zipped.read(name)[:6] for name in zipped.namelist()] == [b"first", b"second"]
    assert b"PATIENT" not in stored.read_bytes()


def test_lists_follow_the_pages_and_the_filter(connect: Connect, gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(gateway)
    made = [client.submit(Submission(b"ok")).id for _ in range(3)]
    for module in ("client", "async_client"):
        monkeypatch.setattr(f"vertebra_client.{module}.PAGE", 2)
    assert [job.id for job in client.jobs()][:3] == made[::-1]
    client.cancel(made[1])
    assert made[1] in [job.id for job in client.jobs(Filter(state="cancelled"))]
    assert made[1] not in [job.id for job in client.jobs(Filter(state="queued"))]


def test_other_ends_of_a_job_are_errors(connect: Connect, gateway: str, settings: Settings) -> None:
    client = connect(gateway)
    failed = client.submit(Submission(b"ok", b"mask", JobParams(mask_label=3)))
    fail(settings, failed.id, PROBLEM)
    with pytest.raises(JobFailedError, match="Voxels of a metre") as failure:
        client.wait(failed.id)
    error = failure.value.error
    assert isinstance(error, BadSpacing)
    assert error.problem() == PROBLEM
    assert failure.value.job.id == failed.id
    with pytest.raises(JobEnded):
        client.cancel(failed.id)

    again = client.retry(failed.id, Changes(JobParams(mask_label=None, load_newton=1000.0)))
    assert (again.retry_of, again.params.load_newton, again.params.mask_label) == (failed.id, 1000.0, None)
    assert [job.id for job in client.jobs(Filter(retry_of=failed.id))] == [again.id]
    assert client.retry(failed.id, Changes(mask=b"better")).corrects == failed.id
    assert client.cancel(again.id).state == "cancelled"
    with pytest.raises(JobCancelledError, match=again.id):
        client.wait(again.id)


def test_a_deleted_job_is_gone(connect: Connect, gateway: str) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    client.delete(job.id)
    for gone in (client.delete, client.job, client.wait):
        with pytest.raises(JobNotFound):
            gone(job.id)


def test_waiting_ends_in_time_and_the_job_goes_on(connect: Connect, gateway: str) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    with pytest.raises(WaitTimeoutError, match=r"has not ended after 0\.2 s; it is queued") as late:
        client.wait(job.id, timeout_s=0.2)
    assert late.value.job.id == job.id
    assert client.job(job.id).state == "queued"


def test_a_key_of_the_caller_makes_one_job(connect: Connect, gateway: str) -> None:
    client = connect(gateway)
    first, second = (client.submit(Submission(b"ok"), idempotency_key="mine") for _ in range(2))
    assert first.id == second.id


def test_refusals_are_typed_and_carry_the_details(connect: Connect, gateway: str, settings: Settings) -> None:
    with pytest.raises(Unauthorized) as unknown:
        connect(gateway, "wrong").submit(Submission(b"ok" * 100_000))
    problem = unknown.value.problem()
    assert (problem["type"], problem["status"]) == ("/problems/unauthorized", 401)
    assert problem["request_id"]
    assert problem["instance"] == "/v1/jobs"
    engine = open_database(settings.database)
    _, reader = KeyStore(engine).create(KeyOwner("tenant-a", "reads", frozenset({"read"})))
    engine.dispose()
    with pytest.raises(Forbidden, match="may not do this"):
        connect(gateway, reader).submit(Submission(b"ok"))
    with pytest.raises(InvalidParameters) as both:
        connect(gateway).submit(Submission(b"ok", b"mask", JobParams(seed_ras_mm=[1.0, 2.0, 3.0])))
    assert both.value.got == "both"
    with pytest.raises(ValueError, match="letters and digits"):
        connect(gateway).job("../keys")


def test_a_level_of_a_job_has_its_own_report(connect: Connect, gateway: str, settings: Settings) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    finish(settings, job.id, {"L2/report.json": (b"{}", "application/json")})
    wait_for(lambda: client.job(job.id).state == "succeeded", "end")
    with pytest.raises(UnexpectedAnswerError, match="no Report as this release"):
        client.report(job.id, "L2")
