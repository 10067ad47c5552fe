"""Whether the field of view cuts the vertebra of a label map.

A label that touches the border of a volume is cut there, unless the touching area is that of a rounded tip. Areas were
measured on 33 whole vertebrae (T11 to L5) and on the cut ones of two CTs.
"""

from __future__ import annotations

import numpy as np

from app.contract.errors import GridMismatch, VertebraTruncated
from models.types import Bools, Floats
from workers.imaging.binary_mask import label_box
from workers.imaging.volume import Volume

MAX_CUT_MM2 = 25.0
MAX_CUT_VOXELS = 3
"""Area of a label on one face of the field of view, whichever is larger. Cut through a body: 360 to 2115 mm²; 12 mm of
a transverse process gone: 26 to 126 mm²."""
MAX_TIGHT_MM2 = 150.0
"""The same where the label touches all six faces: then the volume was cropped tightly and nothing is cut. The outermost
voxel layer of whole vertebrae measures up to 113 mm² at 1 and 2 mm (351 mm² at 3 mm)."""
MAX_OUTSIDE = 0.01
"""Share of the label that may lie outside the CT."""
ROUNDING_VOXELS = 0.001
"""A voxel centre that lies half a voxel beyond the last centre still counts as inside."""


def check_field_of_view(mask: Volume, label: int, ct: Volume) -> None:
    """Refuse a vertebra that the border of the CT, or of the mask's own volume, cuts.

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
        raise truncated(f"at most {MAX_OUTSIDE:.0%} of label {label} outside the CT", f"{outside:.1%}")
    own = _cut_areas(index.astype(float), np.eye(3), mask.voxels.shape, mask.spacing)
    other = _cut_areas(on_ct, to_ct[:3, :3], ct.voxels.shape, mask.spacing)
    strict = np.maximum(MAX_CUT_MM2, MAX_CUT_VOXELS * np.prod(mask.spacing) / mask.spacing)
    for name, areas in (("mask", own), ("CT", other)):
        allowed = np.full(3, MAX_TIGHT_MM2) if areas.all() else strict
        if (areas > allowed).any():
            worst = np.unravel_index(int((areas - allowed).argmax()), areas.shape)
            expected = f"at most {allowed[worst[1]]:.0f} mm² of label {label} on one face of the {name}"
            raise truncated(expected, f"{areas[worst]:.0f} mm²")


def truncated(expected: str, got: str) -> VertebraTruncated:
    """Return the error for a label map's vertebra that is cut."""
    detail = (
        "The vertebra is not whole in the image, so its stress cannot be computed. Send a CT that shows all of it, or "
        "choose another label; if only the mask was cropped tightly, send it on the CT's grid."
    )
    return VertebraTruncated(detail, expected=expected, got=got)


def _within(points: Floats, shape: tuple[int, ...]) -> Bools:
    half = 0.5 + ROUNDING_VOXELS
    inside = (points >= -half) & (points <= np.array(shape) - 1.0 + half)
    return np.asarray(inside.all(axis=1), np.bool_)


def _cut_areas(points: Floats, steps: Floats, shape: tuple[int, ...], spacing: Floats) -> Floats:
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
