"""Tell what bounds the lumbar spine at a vertebra: ribs that start there, the sacrum below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from models.types import Floats, Singles
from workers.imaging.network_input import normalise
from workers.imaging.resampling import CROP_STEP_MM, crop
from workers.imaging.volume import Volume

Sacral = Literal["above", "on", "of"]
"""Where a vertebra lies: above the last one, on the sacrum (it is the last), or it is part of the sacrum."""
SACRAL: tuple[Sacral, ...] = get_args(Sacral)
LOGITS = 1 + len(SACRAL)
SIDE_LOW, SIDE_SHAPE = np.array([4.0, -54.0, -33.0]), (80, 80, 32)
"""What is looked at of one side: the first voxel from the centre of the body (mm to the side, anterior, superior), and
voxels `CROP_STEP_MM` apart. A rib is joined to the body and to the transverse process, and runs on beyond it; the wings
of the sacrum begin 25 mm below the centre of the body that lies on it."""
UNSURE = 1.0
"""Logits that say nothing of ribs: between 27 and 73 %."""
SURE = 0.73
"""Least probability of where the sacrum is."""


@dataclass(frozen=True)
class Landmarks:
    """What is seen at a vertebra: whether ribs start there, and where it lies; None where it cannot be told."""

    ribs: bool | None
    sacrum: Sacral | None


class LandmarkNetwork:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``sides`` (b, 1, *SIDE_SHAPE) to ``logits`` (b, LOGITS): of a rib, then of each `SACRAL`.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def at(self, ct: Volume, centre: Floats) -> Landmarks:
        """Return what is seen at the vertebra whose body's centre (3,) mm RAS is given."""
        (logits,) = self.session.run(["logits"], {"sides": both_sides(ct, centre)})
        mean = np.asarray(logits, np.float64).mean(axis=0)
        rib, chances = float(mean[0]), np.exp(mean[1:] - mean[1:].max())
        likeliest = int(chances.argmax())
        sure = float(chances[likeliest]) > SURE * float(chances.sum())
        return Landmarks(None if abs(rib) < UNSURE else rib > 0.0, SACRAL[likeliest] if sure else None)


def both_sides(ct: Volume, centre: Floats) -> Singles:
    """Return the right and the left of a body (2, 1, *SIDE_SHAPE), the left mirrored, as the network takes them."""
    reach = SIDE_LOW[0] + SIDE_SHAPE[0] - 1.0
    low = centre + np.array([-reach, *SIDE_LOW[1:]])
    across = int(2.0 * reach / CROP_STEP_MM[0]) + 1
    hu = normalise(crop(ct, low, (across, *SIDE_SHAPE[1:])).voxels)
    right, left = hu[-SIDE_SHAPE[0] :], hu[: SIDE_SHAPE[0]][::-1]
    return np.ascontiguousarray(np.stack([right, left])[:, None])
