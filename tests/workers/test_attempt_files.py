"""The input of an attempt: what the storage does not have is a passing fault, whatever the storage is."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from app.contract.errors import StorageUnavailable
from app.jobs.attempts import Claim
from app.jobs.blobs import BlobStore
from workers import attempt_files

CLAIM = Claim(job_id="a" * 32, token=1, attempt=1, params={}, has_mask=True, faults=0, longest_run_s=1.0)


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_an_absent_input_is_a_passing_fault(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(str(tmp_path / "blobs") if kind == "folder" else "memory://bucket/prefix")
    monkeypatch.setattr(attempt_files, "blob_store", lambda: blobs)
    with pytest.raises(StorageUnavailable, match="does not have the ct"):
        attempt_files.fetch_input(CLAIM, tmp_path)
    for name in ("ct", "mask"):
        with pytest.raises(StorageUnavailable, match=f"does not have the {name}"):
            attempt_files.fetch_input(CLAIM, tmp_path)
        with blobs.writer(f"jobs/{CLAIM.job_id}/input/{name}") as writer:
            writer.write(name.encode())
            writer.commit()
    ct, mask = attempt_files.fetch_input(CLAIM, tmp_path)
    assert mask is not None
    assert (ct.read_bytes(), mask.read_bytes()) == (b"ct", b"mask")
    fsspec.filesystem("memory").store.clear()
