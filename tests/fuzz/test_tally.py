"""What must not happen is counted: untyped errors, hangs, memory."""

from __future__ import annotations

import time

from tests.fuzz import tally
from tests.fuzz.tally import Tally


def fails() -> str:
    raise KeyError("voxels")


def test_endings_and_untyped_errors() -> None:
    seen = Tally()
    seen.record("mask:0", lambda: "bad_mask")
    seen.record("mask:1", lambda: "bad_mask")
    assert seen.is_clean
    seen.record("mask:2", fails)
    figures = seen.figures()
    assert not seen.is_clean
    assert figures["endings"] == {"mask bad_mask": 2}
    assert (figures["inputs"], figures["untyped_errors"]) == (3, 1)
    assert "KeyError: 'voxels'" in figures["untyped"]["mask:2"]


def test_an_input_that_waits_for_ever_is_interrupted(monkeypatch) -> None:
    monkeypatch.setattr(tally, "DEADLINE_S", 1)
    seen = Tally()
    seen.record("gzip:7", lambda: time.sleep(600) or "never")
    assert (seen.hangs, seen.is_clean) == (["gzip:7"], False)


def test_an_input_that_computes_for_long_is_a_hang(monkeypatch) -> None:
    monkeypatch.setattr(tally, "LONGEST_S", -1.0)
    seen = Tally()
    seen.record("gzip:8", lambda: "corrupt_file")
    assert seen.hangs == ["gzip:8"]


def test_memory_counts() -> None:
    assert not Tally(growth_mb=tally.MOST_MB + 1.0).is_clean
