"""Fields of view cut out of a trunk: where the vertebra asked for is in them, and what an answer counts as."""

from __future__ import annotations

import numpy as np
import pytest

from app.jobs.errors import VertebraNotFound
from training.segmentation.levels import NEAR_MM, View, draw_view, outcome, outcome_by_looks
from training.segmentation.scans import TrunkScan
from workers.stages.localise import CLASSES, Localisation, Localiser, Maps
from workers.stages.segment_grid import COARSE_MM
from workers.stages.volume import Volume


def trunk() -> TrunkScan:
    """A trunk whose HU are the height of the voxel, with T12, L1 and L2 at 60, 50 and 40 voxels."""
    image = np.broadcast_to(np.arange(120, dtype=np.int16), (64, 60, 120)).copy()
    centres = np.array([[32.0, 30.0, 60.0], [32.0, 30.0, 50.0], [32.0, 30.0, 40.0]], np.float32)
    return TrunkScan(image, np.zeros(image.shape, np.uint8), centres, np.array([12, 13, 14], np.uint8), ("nobody",))


class Answers(Localiser):
    """Answers what it is told to, without a network."""

    def __init__(self, centre: np.ndarray | None) -> None:
        self.centre = centre

    def find(self, ct: Volume, vertebra: str) -> Localisation:
        if self.centre is None:
            raise VertebraNotFound("Nothing.", expected=vertebra, got="nothing")
        return Localisation(vertebra, self.centre, 0.9, (), (vertebra,), self.centre[None], None, None)


def test_the_target_is_where_the_image_says_it_is():
    random = np.random.default_rng(0)
    seen = 0
    for _ in range(60):
        view = draw_view(random, trunk())
        if view.target is not None:
            seen += 1
            i, j, k = np.rint(view.target / COARSE_MM).astype(int)
            assert view.ct.voxels[i, j, k] == 50
    assert 20 < seen <= 60


@pytest.mark.parametrize(
    ("answer", "target", "counted"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, NEAR_MM - 1.0), "right"),
        ((0.0, 0.0, 0.0), (0.0, 0.0, NEAR_MM + 1.0), "wrong level"),
        ((0.0, 0.0, 0.0), None, "found, though not there"),
        (None, (0.0, 0.0, 0.0), "refused, though there"),
        (None, None, "refused, not there"),
    ],
)
def test_what_an_answer_counts_as(answer, target, counted):
    ct = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4))
    view = View(ct, None if target is None else np.array(target))
    assert outcome(Answers(None if answer is None else np.array(answer)), view)[0] == counted


class Sees(Localiser):
    """Sees two bodies, 30 mm apart, with these shares of L1."""

    def __init__(self, shares: tuple[float, float]) -> None:
        self.shares = shares

    def maps(self, ct: Volume) -> Maps:
        classes, mark = np.zeros((len(CLASSES), 9, 9, 24), np.float32), np.zeros((9, 9, 24), np.float32)
        for z, share in zip((16, 8), self.shares, strict=True):
            mark[4, 4, z] = 1.0
            classes[CLASSES.index("L1"), :, :, z - 3 : z + 4] = share
            classes[CLASSES.index("L2"), :, :, z - 3 : z + 4] = 1.0 - share
        return Maps(classes, mark, np.diag([4.0, 4.0, 4.0, 1.0]))


@pytest.mark.parametrize(
    ("shares", "z", "counted"),
    [
        ((0.8, 0.6), 64.0, "right"),
        ((0.6, 0.8), 64.0, "wrong level"),
        ((0.8, 0.1), None, "found, though not there"),
        ((0.3, 0.4), 64.0, "refused, though there"),
        ((0.3, 0.4), None, "refused, not there"),
    ],
)
def test_each_body_by_itself(shares, z, counted):
    ct = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4))
    view = View(ct, None if z is None else np.array([16.0, 16.0, z]))
    assert outcome_by_looks(Sees(shares), view)[0] == counted
