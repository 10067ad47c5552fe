"""The report's warnings: what a reader should know before using the numbers."""

from __future__ import annotations

import numpy as np

from app.contract.params import ReportedLevel
from models.types import Floats, Reals
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.mesh.subject_mesh import SubjectMesh

LOOSE_FIT_MM = 0.6
"""Mean surface distance. Whole vertebrae T11 to L5 reach 0.28 mm; `workers.mesh.subject_mesh` accepts a looser
fit where the voxels are coarse."""
TURNED_DEG = 60.0
"""Rotation of the pose. The curves of a spine tilt a vertebra by less, so the image's orientation is probably wrong;
the fit finds a vertebra that lies backwards or upside down all the same."""
FRAMES_APART_MM = 1.0
"""A corner of the image by sform and by qform: rounding of the header's single precision moves it by far less."""
COARSE_VOXEL_MM = 2.5
"""Longest side of a voxel. With voxels of 3 mm the volume of a mask, and with it the stress, is 1 % off."""
LEADING_MODES = 20
"""Modes of the shape model are sorted by variance; these describe the coarse shape."""
UNUSUAL_SHAPE = 1.0
"""Root mean square of the leading coefficients: 0.14 to 0.91 on 33 whole vertebrae, 1.1 on an S1."""


def report_warnings(
    mesh: SubjectMesh, vertebra: CleanMask, level: ReportedLevel, ct: Volume | None = None
) -> list[str]:
    """Return the warnings on image, fit and shape, the most important first.

    Parameters
    ----------
    mesh, vertebra
        The subject mesh, and the mask it was fitted to.
    level
        Of the vertebra.
    ct
        The CT, where the mask is a segmentation of it; None where a mask was sent.
    """
    warnings = (
        warn_of_loose_fit(mesh.distance_mm),
        warn_of_turned_vertebra(mesh.fit.pose.rotation),
        warn_of_coarse_voxels("mask", vertebra.spacing) if ct is None else warn_of_coarse_voxels("CT", ct.spacing),
        warn_of_unusual_shape(mesh.fit.coefficients),
        warn_of_other_template(level),
    )
    return [warning for warning in warnings if warning]


def frame_warnings(ct_mm: float, mask_mm: float) -> list[str]:
    """Warn of each image whose sform and qform put a corner so many mm apart."""
    return [
        f"The sform and the qform of the {image} differ: a corner of it lies {apart:.0f} mm apart. The sform was used: "
        "check position and size."
        for image, apart in (("CT", ct_mm), ("mask", mask_mm))
        if apart > FRAMES_APART_MM
    ]


def warn_of_loose_fit(distance_mm: Floats) -> str | None:
    """Warn where the surface distance (k,), mm, is large on average."""
    mean = float(distance_mm.mean())
    if mean <= LOOSE_FIT_MM:
        return None
    return f"The mesh lies {mean:.2f} mm from the mask's surface on average (usually 0.05 to 0.2 mm)."


def warn_of_turned_vertebra(rotation: Floats) -> str | None:
    """Warn where the rotation (3, 3) from the template's frame to the world turns by a large angle."""
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0)))
    if angle <= TURNED_DEG:
        return None
    return f"The vertebra lies turned by {angle:.0f}° in the scan's RAS frame: check the orientation of the image."


def warn_of_coarse_voxels(image: str, spacing: Floats) -> str | None:
    """Warn where the voxels of an image (spacing (3,), mm) hide detail."""
    side = float(spacing.max())
    if side <= COARSE_VOXEL_MM:
        return None
    return f"The {image}'s voxels measure up to {side:.1f} mm: detail finer than that is interpolated."


def warn_of_unusual_shape(coefficients: Reals) -> str | None:
    """Warn where the leading shape coefficients (m, 3), in standard deviations, are large."""
    shape = float(np.sqrt(np.square(coefficients[:LEADING_MODES]).mean()))
    if shape <= UNUSUAL_SHAPE:
        return None
    return f"The shape is unusual: {shape:.1f} standard deviations (whole vertebrae T11 to L5: 0.1 to 0.9)."


def warn_of_other_template(level: ReportedLevel) -> str | None:
    """Warn where a level other than the template's was fitted."""
    return None if level in ("L1", "unknown") else f"The template is an L1; {level} was fitted with it."
