"""Run the locator over a whole CT: it says which bone each voxel is, and marks where the spine runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from models.types import Floats, Ints, Singles
from workers.imaging.linear_samples import interpolate
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


BLOCK = 2
"""The network ends on blocks of so many voxels a side; its values are interpolated between their centres."""


@dataclass(frozen=True)
class LocatorMaps:
    """What the locator sees, on the coarse grid.

    Attributes
    ----------
    head
        (len(CLASSES), a, b, c) float32 logits of the classes, a value a block: an eighth of a value a voxel.
    mark
        (i, j, k) float32, 0 to 1: highest at the body centres, so that its ridge is the spine.
    affine
        (4, 4) voxel to RAS mm.
    """

    head: Singles
    mark: Singles
    affine: Floats

    def voxel(self, point: Floats) -> Floats:
        """Return the voxel coordinates (3,) of a point (3,) mm."""
        return np.asarray(np.linalg.solve(self.affine[:3, :3], point - self.affine[:3, 3]))

    def classes(self, low: Ints, high: Ints) -> Singles:
        """Return the probabilities (len(CLASSES), i, j, k) of the voxels from `low` (3,) to before `high` (3,)."""
        part = tuple(slice(max(int(a), 0), min(int(b), n)) for a, b, n in zip(low, high, self.mark.shape, strict=True))
        odds = np.stack([_between_blocks(logits, part) for logits in self.head])
        odds = np.exp(odds - odds.max(axis=0))
        return np.asarray(odds / odds.sum(axis=0))


def _between_blocks(values: Singles, part: tuple[slice, ...]) -> Singles:
    """Return values of blocks (a, b, c) interpolated at voxels of a box, as ONNX's and PyTorch's trilinear resizing."""
    first, shape = np.array([side.start for side in part]), tuple(max(side.stop - side.start, 0) for side in part)
    return interpolate(values, np.eye(3) / BLOCK, (first + 0.5) / BLOCK - 0.5, (shape[0], shape[1], shape[2]), None)


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
        ONNX Runtime session: ``volume`` (1, 1, i, j, k) to ``head`` (1, len(CLASSES) + 1, i / BLOCK, …), the logits
        of the classes and of the mark. Probabilities of every voxel would nearly all never be looked at.
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
        head = self._head(hu, told)
        mark = _between_blocks(head[-1], tuple(slice(0, n) for n in hu.shape))
        return LocatorMaps(head[:-1], np.asarray(1.0 / (1.0 + np.exp(-mark)), np.float32), affine)

    def _head(self, hu: Singles, told: Told) -> Singles:
        """Return what the network ends with (len(CLASSES) + 1, a, b, c), put together from tiles."""
        multiples = [BLOCK if n > side else DIVISOR for n, side in zip(hu.shape, TILE, strict=True)]
        padded = np.pad(hu, [(0, -n % k) for n, k in zip(hu.shape, multiples, strict=True)], constant_values=AIR_HU)
        head = np.empty((len(CLASSES) + 1, *(n // BLOCK for n in padded.shape)), np.float32)
        boxes = list(product(*[list(tiles(n, side)) for n, side in zip(padded.shape, TILE, strict=True)]))
        for number, cells in enumerate(boxes, start=1):
            volume = normalise(padded[tuple(slice(tile.start, tile.stop) for tile in cells)])[None, None]
            (found,) = self.session.run(["head"], {"volume": volume})
            kept = tuple(slice(tile.first // BLOCK, tile.stop // BLOCK) for tile in cells)
            inner = tuple(slice((tile.first - tile.start) // BLOCK, None) for tile in cells)
            head[(slice(None), *kept)] = found[(0, slice(None), *inner)]
            told(number / len(boxes))
        return head


def tiles(n: int, side: int) -> Iterator[Tile]:
    """Yield the tiles along an axis of `n` voxels. All but a lone one are `side` long: the last ends at `n`.

    Where `n` and `side` are multiples of `BLOCK` no block is cut. So the last tile sees at most one voxel of air
    beyond the scan: more changes what the network says of the scan's end.
    """
    start, before = 0, 0
    while True:
        stop = min(start + side, n)
        yield Tile(start, (start + before) // (2 * BLOCK) * BLOCK, stop)
        if stop == n:
            return
        start, before = min(start + side - OVERLAP, n - side), stop
