"""The voxel-to-world affine of a NIfTI header, checked: finite, invertible, plausible, consistent with pixdim."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.contract.errors import BadAffine, BadSpacing
from models.types import Floats

MIN_SPACING_MM = 0.05
MAX_SPACING_MM = 10.0
"""Micro-CT of a vertebra has smaller voxels, no clinical CT larger ones."""
PIXDIM_TOLERANCE = 0.01
"""Relative. A voxel size wrong by 1 % makes the stress wrong by 2 % (it scales with 1/size²)."""
MIN_SQUARENESS = 0.85
"""|det| of the unit axes; 1 is orthogonal, 0.87 a gantry tilt of 30 degrees."""
MAX_EXTENT_MM, MAX_WIDTH_MM = 2200.0, 900.0
"""Largest image along the body, and across: more than a person on a table, or the field of view of a scanner."""
_SINGULAR = 1e-4
_FAR_MM = 1e6


def affine_of(fields: Any) -> Floats:
    """Return the affine of a parsed header: the sform where its code is set, else the qform.

    Parameters
    ----------
    fields
        One record of nibabel's NIfTI-1 or NIfTI-2 header dtype.

    Returns
    -------
    (4, 4) float64, voxel index to RAS+ mm.

    Raises
    ------
    BadAffine
        Neither is set, or it is not finite, singular, sheared beyond a gantry tilt, or at odds with ``pixdim``.
    BadSpacing
        A voxel side lies outside 0.05 to 10 mm.
    """
    if int(fields["sform_code"]) > 0:
        affine = np.eye(4)
        affine[:3] = [fields["srow_x"], fields["srow_y"], fields["srow_z"]]
    elif int(fields["qform_code"]) > 0:
        affine = _from_quaternion(fields)
    else:
        raise _bad_affine("sform_code or qform_code > 0", "both 0: position and orientation are unknown")
    if not np.isfinite(affine).all() or np.abs(affine).max() > _FAR_MM:
        raise _bad_affine("finite numbers", "NaN, infinite or absurdly large ones")
    _check_geometry(affine, np.abs(np.asarray(fields["pixdim"][1:4], np.float64)))
    return affine


def frames_apart(fields: Any, shape: tuple[int, int, int]) -> float:
    """Return how far apart the sform and the qform of a header put a corner of the image, mm; 0 where one is not set.

    It is infinite where the qform holds no rotation.

    Parameters
    ----------
    fields
        As for `affine_of`, which has accepted them.
    shape
        Voxels along i, j, k.

    Raises
    ------
    BadAffine
        One mirrors the other: left and right, or up and down, are not known then.
    """
    if int(fields["sform_code"]) <= 0 or int(fields["qform_code"]) <= 0:
        return 0.0
    sform = affine_of(fields)
    try:
        qform = _from_quaternion(fields)
    except BadAffine:
        return float("inf")
    if not np.isfinite(qform).all():
        return float("inf")
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0.0:
        raise BadAffine(
            "The sform and the qform of the image mirror each other, so left and right are not known. Export the image "
            "again, or set both to the right affine.",
            expected="an sform and a qform of the same handedness",
            got="one mirrors the other",
        )
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in shape])).reshape(3, -1)
    apart = (sform - qform)[:3, :3] @ corners + (sform - qform)[:3, 3:]
    return float(np.linalg.norm(apart, axis=0).max())


def world_reach(shape: tuple[int, ...], affine: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner (3,) mm RAS of the voxel centres of a grid."""
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in shape])).reshape(3, -1)
    reach = affine[:3, :3] @ corners + affine[:3, 3:]
    return np.asarray(reach.min(axis=1)), np.asarray(reach.max(axis=1))


def check_extent(shape: tuple[int, int, int], affine: Floats) -> None:
    """Refuse an image larger than a person.

    Raises
    ------
    BadSpacing
    """
    low, high = world_reach(shape, affine)
    if (high - low).max() > MAX_EXTENT_MM or (high - low)[:2].max() > MAX_WIDTH_MM:
        raise BadSpacing(
            "The image is larger than a person, so its voxel size is wrong. Export it with the right one, or crop it.",
            expected=f"at most {MAX_WIDTH_MM:g} mm across and {MAX_EXTENT_MM:g} mm along the body",
            got=" x ".join(f"{v:.0f}" for v in high - low) + " mm",
        )


def _from_quaternion(fields: Any) -> Floats:
    """Method 2 of the NIfTI standard."""
    b, c, d = (float(fields[f"quatern_{axis}"]) for axis in "bcd")
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -0.01:
        raise _bad_affine("a unit quaternion in the qform", f"squared length {1.0 - rest:g}")
    a = np.sqrt(max(rest, 0.0))
    pixdim = np.asarray(fields["pixdim"][:4], np.float64)
    sides = np.abs(pixdim[1:]) * [1.0, 1.0, -1.0 if pixdim[0] < 0 else 1.0]
    affine = np.eye(4)
    affine[:3, :3] = sides * np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine[:3, 3] = [float(fields[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _check_geometry(affine: Floats, pixdim: Floats) -> None:
    axes = affine[:3, :3]
    sides = np.linalg.norm(axes, axis=0)
    squareness = abs(float(np.linalg.det(axes / sides))) if sides.all() else 0.0
    if squareness < _SINGULAR:
        raise _bad_affine("an invertible affine", "a singular one")
    if squareness < MIN_SQUARENESS:
        raise _bad_affine("axes at right angles (gantry tilt up to 30 degrees)", "a strongly sheared affine")
    for name, spacing in (("affine", sides), ("pixdim", pixdim)):
        if not ((spacing >= MIN_SPACING_MM) & (spacing <= MAX_SPACING_MM)).all():
            raise BadSpacing(
                "Lengths must be in millimetres. Check the voxel size and export the image again.",
                expected=f"voxels of {MIN_SPACING_MM} to {MAX_SPACING_MM} mm",
                got=f"{_mm(spacing)} mm in the {name}",
            )
    heights = 1.0 / np.linalg.norm(np.linalg.inv(axes), axis=1)  # under gantry tilt pixdim may be the slice distance
    close = [np.abs(pixdim / side - 1.0) <= PIXDIM_TOLERANCE for side in (sides, heights)]
    if not (close[0] | close[1]).all():
        raise _bad_affine(f"pixdim as in the affine, {_mm(sides)} mm", f"pixdim {_mm(pixdim)} mm")


def _mm(values: Floats) -> str:
    return " x ".join(f"{v:.4g}" for v in values)


def _bad_affine(expected: str, got: str) -> BadAffine:
    detail = "A job needs a valid voxel-to-world affine to measure anything. Export the image again."
    return BadAffine(detail, expected=expected, got=got)
