"""Where the frames of a DICOM segmentation lie, in the attributes that highdicom wants."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence
from pydicom import Dataset

from models.types import Floats

TO_LPS = np.array([-1.0, -1.0, 1.0])
"""From RAS+ to the axes of DICOM, x left and y posterior."""


def geometry(affine: Floats, planes: Any) -> dict[str, Any]:
    """Return where planes of a grid lie that are no slices of the images; `affine` (4, 4) leads to RAS+ mm."""
    return {
        "pixel_measures": _measures(affine),
        "plane_orientation": _orientation(affine),
        "plane_positions": [
            PlanePositionSequence("PATIENT", (affine[:3, 3] + k * affine[:3, 2]) * TO_LPS) for k in planes
        ],
    }


def regular_slice(header: Dataset, affine: Floats) -> Dataset:
    """Return a CT slice with what a segmentation needs: a thickness, and the direction that all slices share.

    A CT image may leave the thickness empty, and scanners round the direction of each slice on their own.
    """
    slice_ = deepcopy(header)
    if not slice_.get("SliceThickness"):
        slice_.SliceThickness = f"{plane_distance(affine):.6g}"
    slice_.ImageOrientationPatient = _orientation(affine)[0].ImageOrientationPatient
    return slice_


def regular_frames(header: Dataset, affine: Floats) -> Dataset:
    """Return a multi-frame image whose frames share direction and pixel size, where each frame may have its own."""
    image = deepcopy(header)
    if not image.get("SharedFunctionalGroupsSequence"):
        image.SharedFunctionalGroupsSequence = [Dataset()]
    shared = image.SharedFunctionalGroupsSequence[0]
    shared.PixelMeasuresSequence = _measures(affine)
    shared.PlaneOrientationSequence = _orientation(affine)
    return image


def plane_distance(affine: Floats) -> float:
    """Return the distance of neighbouring planes of a grid along their normal, mm."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    return float(abs(affine[:3, 2] @ normal) / np.linalg.norm(normal))


def _measures(affine: Floats) -> PixelMeasuresSequence:
    columns, rows = np.linalg.norm(affine[:3, :2], axis=0)
    distance = plane_distance(affine)
    return PixelMeasuresSequence((rows, columns), distance, distance)


def _orientation(affine: Floats) -> PlaneOrientationSequence:
    """Return the directions in which columns and rows are counted."""
    columns, rows = (affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)).T * TO_LPS
    return PlaneOrientationSequence("PATIENT", [*columns, *rows])
