"""A small CT as DICOM, and a mask on its grid: what the DICOM results of the tests are made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.workers.dicom.dicom_files import multi_frame, series
from workers.dicom.source_dicom import SourceDicom, header_of
from workers.mask.ct_grid import PlacedMask

SHAPE = (26, 20, 9)
"""Columns, rows and planes."""
TILTED = np.array([[-0.7, 0.0, 0.0, 90.0], [0.0, -0.8, 0.6, 40.0], [0.0, 0.0, 2.5, 600.0], [0, 0, 0, 1.0]])
"""Slices that lean: the third column is not along their normal."""
HU = np.zeros(SHAPE, np.int16)
RNG = np.random.default_rng(0)
MASK = PlacedMask(RNG.integers(0, 2, (7, 5, 4)).astype(np.uint8), (11, 9, 3), SHAPE)


def whole(mask: PlacedMask) -> Any:
    """The mask on the whole grid, (i, j, k)."""
    return np.stack(list(mask.planes()), axis=2)


def slices_source(affine: Any = TILTED, resampled: bool = False, **changes: Any) -> SourceDicom:
    images = series(HU, affine, **changes)
    return SourceDicom(tuple(map(header_of, images)), resampled=resampled)


def frames_source(affine: Any = TILTED) -> SourceDicom:
    """An enhanced CT whose frames lie from top to bottom, so that plane k is not frame k."""
    upside_down = multi_frame(
        HU[:, :, ::-1], affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 8], [0, 0, 0, 1.0]])
    )
    return SourceDicom((header_of(upside_down),), frames=tuple(range(SHAPE[2], 0, -1)))
