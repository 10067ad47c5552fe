"""Both sides of a body as the network for ribs and sacrum sees them, and what its answer counts as."""

from __future__ import annotations

import numpy as np
import pytest

from workers.imaging.network_input import normalise
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume
from workers.locate.landmark_network import (
    LOGITS,
    SIDE_LOW,
    SIDE_SHAPE,
    UNSURE_RIB_LOGIT,
    LandmarkNetwork,
    Landmarks,
    both_sides,
)

CENTRE = np.array([3.0, -7.0, 11.0])


def scan(side: float, flipped: bool = False) -> Volume:
    """A rod of 600 HU running to the patient's right (+1, RAS) or left, 20 mm behind the body and 5 mm below it."""
    points = np.moveaxis(np.indices((220, 130, 90)), 0, -1) + CENTRE - [110.0, 80.0, 50.0]
    away = points - CENTRE
    rod = (side * away[..., 0] > 20.0) & (np.abs(away[..., 1] + 20.0) < 3.0) & (np.abs(away[..., 2] + 5.0) < 3.0)
    voxels = np.where(rod, 600, 40).astype(np.int16)
    affine = np.eye(4)
    affine[:3, 3] = CENTRE - [110.0, 80.0, 50.0]
    if flipped:  # stored from right to left
        affine[0, 0], affine[0, 3] = -1.0, affine[0, 3] + 219.0
        voxels = voxels[::-1]
    return Volume(voxels, affine)


def place(x: float, y: float, z: float) -> tuple[int, ...]:
    return tuple(np.rint((np.array([x, y, z]) - SIDE_LOW) / CROP_STEP_MM).astype(int))


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("side", "own"), [(1.0, 0), (-1.0, 1)])
def test_a_rib_is_seen_from_the_body_outwards_on_either_side(side, own, flipped):
    sides = both_sides(scan(side, flipped), CENTRE)
    assert sides.shape == (2, 1, *SIDE_SHAPE)
    rib, tissue = (float(normalise(np.full(1, hu, np.float32))[0]) for hu in (600.0, 40.0))
    for out in (30.0, 60.0, 80.0):
        at = place(out, -20.0, -5.0)
        assert sides[own, 0][at] == pytest.approx(rib, abs=0.05)
        assert sides[1 - own, 0][at] == pytest.approx(tissue, abs=0.05)
    assert sides[own, 0][place(12.0, -20.0, -5.0)] == pytest.approx(tissue, abs=0.05)


def test_both_sides_are_mirror_images_of_a_symmetric_patient():
    ct = scan(1.0)
    both = Volume(np.maximum(ct.voxels, scan(-1.0).voxels), ct.affine)
    right, left = both_sides(both, CENTRE)
    np.testing.assert_allclose(right, left, atol=1e-5)


class Says:
    def __init__(self, *logits: tuple[float, ...]) -> None:
        self.logits = np.array(logits, np.float32)
        assert self.logits.shape == (2, LOGITS)

    def run(self, names, inputs):
        assert names == ["logits"]
        assert inputs["sides"].shape == (2, 1, *SIDE_SHAPE)
        return [self.logits]


@pytest.mark.parametrize(
    ("right", "left", "expected"),
    [
        (4.0, 3.0, True),
        (-4.0, -3.0, False),
        (4.0, -4.0, None),  # a rib on one side alone
        (1.2 * UNSURE_RIB_LOGIT, 0.5 * UNSURE_RIB_LOGIT, None),
        (6.0, -0.5, True),  # one side hidden
    ],
)
def test_what_the_answer_counts_as(right, left, expected):
    answer = LandmarkNetwork(Says((right, 0, 0, 0), (left, 0, 0, 0))).at(scan(1.0), CENTRE)
    assert answer == Landmarks(expected, None)


@pytest.mark.parametrize(
    ("right", "left", "expected"),
    [
        ((5, 1, 0), (4, 1, 0), "above"),
        ((0, 6, 1), (90, 96, 91), "on"),  # only differences count
        ((0, 1, 4), (0, 1, 4), "of"),
        ((0, 4, 0), (0, 0, 4), None),  # as on one side half of a transitional vertebra does
        ((0, 1.2, 0), (0, 1.2, 0), None),
        ((0, 2.1, 0), (0, 2.1, 0), "on"),  # 80 %
    ],
)
def test_where_the_sacrum_is_must_be_likely(right, left, expected):
    answer = LandmarkNetwork(Says((-3.0, *right), (-3.0, *left))).at(scan(1.0), CENTRE)
    assert answer == Landmarks(False, expected)
