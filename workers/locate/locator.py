"""Run the locator over a whole CT: it says which bone each voxel is, and marks where the spine runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from models.types import Floats, Halves, Singles
from workers.imaging.network_input import normalise
from workers.imaging.resampling import AIR_HU, coarse
from workers.imaging.steps import Told, nobody
from workers.imaging.volume import Volume

CLASSES = ("background", "T1-T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "sacrum", "rib")
"""What the locator tells apart."""
SACRUM, RIB = CLASSES.index("sacrum"), CLASSES.index("rib")
TILE, OVERLAP = (128, 128, 112), 32
"""Voxels of one tile, and shared by neighbouring tiles at least. Tiles bound the memory: one takes about 0.4 GB. A
field of view of 512 mm is one tile wide."""
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
        (len(CLASSES), i, j, k) float16 probabilities: of a scan of 2 m they take most of the locator's memory.
    mark
        (i, j, k) float32, 0 to 1: highest at the body centres, so that its ridge is the spine.
    affine
        (4, 4) voxel to RAS mm.
    """

    classes: Halves
    mark: Singles
    affine: Floats

    def voxel(self, point: Floats) -> Floats:
        """Return the voxel coordinates (3,) of a point (3,) mm."""
        return np.asarray(np.linalg.solve(self.affine[:3, :3], point - self.affine[:3, 3]))


class Tile(NamedTuple):
    """Voxels `start` to `stop` along an axis; those before `first` are taken from the tile before, which sees more."""

    start: int
    first: int
    stop: int


class Locator:
    """Runs the coarse network.

    Parameters
    ----------
    session
        ONNX Runtime session: ``volume`` (1, 1, i, j, k) to ``classes`` and ``mark``, probabilities.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def maps(self, ct: Volume, told: Told = nobody) -> LocatorMaps:
        """Return the maps of a whole CT. One tile bounds the memory; the time grows with the slices."""
        image = coarse(ct)
        window = ndimage.find_objects((image.voxels > PATIENT_HU).view(np.uint8)) or [(slice(0, 1),) * 3]
        hu, low = image.voxels[window[0]], np.array([part.start for part in window[0]])
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ low
        classes = np.empty((len(CLASSES), *hu.shape), np.float16)
        mark = np.empty(hu.shape, np.float32)
        boxes = list(product(*[list(tiles(n, side)) for n, side in zip(hu.shape, TILE, strict=True)]))
        for number, cells in enumerate(boxes, start=1):
            whole, kept = (tuple(slice(tile[i], tile.stop) for tile in cells) for i in (0, 1))
            inner = tuple(slice(tile.first - tile.start, None) for tile in cells)
            tile_classes, tile_mark = self._run(hu[whole])
            classes[(slice(None), *kept)] = tile_classes[(slice(None), *inner)]
            mark[kept] = tile_mark[inner]
            told(number / len(boxes))
        return LocatorMaps(classes, mark, affine)

    def _run(self, hu: Singles) -> tuple[Singles, Singles]:
        shape = tuple(-(-n // DIVISOR) * DIVISOR for n in hu.shape)
        volume = np.full(shape, AIR_HU, np.float32)
        i, j, k = (slice(0, n) for n in hu.shape)
        volume[i, j, k] = hu
        classes, mark = self.session.run(["classes", "mark"], {"volume": normalise(volume)[None, None]})
        return classes[0, :, i, j, k], mark[0, 0, i, j, k]


def tiles(n: int, side: int) -> Iterator[Tile]:
    """Yield the tiles along an axis of `n` voxels. All but a lone one are `side` long: the last ends at `n`."""
    start, before = 0, 0
    while True:
        stop = min(start + side, n)
        yield Tile(start, (start + before) // 2, stop)
        if stop == n:
            return
        start, before = min(start + side - OVERLAP, n - side), stop
