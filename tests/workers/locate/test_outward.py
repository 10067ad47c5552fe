"""Which slices of a crop a network is shown."""

from __future__ import annotations

import numpy as np
import pytest

from workers.locate.outward import BATCH, EMPTY_SLICES, look_at_all, look_outward

N = 40


def looked_at(highest: np.ndarray, middle: int) -> tuple[list[int], list[float]]:
    """The slices in the order in which they are looked at, and the shares that are told."""
    seen: list[int] = []
    shares: list[float] = []

    def look(planes: range) -> np.ndarray:
        seen.extend(planes)
        return highest[planes.start : planes.stop]

    look_outward(look, len(highest), middle, shares.append)
    return seen, shares


@pytest.mark.parametrize(("first", "last"), [(12, 30), (18, 22), (20, 20)])
def test_the_vertebra_is_seen_from_end_to_end_and_little_beyond(first, last):
    highest = np.zeros(N)
    highest[first : last + 1] = 1.0
    seen, shares = looked_at(highest, middle=20)
    assert sorted(seen) == list(range(min(seen), max(seen) + 1))
    assert first - BATCH - EMPTY_SLICES < min(seen) <= first
    assert last <= max(seen) < last + BATCH + EMPTY_SLICES
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_gap_that_is_shorter_than_the_empty_slices_does_not_end_it():
    highest = np.ones(N)
    highest[25:27] = 0.0
    assert sorted(looked_at(highest, middle=20)[0]) == list(range(N))


def test_a_middle_beyond_the_crop_and_a_crop_of_few_slices():
    for n, middle in ((3, 0), (3, 2), (N, 0), (N, N - 1)):
        assert sorted(looked_at(np.ones(n), middle)[0]) == list(range(n))


def test_all_slices():
    seen: list[int] = []
    look_at_all(lambda planes: seen.extend(planes) or np.zeros(len(planes)), 11)
    assert seen == list(range(11))
