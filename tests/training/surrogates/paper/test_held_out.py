"""How people are grouped into folds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (make training)")
pytest.importorskip("optuna", reason="optuna is not installed (make training)")

from training.surrogates.paper.held_out import split_people


def test_folds_keep_people_whole():
    people = np.array(["a"] * 10 + ["b"] * 6 + ["c"] * 5 + ["d"])
    groups = split_people(people, 2)
    assert sorted(p for g in groups for p in g) == ["a", "b", "c", "d"]
    assert groups == [("a", "d"), ("b", "c")]
    assert split_people(people, 9) == [("a",), ("b",), ("c",), ("d",)]
