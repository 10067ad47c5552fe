"""Stage 2: from a label map to one clean vertebra (paper section II.B), and back onto the CT's grid.

The vertebra is cleaned on the mask's own grid, which may be finer than the CT's, and on a crop brought to the nearest
RAS orientation: all 48 axis orders and flips of one mask give the same crop, with a right-handed affine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.contract.errors import LabelAbsent, LabelAmbiguous
from models.types import Bools, Bytes, Floats
from workers.imaging.volume import Volume

PAD_VOXELS = 3
LONELY = 4
"""A voxel with at most this many of its 26 neighbours set is noise. Measured on 33 real vertebrae: it takes at most
0.23 % of the volume off, at 3 mm too; 7 would take 7.6 mm off a process (verse010 L4)."""
CROWDED = 21
"""An empty voxel with at least this many neighbours set is a pinhole."""
_CHUNK = 1 << 24

VERSE = {
    **{i: f"C{i}" for i in range(1, 8)},
    **{7 + i: f"T{i}" for i in range(1, 13)},
    **{19 + i: f"L{i}" for i in range(1, 7)},
    26: "sacrum",
    27: "coccyx",
    28: "T13",
}
TOTALSEGMENTATOR = {
    25: "sacrum",
    26: "S1",
    **{32 - i: f"L{i}" for i in range(1, 6)},
    **{44 - i: f"T{i}" for i in range(1, 13)},
    **{51 - i: f"C{i}" for i in range(1, 8)},
}


@dataclass(frozen=True)
class CleanMask:
    """One vertebra, cleaned.

    Attributes
    ----------
    voxels
        (i, j, k) bool, a crop with at least `PAD_VOXELS` empty voxels on every side, axes nearest to RAS.
    affine
        (4, 4) float64 of the crop, voxel index to RAS+ mm, right-handed.
    label
        Value in the mask that was sent.
    volume_mm3
        Of `voxels`.
    removed_voxels, filled_voxels
        What cleaning took off (fragments, noise) and put in (holes, pinholes).
    second_fragment
        Size of the label's second largest connected piece relative to the largest, 0 where there is but one.
    """

    voxels: Bools
    affine: Floats
    label: int
    volume_mm3: float
    removed_voxels: int
    filled_voxels: int
    second_fragment: float

    @property
    def spacing(self) -> Floats:
        """(3,) float64 voxel sides in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)


def labels_present(mask: Volume) -> list[int]:
    """Return the sorted labels of `mask`, without 0."""
    present = np.zeros(int(np.iinfo(mask.voxels.dtype).max) + 1, bool)
    flat = mask.voxels.ravel(order="K")
    for start in range(0, flat.size, _CHUNK):
        present[flat[start : start + _CHUNK]] = True
    return [int(n) for n in np.flatnonzero(present) if n > 0]


def select_label(mask: Volume, label: int | None, vertebra: str) -> int:
    """Return the label of the vertebra: the one asked for, or the only one there is; never a guess.

    Parameters
    ----------
    mask
        The label map.
    label
        ``mask_label`` of the request.
    vertebra
        Level asked for, e.g. "L1"; only used to word the error.

    Raises
    ------
    LabelAbsent
        The mask does not have `label`, or is empty.
    LabelAmbiguous
        `label` is None and the mask has several. VerSe and TotalSegmentator number in opposite directions and their
        ranges overlap, so the numbers do not tell.
    """
    present = labels_present(mask)
    got = ", ".join(_name(n) for n in present[:40]) + (", …" if len(present) > 40 else "") or "an empty mask"
    if label is None and len(present) == 1:
        return present[0]
    if label in present:
        return int(label)
    hints = [
        f"{n} in {scheme} numbering"
        for scheme, names in (("VerSe", VERSE), ("TotalSegmentator", TOTALSEGMENTATOR))
        for n, name in names.items()
        if name == vertebra
    ]
    hint = f"{vertebra} is {' and '.join(hints)}" if hints else "see the list of labels present"
    if label is None and present:
        raise LabelAmbiguous(
            f"Say with mask_label which label is the vertebra; {hint}. Present: {got}.",
            expected="mask_label, or a mask with a single label",
            got=f"{len(present)} labels",
            labels_present=present,
        )
    raise LabelAbsent(
        f"Choose a label that is present; {hint}. Present: {got}.",
        expected=f"label {label}" if label is not None else "a label",
        got=got,
        labels_present=present,
    )


def label_names(label: int) -> dict[str, str]:
    """Return what a label stands for in each numbering; nothing for 1, which most binary masks use."""
    schemes = {"VerSe": VERSE, "TotalSegmentator": TOTALSEGMENTATOR}
    return {} if label == 1 else {scheme: names[label] for scheme, names in schemes.items() if label in names}


def _name(label: int) -> str:
    names = ", ".join(f"{level} in {scheme}" for scheme, level in label_names(label).items())
    return f"{label} ({names})" if names else str(label)


def clean_mask(mask: Volume, label: int) -> CleanMask:
    """Return one label as a clean vertebra: largest piece, holes filled, noise off (paper section II.B).

    No opening: with 2 or 3 mm voxels it would cut transverse processes off. Instead single voxels are judged by their
    26 neighbours (`LONELY`, `CROWDED`), which works in voxels, so does as little to a coarse mask as to a fine one.

    Parameters
    ----------
    mask
        The label map.
    label
        One that `mask` has, see `select_label`.
    """
    crop, affine = _crop(mask, label)
    largest, second = _largest_piece(crop)
    solid = ndimage.binary_fill_holes(largest)
    around = ndimage.convolve(solid.astype(np.uint8), np.ones((3, 3, 3), np.uint8), mode="constant") - solid
    clean, _ = _largest_piece((solid & (around > LONELY)) | (around >= CROWDED))
    return CleanMask(
        voxels=clean,
        affine=affine,
        label=label,
        volume_mm3=float(clean.sum() * abs(np.linalg.det(affine[:3, :3]))),
        removed_voxels=int((crop & ~clean).sum()),
        filled_voxels=int((clean & ~crop).sum()),
        second_fragment=second,
    )


def _crop(mask: Volume, label: int) -> tuple[Bools, Floats]:
    box = label_box(mask.voxels, label)
    crop = np.pad(mask.voxels[box] == label, PAD_VOXELS)
    affine = mask.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start - PAD_VOXELS for s in box], float)
    turn = nib.io_orientation(affine)
    affine = affine @ nib.orientations.inv_ornt_aff(turn, crop.shape)
    return np.ascontiguousarray(nib.apply_orientation(crop, turn)), np.asarray(affine, np.float64)


def label_box(voxels: NDArray[Any], label: int | None) -> tuple[slice, slice, slice]:
    """Return the bounding box of `label`, or of every label if None; plane by plane, so memory stays small."""
    hit = np.zeros(voxels.shape[:2], bool)
    planes = np.zeros(voxels.shape[2], bool)
    for k in range(voxels.shape[2]):
        plane = voxels[:, :, k] > 0 if label is None else voxels[:, :, k] == label
        planes[k] = plane.any()
        hit |= plane
    return _span(np.atleast_1d(hit.any(axis=1))), _span(np.atleast_1d(hit.any(axis=0))), _span(planes)


def _span(line: Bools) -> slice:
    hits = np.flatnonzero(line)
    return slice(int(hits[0]), int(hits[-1]) + 1)


def _largest_piece(voxels: Bools) -> tuple[Bools, float]:
    """Return the largest face-connected piece and the size of the second relative to it."""
    pieces, n = ndimage.label(voxels)
    if n <= 1:
        return voxels, 0.0
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    second, first = np.sort(sizes)[-2:]
    return pieces == int(np.argmax(sizes)), float(second / first)


def place_on(clean: CleanMask, ct: Volume) -> Bytes:
    """Return the cleaned vertebra on the CT's full grid: (i, j, k) uint8, 1 inside (the voxels of ``mask.nii.gz``)."""
    return _nearest(clean.voxels.astype(np.uint8), clean.affine, ct)


def _nearest(source: NDArray[Any], affine: Floats, grid: Volume) -> NDArray[Any]:
    """Sample `source` at the voxel centres of `grid`, 0 outside; only where its labels are, one plane at a time."""
    shape = grid.voxels.shape
    out = np.zeros(shape, source.dtype, order="F")
    if not source.any():
        return out
    box = label_box(source, None)
    to_grid = np.linalg.inv(grid.affine) @ affine
    ends = np.array(np.meshgrid(*[(s.start - 0.5, s.stop - 0.5) for s in box])).reshape(3, -1)
    reach = to_grid[:3, :3] @ ends + to_grid[:3, 3:]
    low = np.clip(np.floor(reach.min(1)), 0, shape).astype(int)
    high = np.clip(np.ceil(reach.max(1)) + 1, 0, shape).astype(int)
    m = np.linalg.inv(to_grid)
    i, j = np.arange(low[0], high[0])[:, None], np.arange(low[1], high[1])[None, :]
    for k in range(low[2], high[2]):
        at = [np.floor(m[a, 0] * i + m[a, 1] * j + (m[a, 2] * k + m[a, 3] + 0.5 + 1e-6)).astype(int) for a in range(3)]
        inside = np.logical_and.reduce([(n >= 0) & (n < size) for n, size in zip(at, source.shape, strict=True)])
        plane = out[low[0] : high[0], low[1] : high[1], k]
        plane[inside] = source[at[0][inside], at[1][inside], at[2][inside]]
    return out
