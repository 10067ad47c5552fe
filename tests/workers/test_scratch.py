from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workers.scratch import PREFIX, remove_left_behind, scratch_folder


def test_folders_of_killed_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    (tmp_path / f"{PREFIX}{dead.pid}-{host}-x").mkdir()
    foreign, old = tmp_path / f"{PREFIX}{dead.pid}-elsewhere-x", tmp_path / f"{PREFIX}1-gone-x"
    foreign.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    with scratch_folder() as own:
        (own / "ct").write_bytes(b"x")
        remove_left_behind(600)
        assert sorted(tmp_path.iterdir()) == sorted([own, foreign])
    assert list(tmp_path.iterdir()) == [foreign]
