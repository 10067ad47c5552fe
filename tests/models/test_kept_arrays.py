"""Arrays that are computed once for a user, and never served damaged."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from models import kept_arrays
from models.kept_arrays import UNUSED_AFTER_S, kept_array

INPUT = np.arange(6.0).reshape(2, 3)


class Maker:
    """Counts how often an array is computed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> np.ndarray:
        self.times += 1
        return np.full((20, 3), 1.5, np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept_arrays, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(kept_arrays, "LEAST_BYTES", 100)
    return tmp_path / "arrays"


def test_it_is_computed_once_and_then_mapped(folder: Path) -> None:
    make = Maker()
    first, second = (kept_array("basis", "code", [INPUT], make) for _ in range(2))
    assert make.times == 1
    np.testing.assert_array_equal(first, second)
    assert (second.dtype, second.flags.writeable, second.flags.c_contiguous) == (np.float32, False, True)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_other_code_or_other_inputs_make_another_array(folder: Path) -> None:
    make = Maker()
    for code, given in (("a", INPUT), ("b", INPUT), ("a", INPUT + 1), ("a", INPUT.ravel()), ("a", INPUT)):
        kept_array("basis", code, [given], make)
    assert make.times == 4


@pytest.mark.parametrize("damage", ["a bit", "the end", "all", "the digest"])
def test_what_is_damaged_is_computed_anew(folder: Path, damage: str) -> None:
    make = Maker()
    kept_array("basis", "code", [INPUT], make)
    (path,) = folder.glob("*.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    if damage == "the digest":
        path.with_suffix(".sha256").unlink()
    else:
        path.write_bytes({"a bit": bytes(data), "the end": bytes(data[:-9]), "all": b""}[damage])
    for _ in range(2):
        assert (kept_array("basis", "code", [INPUT], make) == 1.5).all()
    assert make.times == 2


def test_small_arrays_and_full_disks_keep_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()
    folder.write_text("no folder can be made here")
    for _ in range(2):
        kept_array("basis", "code", [INPUT], make)
    folder.unlink()
    monkeypatch.setattr(kept_arrays, "LEAST_BYTES", 1 << 20)
    kept_array("basis", "code", [INPUT], make)
    monkeypatch.setattr(kept_arrays, "cache_root", lambda: None)
    kept_array("basis", "code", [INPUT], make)
    assert make.times == 4
    assert not folder.exists()


def test_arrays_of_bundles_that_nobody_uses_are_removed(folder: Path) -> None:
    kept_array("basis", "old", [INPUT], Maker())
    (old,) = folder.glob("*.npy")
    long_ago = time.time() - UNUSED_AFTER_S - 1
    os.utime(old, (long_ago, long_ago))
    kept_array("basis", "new", [INPUT], Maker())
    assert not old.exists()
    assert len(list(folder.iterdir())) == 2
