"""What a segmentation must beat: bone by its HU, and a vertebra of mean shape, both where the centre is told."""

from __future__ import annotations

import numpy as np
import pyvista as pv
from scipy import ndimage

from models.template import Template
from models.types import Floats
from training.segmentation.data.reference_cases import ReferenceCase
from workers.imaging.resampling import CROP_STEP_MM, crop
from workers.imaging.volume import Volume
from workers.locate.segmenter import WINDOW_LOW, WINDOW_SHAPE, body_centre
from workers.mask.cleaning import clean_mask

BONE_HU = 200.0
HALF_HEIGHT_MM = 18.0
"""Of a lumbar vertebral body with half a disc above and below."""


def bone_about(case: ReferenceCase) -> Volume:
    """Return all bone within half a vertebra's height of the centre, in one piece (0 or 1)."""
    shape = (WINDOW_SHAPE[0], WINDOW_SHAPE[1], int(2 * HALF_HEIGHT_MM / CROP_STEP_MM[2]) + 1)
    seen = crop(case.ct, case.centre + np.array([*WINDOW_LOW[:2], -HALF_HEIGHT_MM]), shape)
    filled = ndimage.binary_closing(np.pad(seen.voxels > BONE_HU, 2), iterations=2)[2:-2, 2:-2, 2:-2]
    clean = clean_mask(Volume(filled.astype(np.uint8), seen.affine), 1)
    return Volume(clean.voxels.astype(np.uint8), clean.affine)


def template_mask(template: Template) -> Volume:
    """Return the template as a mask (0 or 1) of 1 mm voxels, with its body's centre at the origin."""
    surface = template.nodes[: template.n_surface]
    low = np.floor(surface.min(axis=0)) - 2.0
    shape = tuple(int(n) for n in np.ceil(surface.max(axis=0) + 2.0 - low))
    grid = pv.ImageData(dimensions=shape, origin=tuple(low))
    closed = pv.PolyData.from_regular_faces(surface, template.triangles.astype(np.int64))
    inside = np.asarray(grid.select_interior_points(closed, check_surface=False)["selected_points"]) > 0
    affine: Floats = np.eye(4)
    affine[:3, 3] = low
    voxels = inside.reshape(shape, order="F")
    affine[:3, 3] -= body_centre(voxels, affine)[0]
    return Volume(voxels.astype(np.uint8), affine)


def placed(template: Volume, case: ReferenceCase) -> Volume:
    """Return the template's mask at the centre of a case, upright."""
    affine = template.affine.copy()
    affine[:3, 3] += case.centre
    return Volume(template.voxels, affine)
