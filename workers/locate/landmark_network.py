"""Run the landmark network: whether ribs start at a vertebra, and whether it lies above, on or in the sacrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from models.types import Floats, Singles
from workers.imaging.network_input import normalise
from workers.imaging.resampling import CROP_STEP_MM, crop
from workers.imaging.volume import Volume

SacralPosition = Literal["above", "on", "of"]
"""A vertebra lies above the last one; it is the last and lies on the sacrum; or it is part of the sacrum."""
SACRAL_POSITIONS: tuple[SacralPosition, ...] = get_args(SacralPosition)
LOGITS = 1 + len(SACRAL_POSITIONS)
SIDE_LOW, SIDE_SHAPE = np.array([4.0, -54.0, -33.0]), (80, 80, 32)
"""The crop of one side: its first voxel from the body centre (mm to the side, anterior, superior), and its voxels,
`CROP_STEP_MM` apart. A rib is joined to the body and to the transverse process, and runs on beyond it. The wings of the
sacrum begin 25 mm below the centre of the body that lies on it."""
UNSURE_RIB_LOGIT = 1.0
"""A logit of less size says nothing of ribs: it is a probability between 27 and 73 %."""
RIB_VIEW_MM = 20.0
"""Where the scan ends nearer to a body, nothing is said against ribs: they may begin beyond. A T12 14 mm above the last
slice of a real CT seemed to have none."""
LEAST_SACRAL_PROBABILITY = 0.73
"""Below it the position over the sacrum is unknown."""


@dataclass(frozen=True)
class Landmarks:
    """Whether ribs start at a vertebra, and where it lies over the sacrum; None where the network is unsure."""

    ribs: bool | None
    sacrum: SacralPosition | None


class LandmarkNetwork:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``sides`` (b, 1, *SIDE_SHAPE) to ``logits`` (b, LOGITS), of a rib, then of each of
        `SACRAL_POSITIONS`.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def at(self, ct: Volume, centre: Floats) -> Landmarks:
        """Return the landmarks at the vertebra with the body centre `centre` (3,) mm RAS."""
        (logits,) = self.session.run(["logits"], {"sides": both_sides(ct, centre)})
        mean = np.asarray(logits, np.float64).mean(axis=0)
        rib, odds = float(mean[0]), np.exp(mean[1:] - mean[1:].max())
        likeliest = int(odds.argmax())
        sure = float(odds[likeliest]) > LEAST_SACRAL_PROBABILITY * float(odds.sum())
        unseen = rib < 0.0 and ct.depth_of(centre) < RIB_VIEW_MM
        ribs = None if abs(rib) < UNSURE_RIB_LOGIT or unseen else rib > 0.0
        return Landmarks(ribs, SACRAL_POSITIONS[likeliest] if sure else None)


def both_sides(ct: Volume, centre: Floats) -> Singles:
    """Return the right and the left of a body (2, 1, *SIDE_SHAPE) as the network takes them; the left is mirrored."""
    reach = SIDE_LOW[0] + SIDE_SHAPE[0] - 1.0
    low = centre + np.array([-reach, *SIDE_LOW[1:]])
    across = int(2.0 * reach / CROP_STEP_MM[0]) + 1
    hu = normalise(crop(ct, low, (across, *SIDE_SHAPE[1:])).voxels)
    right, left = hu[-SIDE_SHAPE[0] :], hu[: SIDE_SHAPE[0]][::-1]
    return np.ascontiguousarray(np.stack([right, left])[:, None])
