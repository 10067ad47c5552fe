"""How far the answer to a CT alone is from what the reference mask gives: outline and stress field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Bools, Floats
from training.segmentation.evaluation.overlap import dice
from training.segmentation.evaluation.stress_change import BODY_REGION, INNER_QUANTILE
from workers.engine import Engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.geometry.closest_point import surface_distance
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume
from workers.mask.cleaning import clean_mask
from workers.mesh.mask_surface import extract_surface


@dataclass(frozen=True)
class FieldError:
    """Von Mises stress of one field against a true one, node by node.

    Attributes
    ----------
    nmae_percent
        Mean absolute error over the true peak, % (paper eq. 12).
    r2
        Coefficient of determination (paper eq. 10).
    p99_ratio, peak_ratio
        99th percentile of the body's nodes, and largest value: of the field over the true one.
    """

    nmae_percent: float
    r2: float
    p99_ratio: float
    peak_ratio: float


@dataclass(frozen=True)
class ReferenceScore:
    """An answer against the reference mask.

    Attributes
    ----------
    dsc
        Dice similarity of the masks.
    mean_mm, p95_mm
        Distances between the surfaces of the answer's mesh and of the reference, both ways, mm.
    outline
        What the outline does to the field: finite elements on the answer's mesh against those on the reference's.
    total
        The prediction that the job returns against finite elements on the reference's mesh.
    """

    dsc: float
    mean_mm: float
    p95_mm: float
    outline: FieldError
    total: FieldError


def score_answer(engine: Engine, mask: Volume, points: Floats, predicted: Floats, reference: Volume) -> ReferenceScore:
    """Return the score of an answer.

    Parameters
    ----------
    engine
        Morphs the reference and solves both.
    mask, reference
        0 or 1.
    points
        (n, 3) mm RAS: nodes of the answer's mesh.
    predicted
        (n,) MPa: von Mises stress that the job returned under `REFERENCE_LOAD_NEWTON`.
    """
    clean = clean_mask(reference, 1)
    surface = extract_surface(clean.voxels, clean.affine)
    own = Surface(points[: engine.template.n_surface], engine.template.triangles)
    distance = surface_distance(own, surface)
    true_mesh = engine.morpher.morph(surface, float(clean.spacing.max()))
    true = engine.solve(true_mesh.points, REFERENCE_LOAD_NEWTON)[0].field.von_mises
    solved = engine.solve(points, REFERENCE_LOAD_NEWTON)[0].field.von_mises
    body = engine.template.region == BODY_REGION
    return ReferenceScore(
        dice(mask, reference),
        float(distance.mean()),
        float(np.quantile(distance, 0.95)),
        outline=field_error(solved, true, body),
        total=field_error(predicted, true, body),
    )


def field_error(field: Floats, true: Floats, body: Bools) -> FieldError:
    """Return the error of a field (n,) MPa against the true one (n,); `body` (n,) bool are the nodes of the body."""
    error = np.abs(field - true)
    spread = float(np.square(true - true.mean()).sum())
    return FieldError(
        100.0 * float(error.mean() / true.max()),
        1.0 - float(np.square(error).sum()) / spread,
        float(np.quantile(field[body], INNER_QUANTILE) / np.quantile(true[body], INNER_QUANTILE)),
        float(field.max() / true.max()),
    )
