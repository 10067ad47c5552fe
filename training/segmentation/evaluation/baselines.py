"""What a segmentation must beat: bone by its HU, and a vertebra of mean shape, both at the true body centre."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.template import Template
from models.types import Floats
from training.segmentation.data.reference_cases import ReferenceCase
from workers.geometry.surface import Surface
from workers.imaging.resampling import CROP_STEP_MM, crop
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.segmenter_crop import CROP_LOW, CROP_SHAPE
from workers.mask.cleaning import clean_mask
from workers.outline.surface_mask import voxels_inside

BASELINE_BONE_HU = 200.0
"""HU from which a voxel counts as bone: between muscle and contrasted vessels, and trabecular bone."""
CLOSINGS = 2
"""Iterations of the closing that fills marrow below `BASELINE_BONE_HU`."""
HALF_HEIGHT_MM = 18.0
"""Half the pitch of lumbar vertebrae: of a body with half a disc above and below."""
MARGIN_MM = 2.0
"""Air around the template."""


def bone_around(case: ReferenceCase) -> Volume:
    """Return all bone within half a vertebra's height of the centre, in one piece (0 or 1)."""
    shape = (CROP_SHAPE[0], CROP_SHAPE[1], int(2 * HALF_HEIGHT_MM / CROP_STEP_MM[2]) + 1)
    ct = crop(case.ct, case.centre + np.array([*CROP_LOW[:2], -HALF_HEIGHT_MM]), shape)
    bone = np.pad(ct.voxels > BASELINE_BONE_HU, CLOSINGS)
    inner = (slice(CLOSINGS, -CLOSINGS),) * 3
    filled = ndimage.binary_closing(bone, iterations=CLOSINGS)[inner]
    clean = clean_mask(Volume(filled.astype(np.uint8), ct.affine), 1)
    return Volume(clean.voxels.astype(np.uint8), clean.affine)


def template_mask(template: Template) -> Volume:
    """Return the template as a mask (0 or 1) of 1 mm voxels, with its body centre at the origin."""
    surface = template.nodes[: template.n_surface]
    low = np.floor(surface.min(axis=0)) - MARGIN_MM
    shape = tuple(int(n) for n in np.ceil(surface.max(axis=0) + MARGIN_MM - low))
    affine: Floats = np.eye(4)
    affine[:3, 3] = low
    voxels = voxels_inside(Surface(surface, template.triangles), affine, shape)
    affine[:3, 3] -= body_centre(voxels, affine)[0]
    return Volume(voxels.astype(np.uint8), affine)


def move_to_centre(template: Volume, case: ReferenceCase) -> Volume:
    """Return the mask of `template_mask` with its body centre at the centre of a case, upright."""
    affine = template.affine.copy()
    affine[:3, 3] += case.centre
    return Volume(template.voxels, affine)
