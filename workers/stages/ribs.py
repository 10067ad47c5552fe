"""Tell whether ribs start at a vertebra, on voxels fine enough to tell them from transverse processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.stages.segment_grid import CROP_STEP_MM, crop
from workers.stages.slices import normalise
from workers.stages.volume import Volume

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

SIDE_LOW, SIDE_SHAPE = np.array([4.0, -54.0, -33.0]), (80, 80, 32)
"""What is looked at of one side: the first voxel from the centre of the body (mm to the side, anterior, superior), and
voxels `CROP_STEP_MM` apart. A rib is joined to the body and to the transverse process, and runs on beyond it."""
UNSURE = 1.0
"""Logits that say nothing: between 27 and 73 %."""


class RibReader:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``sides`` (b, 1, *SIDE_SHAPE) to ``logit`` (b,), of a rib.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def at(self, ct: Volume, centre: Floats) -> bool | None:
        """Return whether ribs start at the vertebra whose body's centre (3,) mm RAS is given; None if it is unsure."""
        (logits,) = self.session.run(["logit"], {"sides": both_sides(ct, centre)})
        mean = float(np.mean(logits))
        return None if abs(mean) < UNSURE else mean > 0.0


def both_sides(ct: Volume, centre: Floats) -> Singles:
    """Return the right and the left of a body (2, 1, *SIDE_SHAPE), the left mirrored, as the network takes them."""
    reach = SIDE_LOW[0] + SIDE_SHAPE[0] - 1.0
    low = centre + np.array([-reach, *SIDE_LOW[1:]])
    across = int(2.0 * reach / CROP_STEP_MM[0]) + 1
    hu = normalise(crop(ct, low, (across, *SIDE_SHAPE[1:])).voxels)
    right, left = hu[-SIDE_SHAPE[0] :], hu[: SIDE_SHAPE[0]][::-1]
    return np.ascontiguousarray(np.stack([right, left])[:, None])
