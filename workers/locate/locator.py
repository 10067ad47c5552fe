"""Run the locator over a whole CT: it says which bone each voxel is, and marks where the spine runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from models.types import Floats, Singles
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU, coarse
from workers.imaging.volume import Volume

CLASSES = ("background", "T1-T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "sacrum", "rib")
"""What the locator tells apart."""
SACRUM, RIB = CLASSES.index("sacrum"), CLASSES.index("rib")
TILE, OVERLAP = 112, 32
"""Voxels along z: of one tile, and shared by neighbouring tiles at least. Tiles bound the memory."""
DIVISOR = 16
"""The network halves its grid four times, so sides are multiples of this."""
PATIENT_HU = -500.0
"""The network is run on the bounding box of what is denser than this; outside is air."""


@dataclass(frozen=True)
class LocatorMaps:
    """What the locator sees, on the coarse grid.

    Attributes
    ----------
    classes
        (len(CLASSES), i, j, k) float32 probabilities.
    mark
        (i, j, k) float32, 0 to 1: highest at the body centres, so that its ridge is the spine.
    affine
        (4, 4) voxel to RAS mm.
    """

    classes: Singles
    mark: Singles
    affine: Floats

    def voxel(self, point: Floats) -> Floats:
        """Return the voxel coordinates (3,) of a point (3,) mm."""
        return np.asarray(np.linalg.solve(self.affine[:3, :3], point - self.affine[:3, 3]))


class Locator:
    """Runs the coarse network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``volume`` (1, 1, i, j, k) to ``classes`` and ``mark``, probabilities.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def maps(self, ct: Volume) -> LocatorMaps:
        """Return the maps of a whole CT. One tile bounds the memory; the time grows with the slices."""
        image = coarse(ct)
        window = ndimage.find_objects((image.voxels > PATIENT_HU).view(np.uint8)) or [(slice(0, 1),) * 3]
        hu, low = image.voxels[window[0]], np.array([part.start for part in window[0]])
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ low
        classes = np.empty((len(CLASSES), *hu.shape), np.float32)
        mark = np.empty(hu.shape, np.float32)
        before = 0
        for start in tile_starts(hu.shape[2]):
            stop = min(start + TILE, hu.shape[2])
            tile = self._run(hu[:, :, start:stop])
            first = (start + before) // 2  # the later tile counts from the middle of the overlap on
            classes[..., first:stop] = tile[0][..., first - start :]
            mark[..., first:stop] = tile[1][..., first - start :]
            before = stop
        return LocatorMaps(classes, mark, affine)

    def _run(self, hu: Singles) -> tuple[Singles, Singles]:
        shape = tuple(-(-n // DIVISOR) * DIVISOR for n in hu.shape)
        volume = np.full(shape, AIR_HU, np.float32)
        i, j, k = (slice(0, n) for n in hu.shape)
        volume[i, j, k] = hu
        classes, mark = self.session.run(["classes", "mark"], {"volume": normalise(volume)[None, None]})
        return classes[0, :, i, j, k], mark[0, 0, i, j, k]


def tile_starts(n: int) -> list[int]:
    """Return the first voxels of tiles of `TILE` voxels that cover `n`. The last ends at `n`: none is a sliver."""
    starts = [0]
    while starts[-1] + TILE < n:
        starts.append(min(starts[-1] + TILE - OVERLAP, n - TILE))
    return starts
