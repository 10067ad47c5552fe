"""Trunks of the locator from real CTs without a label map: the marks say where each body is, and its level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthetic_ct.bone_labels import SACRUM, label_of
from training.segmentation.data.annotations import Annotation
from training.segmentation.data.real_scans import as_hu, unlabelled_bone
from training.segmentation.data.scan_files import SACRAL_BODIES, TrunkScan
from workers.imaging.resampling import coarse
from workers.imaging.volume import Volume, read_ct

BALL_MM = 9.0
"""Radius of the ball about a marked body centre that surely is that body: bodies are 20 mm high or more."""
LEAST_BODIES = 3
"""CTs that show fewer bodies are left out."""


def make_marked_trunks(annotations: tuple[Annotation, ...], data: Path, folder: Path) -> list[Path]:
    """Write the trunk of each marked CT that is missing; return the files.

    Left out are CTs with a label map, which says more, those of which nobody is certain of the levels, and those with
    fewer than `LEAST_BODIES` bodies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for annotation in annotations:
        if annotation.labels or annotation.known_by == "uncertain" or len(annotation.bodies) < LEAST_BODIES:
            continue
        path = folder / f"{annotation.name}.npz"
        if not path.exists():
            marked_trunk(read_ct(data / annotation.ct), annotation).save(path)
        paths.append(path)
    return paths


def marked_trunk(ct: Volume, annotation: Annotation) -> TrunkScan:
    """Return a CT on the grid of the locator. All bone but a ball about each body centre is `UNKNOWN`."""
    image = coarse(ct)
    bone = unlabelled_bone(image.voxels)
    voxels = np.moveaxis(np.indices(bone.shape), 0, -1)
    centres = (annotation.centres - image.affine[:3, 3]) / image.spacing
    names = annotation.levels
    for level, centre in zip(names, centres, strict=True):
        ball = np.square((voxels - centre) * image.spacing).sum(axis=-1) < BALL_MM**2
        bone[ball] = SACRUM if level in SACRAL_BODIES else label_of(level)
    vertebra = np.array([level not in SACRAL_BODIES for level in names])
    return TrunkScan(
        as_hu(image.voxels),
        bone,
        centres[vertebra].astype(np.float32),
        np.array([label_of(level) for level in np.array(names)[vertebra]], np.uint8),
        (annotation.person,),
    )
