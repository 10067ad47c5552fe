"""Files of long runs: whole or not there, and of one setting only."""

from __future__ import annotations

import pytest

from training.artifacts.files import atomic_path, record_settings


def _write_half(path):
    with atomic_path(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt


def test_a_killed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_half(path)
    assert path.read_text() == "old"
    with atomic_path(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_holds_results_of_one_setting(tmp_path):
    record_settings(tmp_path / "samples", seed=0)
    record_settings(tmp_path / "samples", seed=0)
    with pytest.raises(RuntimeError, match="results of other settings"):
        record_settings(tmp_path / "samples", seed=1)
