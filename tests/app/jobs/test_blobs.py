from __future__ import annotations

import hashlib
import os
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import fsspec
import pytest

from app.contract.errors import StorageUnavailable
from app.jobs.blobs import BlobStore
from tests.app.s3_server import BUCKET, running_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with running_s3() as variables:
        yield variables


@pytest.fixture(params=["folder", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobStore]:
    """Return a store in a folder, in fsspec's memory, or on an S3 server, each empty."""
    if request.param == "folder":
        yield BlobStore(str(tmp_path / "blobs"))
    elif request.param == "memory":
        yield BlobStore("memory://bucket/prefix")
        fsspec.filesystem("memory").store.clear()
    else:
        for name, value in request.getfixturevalue("s3").items():
            monkeypatch.setenv(name, value)
        yield BlobStore(f"s3://{BUCKET}/{tmp_path.name}")


def put(blobs: BlobStore, key: str, data: bytes) -> None:
    with blobs.writer(key) as writer:
        writer.write(data)
        info = writer.commit()
    assert (info.size, info.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_round_trip(blobs: BlobStore, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    put(blobs, "jobs/a/input/ct", data)
    assert blobs.size("jobs/a/input/ct") == len(data)
    assert b"".join(blobs.read("jobs/a/input/ct")) == data
    assert b"".join(blobs.read("jobs/a/input/ct", 1000, 1_500_000)) == data[1000:1_501_000]
    target = tmp_path / "copy"
    blobs.fetch("jobs/a/input/ct", target)
    assert target.read_bytes() == data
    blobs.put_file("jobs/a/results-1/x", target)
    assert blobs.folders("jobs/a") == ["input", "results-1"]
    assert abs(blobs.last_change("jobs/a") - time.time()) < 60
    blobs.check()


@pytest.mark.parametrize("deleted", ["a", "b"])
def test_a_copy_survives_the_other(blobs: BlobStore, deleted: str) -> None:
    put(blobs, "jobs/a/input/ct", b"voxels")
    blobs.copy("jobs/a/input/ct", "jobs/b/input/ct")
    blobs.delete_tree(f"jobs/{deleted}")
    (kept,) = blobs.folders("jobs")
    assert kept != deleted
    assert b"".join(blobs.read(f"jobs/{kept}/input/ct")) == b"voxels"
    with pytest.raises(FileNotFoundError):
        blobs.copy(f"jobs/{deleted}/input/ct", "jobs/c/input/ct")


def test_a_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    blobs = BlobStore(str(tmp_path / "blobs"))
    put(blobs, "jobs/a/input/ct", b"voxels")
    monkeypatch.setattr(os, "link", refuse)
    blobs.copy("jobs/a/input/ct", "jobs/b/input/ct")
    assert b"".join(blobs.read("jobs/b/input/ct")) == b"voxels"


def test_a_write_that_the_system_refuses_is_a_passing_fault_and_leaves_nothing(tmp_path: Path) -> None:
    blobs = BlobStore(str(tmp_path / "blobs"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = tmp_path / "report"
    source.write_bytes(b"x" * 5_000)  # so short that it is written at the end
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))  # refuses as a full disk does
    try:
        with pytest.raises(StorageUnavailable, match="File too large"):
            blobs.put_file("jobs/a/results-1/x", source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_nothing_is_visible_before_commit_or_after_abort(tmp_path: Path) -> None:
    blobs = BlobStore(str(tmp_path / "blobs"))
    with blobs.writer("jobs/a/input/ct") as writer:
        writer.write(b"half")
        with pytest.raises(FileNotFoundError):
            blobs.size("jobs/a/input/ct")
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_delete_tree(blobs: BlobStore) -> None:
    put(blobs, "jobs/a/x", b"1")
    put(blobs, "jobs/b/x", b"1")
    blobs.delete_tree("jobs/a")
    blobs.delete_tree("jobs/a")
    assert blobs.folders("jobs") == ["b"]
    assert blobs.folders("none") == []
    assert blobs.last_change("none") == 0.0


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", ""])
def test_keys_stay_inside(blobs: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="expected a relative key"):
        blobs.path(key)


def test_a_full_or_broken_disk_is_storage_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    blobs = BlobStore(str(tmp_path / "file" / "blobs"))
    for use in (blobs.check, lambda: blobs.writer("jobs/a/input/ct")):
        with pytest.raises(StorageUnavailable):
            use()
    (tmp_path / "file").unlink()
    blobs.check()  # it is used as soon as it can be
    put(blobs, "jobs/a/input/ct", b"voxels")


def test_an_upload_that_the_store_has_ended_is_storage_unavailable(
    s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where the answer to a commit gets lost, and the S3 client asks again."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    blobs = BlobStore(f"s3://{BUCKET}/ended")
    writer = blobs.writer("jobs/a/input/ct")
    writer.write(bytes(20 << 20))
    (upload,) = blobs.fs.call_s3("list_multipart_uploads", Bucket=BUCKET)["Uploads"]
    named = {"Bucket": BUCKET, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    blobs.fs.call_s3("abort_multipart_upload", **named)
    with pytest.raises(StorageUnavailable):
        writer.commit()
    writer.abort()  # raises nothing, so the caller sees the error above
    assert blobs.folders("jobs") == []
