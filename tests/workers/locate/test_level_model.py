"""The hidden Markov model against the sum over every possible row, written out."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from workers.locate.evidence import BodyEvidence
from workers.locate.landmark_network import SACRAL_POSITIONS
from workers.locate.level_model import (
    APPEARANCE_WEIGHT,
    LEAST_APPEARANCE,
    MISSED_ODDS,
    PITCH_SD,
    RIB_ABOVE,
    RIB_BELOW,
    RIB_ODDS,
    SACRAL_ELSEWHERE,
    SACRAL_ODDS,
    infer_levels,
)
from workers.locate.levels import L5, LEVELS, PITCH_MM, T1, T12


def random_bodies(seed: int, n: int) -> list[BodyEvidence]:
    random = np.random.default_rng(seed)
    z = 400.0 - np.cumsum(random.uniform(18.0, 42.0, n))
    appearance = random.dirichlet(np.full(len(LEVELS), 0.3), n)
    return [
        BodyEvidence(
            np.array([random.normal(0.0, 4.0), random.normal(0.0, 4.0), z[i]]),
            float(random.uniform(0.2, 0.9)),
            appearance[i],
            bool(random.random() < 0.5),
            None if seed % 2 else SACRAL_POSITIONS[max(i - n + 3, 0)],
        )
        for i in range(n)
    ]


def score(bodies: list[BodyEvidence], row: tuple[int, ...], levels: tuple[int, ...]) -> float:
    """Log weight of one row: which bodies are real, and what each is."""
    total = sum(np.log(1.0 - body.strength) for i, body in enumerate(bodies) if i not in row)
    for i, level in zip(row, levels, strict=True):
        body = bodies[i]
        rib = RIB_ODDS.get(level, RIB_ABOVE if T1 <= level < T12 else RIB_BELOW)
        total += np.log(body.strength) + APPEARANCE_WEIGHT * np.log(body.appearance[level] + LEAST_APPEARANCE)
        total += np.log(rib if body.ribs else 1.0 - rib)
        if body.sacrum is not None:
            total += np.log(SACRAL_ODDS.get(level, SACRAL_ELSEWHERE)[SACRAL_POSITIONS.index(body.sacrum)])
    for (i, a), (j, b) in pairwise(zip(row, levels, strict=True)):
        distance = np.linalg.norm(bodies[i].centre - bodies[j].centre)
        total -= 0.5 * (np.log(distance / PITCH_MM[a:b].sum()) / PITCH_SD) ** 2
        if b - a == 2:
            total += np.log(MISSED_ODDS)
    return float(total)


def rows(n: int):
    """Every choice of bodies with every run of levels that goes one or two down at a time."""
    for size in range(1, n + 1):
        for row in combinations(range(n), size):
            for start in range(len(LEVELS)):
                for steps in np.ndindex(*(2,) * (size - 1)):
                    levels = tuple(np.cumsum([start, *(s + 1 for s in steps)]).tolist())
                    if levels[-1] < len(LEVELS):
                        yield row, levels


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_probabilities_and_path_are_those_of_the_sum_over_all_rows(seed):
    bodies = random_bodies(seed, 4)
    weights = {(row, levels): score(bodies, row, levels) for row, levels in rows(4)}
    top = max(weights.values())
    expected = np.zeros((4, len(LEVELS)))
    for (row, levels), weight in weights.items():
        expected[list(row), list(levels)] += np.exp(weight - top)
    expected /= sum(np.exp(weight - top) for weight in weights.values())
    found = infer_levels(bodies)
    np.testing.assert_allclose(found.probability, expected, rtol=1e-9, atol=1e-12)
    row, levels = max(weights, key=weights.__getitem__)
    assert found.path == tuple(zip(row, levels, strict=True))


def test_one_body_on_the_sacrum():
    appearance = np.full(len(LEVELS), 1.0 / len(LEVELS))
    found = infer_levels([BodyEvidence(np.zeros(3), 0.9, appearance, False, "on")])
    assert found.path == ((0, L5),)
    assert found.probability.sum() == pytest.approx(1.0)
    assert found.probability[0, L5] > 0.6


def test_many_bodies_take_no_time_to_speak_of():
    found = infer_levels(random_bodies(5, 60))
    assert np.isfinite(found.probability).all()
    assert found.probability.sum(axis=1).max() <= 1.0 + 1e-9
