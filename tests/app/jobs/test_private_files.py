"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.jobs import private_files
from app.jobs.private_files import FILE_MODE, close_to_others


def test_a_file_is_closed_to_others_and_one_that_is_absent_is_left(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.touch(0o644)
    close_to_others(path)
    assert path.stat().st_mode & 0o777 == FILE_MODE
    close_to_others(tmp_path / "absent")


def test_a_file_that_is_deleted_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the journal of SQLite, which another process that opens the database deletes."""
    path = tmp_path / "journal"
    path.touch()
    user = os.geteuid()

    def delete() -> int:
        path.unlink()
        return user

    monkeypatch.setattr(private_files.os, "geteuid", delete)
    close_to_others(path)
    assert not path.exists()
