"""Whether a label is one whole vertebra of this CT.

Size, pieces, field of view and bone are checked before anything is fitted. Whether the *shape* is one vertebra is
judged by the fit (`workers.mesh.subject_mesh`): the template folds over on anything else, however that lies in the
scan. `misfit` then says in the client's terms what it probably was.
Thresholds were measured on 33 whole vertebrae (T11 to L5), the cut ones of two CTs, an S1, and all neighbouring pairs
of 4 people, fused as they are and with gaps closed by 4 and 8 mm.
Axes: x right, y anterior, z superior of the world; left-handed files and a patient facing backwards do no harm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.contract.errors import GridMismatch, InputError, MorphFailed, NotAVertebra, VertebraeFused, VertebraTruncated
from models.types import Bools, Floats
from workers.imaging.binary_mask import label_box
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask

MAX_CUT_MM2 = 25.0
MAX_CUT_VOXELS = 3
"""Area of a label on one face of the field of view, whichever is larger. Cut through a body: 360 to 2115 mm²; 12 mm of
a transverse process gone: 26 to 126 mm²."""
MAX_TIGHT_MM2 = 150.0
"""The same where the label touches all six faces: a tightly cropped volume, not a cut. The outermost voxel layer of
whole vertebrae measures up to 113 mm² at 1 and 2 mm (351 mm² at 3 mm)."""
MAX_OUTSIDE = 0.01
MAX_FLAT_MM2, MAX_FLAT_MM2_PER_MM = 250.0, 150.0
"""Area of a label's outermost voxel layer, and more for each mm of layer above 1 mm. A whole vertebra ends in the tips
of its processes and in the round front of its body: up to 113 mm² at 1 mm, 200 at 2 mm, 351 at 3 mm. A mask that was
cut and padded ends in a plane: 355 to 2300 mm² where a tenth of the vertebra is gone."""
MAX_PADDING = 0.04
"""Share of the vertebra, or of its surroundings (2 to 6 mm), that may have one same value of air: padding of a scan."""
MAX_FRAGMENT = 0.25
MAX_SLENDERNESS = 1.02
"""Extent in z over the geometric mean of those in x and y. Single up to 0.84, a ball 1, fused to 1.3."""
VOLUME_CM3 = (10.0, 140.0)
"""Whole 36 to 81 cm³; fused pairs 78 to 170."""
FUSED_CM3 = 75.0
"""A label of this volume that is no vertebra is probably two."""
MIN_BONE_CONTRAST_HU = 20.0


def check_field_of_view(mask: Volume, label: int, ct: Volume) -> None:
    """Refuse a vertebra that is cut by the border of the CT, or of the mask's own volume.

    Raises
    ------
    GridMismatch
        No part of the label lies on the CT.
    VertebraTruncated
        More than 1 % of it lies outside, or too much of it touches one face of either volume.
    """
    box = label_box(mask.voxels, label)
    index = np.argwhere(mask.voxels[box] == label) + [part.start for part in box]
    to_ct = np.linalg.inv(ct.affine) @ mask.affine
    on_ct = index @ to_ct[:3, :3].T + to_ct[:3, 3]
    outside = 1.0 - float(_within(on_ct, ct.voxels.shape).mean())
    if outside == 1.0:
        raise GridMismatch(
            "Mask and CT lie in different places of the world. Send the mask that was made from this CT.",
            expected=f"label {label} within the CT's field of view",
            got="no voxel of it on the CT",
        )
    if outside > MAX_OUTSIDE:
        raise _truncated(f"at most {MAX_OUTSIDE:.0%} of label {label} outside the CT", f"{outside:.1%}")
    own = _cuts(index.astype(float), np.eye(3), mask.voxels.shape, mask.spacing)
    other = _cuts(on_ct, to_ct[:3, :3], ct.voxels.shape, mask.spacing)
    strict = np.maximum(MAX_CUT_MM2, MAX_CUT_VOXELS * np.prod(mask.spacing) / mask.spacing)
    for name, areas in (("mask", own), ("CT", other)):
        allowed = np.full(3, MAX_TIGHT_MM2) if areas.all() else strict
        if (areas > allowed).any():
            worst = np.unravel_index(int((areas - allowed).argmax()), areas.shape)
            expected = f"at most {allowed[worst[1]]:.0f} mm² of label {label} on one face of the {name}"
            raise _truncated(expected, f"{areas[worst]:.0f} mm²")


def _within(points: Floats, shape: tuple[int, ...]) -> Bools:
    inside = (points >= -0.501) & (points <= np.array(shape) - 0.499)
    return np.asarray(inside.all(axis=1), np.bool_)


def _cuts(points: Floats, steps: Floats, shape: tuple[int, ...], spacing: Floats) -> Floats:
    """Return (2, 3) mm²: with which area voxels touch the border, backwards and forwards along the mask's axes.

    Parameters
    ----------
    points
        (n, 3) voxel centres of the label, as indices of the bounding volume.
    steps
        (3, 3), column a: one step along axis a of the mask, in the same indices.
    shape, spacing
        Of the bounding volume in voxels, of the mask's voxels in mm.
    """
    inside = points[_within(points, shape)]
    area = np.prod(spacing) / spacing
    beyond = [[(~_within(inside + sign * steps[:, a], shape)).sum() for a in range(3)] for sign in (-1, 1)]
    return np.asarray(beyond * area, np.float64)


def check_vertebra(clean: CleanMask, image_spacing: Floats | None = None) -> None:
    """Refuse a label whose size or pieces are not those of one vertebra.

    Parameters
    ----------
    clean
        The label.
    image_spacing
        (3,) mm along its axes: voxels of the image that it was drawn on, where these are coarser than its own.

    Raises
    ------
    VertebraeFused
        Two pieces of similar size.
    NotAVertebra
        Volume out of range.
    VertebraTruncated
        It ends in a plane.
    """
    volume = clean.volume_mm3 / 1000.0
    if volume < VOLUME_CM3[0]:
        raise _not_a_vertebra(clean, f"at least {VOLUME_CM3[0]:g} cm³", f"{volume:.1f} cm³")
    if clean.second_fragment > MAX_FRAGMENT:
        raise _fused(
            clean, f"one connected piece (others up to {MAX_FRAGMENT:.0%})", f"a second of {clean.second_fragment:.0%}"
        )
    if volume > VOLUME_CM3[1]:
        raise _not_a_vertebra(clean, f"at most {VOLUME_CM3[1]:g} cm³", f"{volume:.0f} cm³")
    layer = clean.spacing if image_spacing is None else np.maximum(clean.spacing, image_spacing)
    allowed = MAX_FLAT_MM2 + MAX_FLAT_MM2_PER_MM * np.maximum(layer - 1.0, 0.0)
    flat = outermost_areas(clean)
    if (flat > allowed).any():
        axis = int((flat - allowed).max(axis=0).argmax())
        got = f"{flat[:, axis].max():.0f} mm²"
        raise _truncated(f"a label that ends in at most {allowed[axis]:.0f} mm² of one plane", got)


def outermost_areas(clean: CleanMask) -> Floats:
    """Return the area in mm² of the first and the last voxel layer of the vertebra along each axis, (2, 3)."""
    box = label_box(clean.voxels.astype(np.uint8), 1)
    voxels = clean.voxels[box]
    face = np.prod(clean.spacing) / clean.spacing
    ends = [[np.take(voxels, end, axis=axis).sum() for axis in range(3)] for end in (0, -1)]
    return np.asarray(ends, np.float64) * face


def misfit(clean: CleanMask, error: MorphFailed) -> InputError:
    """Return the error for a label the template does not fit: two vertebrae where it is tall, else not a vertebra."""
    expected, got = error.expected or "", error.got or ""
    width, depth, height = (np.ptp(np.argwhere(clean.voxels), axis=0) + 1) * clean.spacing
    if height / np.sqrt(width * depth) > MAX_SLENDERNESS or clean.volume_mm3 / 1000.0 > FUSED_CM3:
        return _fused(clean, expected, got)
    return _not_a_vertebra(clean, expected, got)


def check_on_bone(clean: CleanMask, ct: Volume) -> None:
    """Refuse a mask that does not lie on bone of this CT (another scan, a flipped axis).

    Compares the median of the CT inside the vertebra with that 2 to 6 mm outside it, at the mask's voxel centres.

    Raises
    ------
    GridMismatch
        The mask does not lie on bone.
    VertebraTruncated
        The vertebra reaches into padding around the scan.
    """
    margin = [int(np.ceil(6.0 / s)) for s in clean.spacing]
    voxels = np.pad(clean.voxels, [(m, m) for m in margin])
    distance = ndimage.distance_transform_edt(~voxels, sampling=clean.spacing)
    inside = _sample(ct, clean.affine, np.argwhere(voxels) - margin)
    outside = _sample(ct, clean.affine, np.argwhere((distance > 2.0) & (distance <= 6.0)) - margin)
    if not len(inside) or not len(outside):
        return
    padding = max(_padding(inside), _padding(outside))
    if padding > MAX_PADDING:
        expected = f"at most {MAX_PADDING:.0%} of the vertebra's surroundings outside the scan"
        raise _truncated(expected, f"{padding:.0%}")
    contrast = float(np.median(inside) - np.median(outside))
    if contrast < MIN_BONE_CONTRAST_HU:
        raise GridMismatch(
            "The mask does not lie on bone of this CT. Send the mask that was made from this CT, with its affine.",
            expected=f"the vertebra at least {MIN_BONE_CONTRAST_HU:g} HU brighter than its surroundings",
            got=f"{contrast:.0f} HU",
        )


def _padding(values: Floats) -> float:
    """Return the share of the commonest value of -900 HU or less; lung and gas are noisy, padding is not."""
    air = values[values <= -900.0]
    return float(np.unique(air, return_counts=True)[1].max() / len(values)) if len(air) else 0.0


def _sample(ct: Volume, affine: Floats, index: NDArray[np.intp]) -> Floats:
    """Return the CT at the nearest voxel of every index of another grid, those outside left out."""
    to_ct = np.linalg.inv(ct.affine) @ affine
    at = np.floor(index @ to_ct[:3, :3].T + to_ct[:3, 3] + 0.5).astype(int)
    at = at[((at >= 0) & (at < np.array(ct.voxels.shape))).all(axis=1)]
    return np.asarray(ct.voxels[at[:, 0], at[:, 1], at[:, 2]], np.float64)


def _truncated(expected: str, got: str) -> VertebraTruncated:
    detail = (
        "The vertebra is not whole in the image, so its stress cannot be computed. Send a CT that shows all of it, or "
        "choose another label; if only the mask was cropped tightly, send it on the CT's grid."
    )
    return VertebraTruncated(detail, expected=expected, got=got)


def _fused(clean: CleanMask, expected: str, got: str) -> VertebraeFused:
    detail = f"Label {clean.label} seems to hold more than one vertebra. Separate them in the mask and send it again."
    return VertebraeFused(detail, expected=expected, got=got)


def _not_a_vertebra(clean: CleanMask, expected: str, got: str) -> NotAVertebra:
    detail = f"Label {clean.label} is not shaped like one whole vertebra (T11 to L5). Check the label and the mask."
    return NotAVertebra(detail, expected=expected, got=got)
