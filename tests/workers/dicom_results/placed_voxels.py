"""The voxels of a DICOM segmentation on the grid of a NIfTI file, by the places that its own attributes give."""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom.seg import Segmentation
from numpy.typing import NDArray

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def placed_voxels(segmentation: Segmentation, affine: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the mask (i, j, k); each pixel must lie at the centre of a voxel, to 1e-3 of its side."""
    seen = np.zeros(shape, np.uint8)
    to_voxel = np.linalg.inv(TO_LPS @ affine)
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    columns, rows = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    for frame, where in zip(segmentation.pixel_array, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        first = np.array(where.PlanePositionSequence[0].ImagePositionPatient, float)
        row, column = np.nonzero(frame)
        places = first + column[:, None] * columns * spacing[1] + row[:, None] * rows * spacing[0]
        voxels = places @ to_voxel[:3, :3].T + to_voxel[:3, 3]
        np.testing.assert_allclose(voxels, np.round(voxels), atol=1e-3)
        seen[tuple(np.round(voxels).astype(int).T)] = 1
    return seen
