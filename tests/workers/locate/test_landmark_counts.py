"""Counts from the lowest rib and the sacrum: what is clear, what must counts_agree, what is not counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.contract.errors import VertebraNotFound
from tests.workers.locate.spine_scene import ct, row_of, row_without, scene, spine, through
from workers.locate.choice import choose_vertebra
from workers.locate.evidence import BodyEvidence
from workers.locate.landmark_counts import LevelCounts, count_from_landmarks, counts_agree, lowest_rib, on_sacrum
from workers.locate.level_model import infer_levels
from workers.locate.levels import LEVELS
from workers.locate.named_row import NamedRow


@pytest.mark.parametrize(
    ("landmarks", "appearance", "chest", "expected"),
    [
        (("L1", "L1"), "L2", False, True),
        (("L1", None), "L1", False, True),
        (("L1", None), "T12", True, False),
        ((None, "L1"), "L1", True, True),
        ((None, "L1"), "L1", False, False),
        (("L1", "T12"), "L1", True, False),
        ((None, None), "L1", True, False),
    ],
)
def test_who_must_agree(landmarks, appearance, chest, expected):
    assert counts_agree("L1", LevelCounts(*landmarks, appearance), chest) is expected


def test_the_sacrum_is_not_counted_from_where_the_chest_has_no_ribs():
    """S1 taken for L5 moves all of a row by one: what would be T12 has no ribs then."""
    levels = through("T12", "L5")
    bodies = row_without(scene(levels), levels).bodies
    assert choose_vertebra(NamedRow(bodies), ct(), "L1").by_sacrum == "L1"
    unsure = [replace(bodies[0], ribs=None), *bodies[1:]]
    assert choose_vertebra(NamedRow(unsure), ct(), "L1").by_ribs is None  # nothing speaks against it
    with pytest.raises(VertebraNotFound) as caught:
        choose_vertebra(NamedRow([replace(bodies[0], ribs=False), *bodies[1:]]), ct(), "L1")
    assert caught.value.got.endswith("by the ribs unknown, by the sacrum L1, by the appearance of the row L1")


@pytest.mark.parametrize(
    ("ribs", "lowest"),
    [
        ([True, True, False, False], 1),
        ([None, True, True, False, None], 2),
        ([True, None, True, False], None),  # the lowest may be none
        ([True, False, True, False], None),  # they do not fit together
        ([True, True, None, False], None),  # their end is unsure
        ([True, True, True], None),  # the next one may have ribs too
        ([False, False], None),
        ([None, None], None),
    ],
)
def test_the_lowest_rib_counts_only_where_it_is_clear(ribs, lowest):
    appearance = np.full(len(LEVELS), 1.0 / len(LEVELS))
    assert lowest_rib([BodyEvidence(np.zeros(3), 1.0, appearance, rib, None) for rib in ribs]) == lowest


@pytest.mark.parametrize(
    ("where", "last"),
    [
        (["above", "above", "on"], 2),
        (["above", "on", "of"], 1),
        (["above", "on", None], 1),  # what is below does not matter
        ([None, "above", "on", "of"], 2),
        (["on"], 0),
        (["above", None, "on"], None),  # that may be the one
        (["above", "on", "on"], None),
        (["above", "on", "above"], None),
        (["of", "above", "on"], None),
        (["above", "above", "of"], None),
        (["above", "above"], None),
        (["above", None, "of"], 1),  # what lies next above the sacrum lies on it
        (["above", "above", None, "of", "of"], 2),
        (["above", None, None, "of"], None),
        (["above", None, "of", "above"], None),
        ([None, None], None),
    ],
)
def test_the_sacrum_counts_only_where_it_is_clear(where, last):
    appearance = np.full(len(LEVELS), 1.0 / len(LEVELS))
    assert on_sacrum([BodyEvidence(np.zeros(3), 1.0, appearance, None, place) for place in where]) == last


def test_the_sacrum_below_a_missed_body_does_not_count():
    """What is found next above S1 is L4, and far from it."""
    levels = through("T12", "L5")
    s1 = spine(levels)["L5"] - np.array([0.0, 8.0, 44.0])
    bodies = row_without(scene(levels), levels, missed=("L5",)).bodies
    below = replace(bodies[-1], centre=s1, sacrum="of", appearance=np.eye(len(LEVELS))[-1])
    row = [*bodies[:-1], replace(bodies[-1], sacrum=None), below]
    assert on_sacrum(row) == len(row) - 2
    assert count_from_landmarks(row, infer_levels(row), 1) == ("L1", None)
    assert choose_vertebra(row_without(scene(levels), levels), ct(), "L1").by_sacrum == "L1"


def test_s1_found_as_a_body_changes_nothing():
    levels = through("T12", "L5")
    maps, seen = scene(levels), spine(levels)
    assert [body.sacrum for body in row_without(maps, levels).bodies] == ["above"] * 5 + ["on"]
    more = seen | {"S1": seen["L5"] - np.array([0.0, 8.0, 44.0])}
    found = row_of(maps, more)
    assert [body.sacrum for body in found.bodies] == ["above"] * 5 + ["on", "of"]
    decision = choose_vertebra(found, ct(), "L1")
    assert decision.by_sacrum == "L1"
    assert found.levels == (*levels, "S1")


def test_ribs_that_may_go_on_at_a_missed_body_do_not_count():
    """L1, directly below the lowest rib, is not recognised; it might have ribs itself."""
    levels = through("T10", "L5")
    row = row_without(scene(levels), levels, missed=("L1",))
    found = choose_vertebra(row, ct(), "L2")
    assert (found.by_ribs, found.by_sacrum) == (None, "L2")
    with pytest.raises(VertebraNotFound) as caught:
        choose_vertebra(NamedRow([replace(body, sacrum=None) for body in row.bodies]), ct(), "L2")
    assert "by the ribs unknown, by the sacrum unknown" in caught.value.got
