"""Who is left out of which training."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.fitting.folds import ALL, GROUPS, folds, halves


def test_few_people_are_left_out_one_by_one():
    found = folds(("a", "b", "a"))  # two scans of one person
    assert [fold.without for fold in found] == [("a",), ("b",), ()]
    assert [fold.name for fold in found] == ["a", "b", "all"]
    assert all(fold.real for fold in found)


def test_many_people_are_left_out_in_groups_once_each():
    people = tuple(f"p{i}" for i in range(23))
    *groups, last = folds(people)
    assert last == ALL
    assert len(groups) == GROUPS
    assert sorted(person for fold in groups for person in fold.without) == sorted(people)
    assert max(len(f.without) for f in groups) - min(len(f.without) for f in groups) <= 1


def test_each_half_leaves_out_people_that_the_other_has_seen():
    one, other, last = halves(("a", "b", "c", "b", "d"))
    assert (one.without, other.without) == (("a", "c"), ("b", "d"))
    assert last == ALL
    assert [fold.name for fold in (one, other)] == ["half0", "half1"]
