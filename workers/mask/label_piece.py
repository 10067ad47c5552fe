"""The piece of a label that may be the vertebra, cut out before anything else is computed on the label.

A mask of half a megabyte may hold 10⁸ voxels of one label. So a label is first counted in cells, plane by plane. What
is larger than a vertebra can be is refused there. The largest connected region of cells is cut out; where its voxels
are finer than a fit can use, or too many, they are merged. Later steps see at most `MOST_VOXELS` voxels, whatever the
file holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.contract.errors import NotAVertebra
from models.types import Bools, Floats, Integers
from workers.imaging.binary_mask import label_box, span
from workers.imaging.grid import merged_affine
from workers.imaging.resampling import canonical
from workers.imaging.volume import Volume
from workers.mask.plausibility import MAX_FRAGMENT, in_pieces

CELL_MM = 8.0
"""Side of a cell, about: pieces of a label that are nearer than this are cut out together."""
LARGEST_EXTENT_MM = 160.0
"""Of a piece along one axis. The longest of 33 whole vertebrae (T11 to L5) measures 106 mm, in any direction."""
LARGEST_CM3 = 280.0
"""Of all voxels of a label: twice the largest vertebra that `workers.mask.plausibility` accepts, since cleaning may
remove fragments and noise."""
MOST_VOXELS = 16_000_000
"""Of the piece's box. The largest box of 33 whole vertebrae has 0.55 million mm³, so voxels of 0.33 mm still fit."""
FINEST_MM = 0.25
"""Finer voxels are merged: the fit's noise is 0.25 mm (`workers.mesh.surface_fit`)."""
OTHER_AXES = ((1, 2), (0, 2), (0, 1))
MM3_PER_CM3 = 1000.0


def cut_out(mask: Volume, label: int) -> Volume:
    """Return the largest piece of a label, with what lies within a cell of it.

    Peak memory is one plane of the mask, the cells (4 bytes each) and a few bytes for each of `MOST_VOXELS`.

    Parameters
    ----------
    mask
        The label map.
    label
        One that `mask` has.

    Returns
    -------
    (i, j, k) uint8, 1 inside, axes nearest to RAS. Where voxels were merged, 1 means more than half full.

    Raises
    ------
    VertebraeFused
        A second piece is of similar size, and both have the volume of two vertebrae.
    NotAVertebra
        A second piece is of similar size, and both have the volume of one vertebra; or the label, or its largest piece,
        is larger than a vertebra.
    """
    labels = canonical(mask)
    starts = [_cell_starts(n, mm) for n, mm in zip(labels.voxels.shape, labels.spacing, strict=True)]
    counts = _count(labels.voxels, label, starts)
    region = _largest_region(label, counts, labels.voxel_mm3 / MM3_PER_CM3)
    _check_volume(label, float(counts.sum(dtype=np.int64)) * labels.voxel_mm3 / MM3_PER_CM3)
    cells = [
        np.searchsorted(start, np.arange(n), "right") - 1 for start, n in zip(starts, labels.voxels.shape, strict=True)
    ]
    rough = [span(np.asarray(region.any(axis=others))[cell]) for others, cell in zip(OTHER_AXES, cells, strict=True)]
    _check_extent(label, rough, labels.spacing)
    tight = label_box(labels.voxels[tuple(rough)], label)
    box = [slice(a.start + b.start, a.start + b.stop) for a, b in zip(rough, tight, strict=True)]
    return _merged(labels.part(box), label, region, [cell[s] for cell, s in zip(cells, box, strict=True)])


def _cell_starts(n: int, mm: float) -> Integers:
    """Return the first voxels of the cells along an axis of `n` voxels."""
    return np.arange(0, n, max(1, round(CELL_MM / mm)))


def _count(voxels: NDArray[Any], label: int, starts: list[Integers]) -> NDArray[np.int32]:
    """Return how many voxels of a label each cell holds, plane by plane."""
    counts = np.zeros([len(start) for start in starts], np.int32)
    for k, cell in enumerate(np.searchsorted(starts[2], np.arange(voxels.shape[2]), "right") - 1):
        plane = voxels[:, :, k] == label
        if plane.any():
            counts[:, :, cell] += _block_sums(plane, starts[0], starts[1])
    return counts


def _block_sums(plane: Bools, rows: Integers, columns: Integers) -> NDArray[np.int32]:
    """Return how many voxels of a plane are set in each block; `rows` and `columns` are the blocks' first voxels."""
    return np.add.reduceat(np.add.reduceat(plane, rows, axis=0, dtype=np.int32), columns, axis=1)


def _largest_region(label: int, counts: NDArray[np.int32], voxel_cm3: float) -> Bools:
    """Return the face-connected cells with the most voxels of a label; refuse two regions of similar size."""
    regions, _ = ndimage.label(counts)
    sizes = np.bincount(regions.ravel(), counts.ravel())
    second, first = np.sort(sizes)[-2:]
    if second > MAX_FRAGMENT * first:
        raise in_pieces(label, float(first + second) * voxel_cm3, float(second / first))
    return np.asarray(regions == int(sizes.argmax()))


def _merged(part: Volume, label: int, region: Bools, cells: list[Integers]) -> Volume:
    """Return the voxels of a label within a region of cells, merged where they are too fine or too many.

    Parameters
    ----------
    part
        Of the label map.
    label, region
        The label; which cells count.
    cells
        For each axis the cell of each voxel of `part`.
    """
    factor = _merge_factor(part)
    rows, columns, planes = (np.arange(0, n, f) for n, f in zip(part.voxels.shape, factor, strict=True))
    counts = np.zeros((len(rows), len(columns), len(planes)), np.int32)
    for k, cell in enumerate(cells[2]):
        inside = region[:, :, cell][cells[0]][:, cells[1]]
        counts[:, :, k // factor[2]] += _block_sums(inside & (part.voxels[:, :, k] == label), rows, columns)
    merged = (2 * counts > factor.prod()).astype(np.uint8)
    if not merged.any():
        raise _not_one(label, "one solid piece", f"scattered voxels of {np.round(part.spacing, 2)} mm")
    return Volume(merged, merged_affine(part.affine, factor))


def _merge_factor(part: Volume) -> Integers:
    """Return how many voxels are merged along each axis (3,): the shortest sides first.

    The numbers are odd, so that no block is exactly half full: counting those in made a vertebra 4 % larger.
    """
    shape, factor = np.array(part.voxels.shape), np.ones(3, np.int64)
    while np.prod(-(-shape // factor)) > MOST_VOXELS or (part.spacing * factor).min() < FINEST_MM:
        factor[int((part.spacing * factor).argmin())] += 2
    return factor


def _check_volume(label: int, cm3: float) -> None:
    if cm3 > LARGEST_CM3:
        raise _not_one(label, f"at most {LARGEST_CM3:g} cm³", f"{cm3:.0f} cm³")


def _check_extent(label: int, box: list[slice], spacing: Floats) -> None:
    """Refuse a box of cells that is longer than a vertebra; the piece may end within its outermost cells."""
    sides = np.array([part.stop - part.start for part in box]) * spacing - 2.0 * np.maximum(CELL_MM, spacing)
    if sides.max() > LARGEST_EXTENT_MM:
        expected = f"at most {LARGEST_EXTENT_MM:g} mm along each axis"
        raise _not_one(label, expected, f"{sides.max():.0f} mm in one piece")


def _not_one(label: int, expected: str, got: str) -> NotAVertebra:
    return NotAVertebra(
        f"Label {label} is not one vertebra. Send a mask with a label for each vertebra, and say with "
        "mask_label which one is meant.",
        expected=expected,
        got=got,
    )
