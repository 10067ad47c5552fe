"""How well a vertebra is segmented and found, on people the networks never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Singles
from training.segmentation.data.reference_cases import ReferenceCase
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.geometry.closest_point import surface_distance
from workers.imaging.volume import Volume
from workers.locate.segmenter import Segmenter, as_mask
from workers.mask.cleaning import clean_mask
from workers.mesh.mask_surface import extract_surface


@dataclass(frozen=True)
class Overlap:
    """Paper eqs. 6 to 9, and distances between the surfaces in mm."""

    dsc: float
    fnd: float
    fpd: float
    recall: float
    mean_mm: float
    p95_mm: float


def segment(segmenter: Segmenter, case: ReferenceCase) -> Volume:
    """Return the cleaned mask (0 or 1) about the case's centre, as a job does that knows the neighbours."""
    clean = clean_mask(as_mask(segmenter.probability_among(case.ct, case.centre, case.neighbours)), 1)
    return Volume(clean.voxels.astype(np.uint8), clean.affine)


def overlap(found: Volume, truth: Volume) -> Overlap:
    """Compare a mask with a reference, on the reference's own voxels."""
    smooth = Volume(found.voxels.astype(np.float32), found.affine)
    on_truth = on_grid(smooth, truth) > 0.5
    reference = truth.voxels > 0
    tp = float((on_truth & reference).sum())
    fn, fp = float(reference.sum()) - tp, float(on_truth.sum()) - tp
    total = max(2.0 * tp + fn + fp, 1.0)
    if tp == 0.0:
        return Overlap(0.0, 2.0 * fn / total, 2.0 * fp / total, 0.0, float("nan"), float("nan"))
    distance = surface_distance(
        extract_surface(found.voxels > 0, found.affine), extract_surface(reference, truth.affine)
    )
    return Overlap(
        2.0 * tp / total,
        2.0 * fn / total,
        2.0 * fp / total,
        tp / (tp + fn),
        float(distance.mean()),
        float(np.quantile(distance, 0.95)),
    )


def on_grid(volume: Volume, grid: Volume) -> Singles:
    """Interpolate a volume at the voxel centres of another."""
    from scipy import ndimage

    to_voxel = np.linalg.inv(volume.affine) @ grid.affine
    return np.asarray(
        ndimage.affine_transform(
            volume.voxels, to_voxel[:3, :3], to_voxel[:3, 3], output_shape=grid.voxels.shape, order=1, cval=0.0
        )
    )


@dataclass(frozen=True)
class StressChange:
    """Von Mises stress with the automatic mask against that with the reference mask, node by node."""

    nmae_percent: float
    peak_change_percent: float
    inner_peak_change_percent: float


def stress_change(
    engine: Engine, found: Volume, truth: Volume, load_newton: float = REFERENCE_LOAD_NEWTON
) -> StressChange:
    """Morph and predict with either mask (paper Fig. 2, C to E) and compare the fields."""
    fields = []
    for mask in (found, truth):
        clean = clean_mask(mask, 1)
        mesh = engine.morpher.morph(extract_surface(clean.voxels, clean.affine), float(clean.spacing.max()))
        fields.append(engine.predict(mesh.points, load_newton, "tangent").von_mises)
    a, b = fields
    body = engine.template.region == 0
    return StressChange(
        100.0 * float(np.abs(a - b).mean() / b.max()),
        100.0 * float(a.max() / b.max() - 1.0),
        100.0 * float(np.quantile(a[body], 0.99) / np.quantile(b[body], 0.99) - 1.0),
    )
