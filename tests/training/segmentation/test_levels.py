"""Fields of view cut out of a trunk: where the vertebra asked for is in them, and what an answer counts as."""

from __future__ import annotations

import numpy as np
import pytest

from app.jobs.errors import VertebraNotFound
from training.segmentation.levels import NEAR_MM, View, draw_view, outcome
from training.segmentation.scans import TrunkScan
from workers.stages.localise import Localisation, Localiser
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
