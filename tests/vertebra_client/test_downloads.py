"""Downloads to a place where another program downloads too, and from a server that means harm or is broken."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from app.contract.errors import RangeNotSatisfiable
from app.contract.result_list import Result
from app.jobs.settings import Settings
from tests.app.harness import finish, running_app
from tests.vertebra_client.conftest import QUICK
from vertebra_client import (
    AlreadyDownloadingError,
    Client,
    DamagedResultError,
    Submission,
    UnexpectedAnswerError,
    partial_file,
)
from vertebra_client.partial_file import PARTIAL_CONTENT, PartialFile

Connect = Callable[..., Any]
DATA = b"0123456789" * 2
ID = "0" * 32


def result(name: str = "stress.vtu", data: bytes = DATA, **other: Any) -> Result:
    sha256 = hashlib.sha256(data).hexdigest()
    return Result(**{"name": name, "media_type": "x", "size": len(data), "sha256": sha256, "url": "/x"} | other)


def test_one_program_at_a_time_writes_a_file(tmp_path: Path) -> None:
    one, other = (PartialFile.of(result(), tmp_path) for _ in range(2))
    with one.held():
        one.begin(200)
        one.feed(DATA[:10])
        with pytest.raises(AlreadyDownloadingError, match="Another program downloads"), other.held():
            pass
    with other.held():  # it goes on where the first was
        assert other.headers()["Range"] == "bytes=10-"
        other.begin(PARTIAL_CONTENT)
        other.feed(DATA[10:])
        assert other.is_whole()
        assert other.keep().read_bytes() == DATA
    assert one.is_there()
    assert os.listdir(tmp_path) == ["stress.vtu"]


def test_the_bytes_on_disk_are_judged(tmp_path: Path) -> None:
    part = PartialFile.of(result(), tmp_path)
    with part.held():
        (path,) = tmp_path.iterdir()
        part.begin(200)
        part.feed(DATA[:10])
        with path.open("ab") as file:  # of a program that knows no locks
            file.write(b"x" * 10)
        part.feed(DATA[10:])
        assert not part.is_whole()
        part.discard()
        part.feed(DATA)
        assert part.is_whole()
        path.write_bytes(b"x" * len(DATA))
        assert not part.is_whole()


def test_a_file_that_moves_before_it_is_locked_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, lock = PartialFile.of(result(), tmp_path), partial_file._lock
    path = tmp_path / f".stress.vtu.{result().sha256[:12]}.part"

    def lock_late(file: Any) -> None:
        monkeypatch.setattr(partial_file, "_lock", lock)
        path.rename(tmp_path / "stress.vtu")  # the one who held it is done in this moment
        lock(file)

    monkeypatch.setattr(partial_file, "_lock", lock_late)
    with part.held():
        part.begin(200)
        part.feed(DATA)
        assert (tmp_path / "stress.vtu").read_bytes() == b""
        assert part.keep().read_bytes() == DATA


def test_a_second_download_to_the_same_place_is_refused(
    connect: Connect, gateway: str, settings: Settings, tmp_path: Path
) -> None:
    client = connect(gateway)
    job = client.submit(Submission(b"ok"))
    data = os.urandom(300_000)
    finish(settings, job.id, {"stress.vtu": (data, "x"), "empty.txt": (b"", "text/plain")})
    refused: list[str] = []

    def meanwhile(_: int, __: int) -> None:
        with Client(gateway, "key-a", QUICK) as second, pytest.raises(AlreadyDownloadingError) as error:
            second.download(job.id, "stress.vtu", tmp_path)
        refused.append(str(error.value))

    assert client.download(job.id, "stress.vtu", tmp_path, progress=meanwhile).read_bytes() == data
    assert refused
    assert client.download_all(job.id, tmp_path)["empty.txt"].read_bytes() == b""
    assert sorted(os.listdir(tmp_path)) == ["empty.txt", "stress.vtu"]


@pytest.fixture(scope="module")
def answers() -> dict[str, list[Response]]:
    """What the server answers next, by the last part of the path; the last answer stays."""
    return {}


@pytest.fixture(scope="module")
def strange(answers: dict[str, list[Response]]) -> Iterator[str]:
    app = FastAPI()

    @app.get(f"/v1/jobs/{ID}/{{name:path}}")
    def answer(name: str) -> Response:
        left = answers[name]
        return left.pop(0) if len(left) > 1 else left[0]

    with running_app(app) as url:
        yield url


def listing(*results: Result) -> list[Response]:
    return [JSONResponse({"job_id": ID, "results": [each.model_dump() for each in results], "zip_url": "/x"})]


def test_a_server_that_refuses_every_range_is_left(
    connect: Connect, strange: str, answers: dict[str, list[Response]], tmp_path: Path
) -> None:
    refusal = JSONResponse(RangeNotSatisfiable("No.").problem(), 416)
    part = tmp_path / f".stress.vtu.{result().sha256[:12]}.part"
    answers["results"] = listing(result())
    answers["results/stress.vtu"] = [refusal]
    for beginning in (b"", DATA[:10]):
        part.write_bytes(beginning)
        with pytest.raises(RangeNotSatisfiable):
            connect(strange).download(ID, "stress.vtu", tmp_path)
        assert os.listdir(tmp_path) == []
    part.write_bytes(DATA[:10])
    answers["results/stress.vtu"] = [refusal, Response(DATA)]
    assert connect(strange).download(ID, "stress.vtu", tmp_path).read_bytes() == DATA


def test_an_empty_file_with_another_sha_is_damaged(
    connect: Connect, strange: str, answers: dict[str, list[Response]], tmp_path: Path
) -> None:
    answers["results"] = listing(result(size=0))
    answers["results/stress.vtu"] = [Response(b"")]
    with pytest.raises(DamagedResultError):
        connect(strange).download_all(ID, tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc/passwd", "a/b/c", "L1/", "L1/..", ".ssh/authorized_keys", ".profile", "..\\..\\x",
     "C:x", "C:\\x", "a\\b", "a:b", "a\0b", "a\n", "ä.vtu", "-x", "x" * 90, "L1//x"],
)  # fmt: skip
def test_a_name_that_no_result_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnexpectedAnswerError, match="strange name"):
        PartialFile.of(result(name), tmp_path)


def test_names_of_results_are_paths_in_the_folder(tmp_path: Path) -> None:
    for name in ("stress.vtu", "L1/report.json", "T12/candidate-1.png"):
        assert PartialFile.of(result(name), tmp_path).target == tmp_path / name


@pytest.mark.parametrize("sha256", ["", "0" * 63, "0" * 65, "F" * 64, "../" * 4 + "0" * 52, "0" * 64 + "\n"])
def test_what_is_no_sha_256_is_refused(sha256: str, tmp_path: Path) -> None:
    with pytest.raises(UnexpectedAnswerError, match="no SHA-256"):
        PartialFile.of(result(sha256=sha256), tmp_path)


def test_the_client_writes_nothing_for_a_strange_name(
    connect: Connect, strange: str, answers: dict[str, list[Response]], tmp_path: Path
) -> None:
    answers["results"] = listing(result(".ssh/authorized_keys"))
    with pytest.raises(UnexpectedAnswerError, match="authorized_keys"):
        connect(strange).download_all(ID, tmp_path)
    assert os.listdir(tmp_path) == []
