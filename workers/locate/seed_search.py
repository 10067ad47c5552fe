"""Find the body of the vertebra that holds a seed: a point that the client sent, anywhere in the bone."""

from __future__ import annotations

import numpy as np

from app.contract.errors import VertebraNotFound
from models.types import Floats
from workers.imaging.binary_mask import clean_piece, contains, label_crop
from workers.imaging.resampling import sample
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.segmenter import LEAST_BODY_MM, Segmenter, as_mask

SEED_CROP_LOW, SEED_CROP_SHAPE = (-80.0, -80.0, -60.0), (160, 160, 80)
"""Crop about a seed: it may lie anywhere in the vertebra, so the crop reaches equally far to all sides."""
SEED_SLACK_MM = 1.5
"""A seed so far outside the mask still counts as inside: clicks are not exact."""
BODY_FROM_SEED_MM = ((0, 0, 0), (0, 45, 25), (0, 55, 0), (0, 50, -20), (42, 28, 0), (-42, 28, 0))
"""Where the body is looked for, in this order: about the seed; in front of, above and below a seed in the spinous
process; beside a seed in a transverse process."""
SURE_AT_SEED = 0.6
"""Probability at the seed from which no other start is tried. Where facets meet, the seed may be in either vertebra."""
MOST_MOVES, CENTRE_STEADY_MM = 4, 4.0
"""From a start beside the body its centre is reached in some steps; a shorter step is the last."""


def find_body_at_seed(ct: Volume, segmenter: Segmenter, seed: Floats) -> Floats:
    """Return the body centre (3,) mm of the vertebra that holds the seed (3,) mm RAS; of several, the likeliest.

    Raises
    ------
    VertebraNotFound
        The seed lies outside the scan, or no vertebra holds it.
    """
    _check_inside(ct, seed)
    found: list[tuple[float, Floats]] = []
    for away in BODY_FROM_SEED_MM:
        found += _settle_from(ct, segmenter, seed, seed + away)
        if found and found[-1][0] > SURE_AT_SEED:
            break
    if not found:
        raise no_vertebra_at_seed()
    return max(found, key=lambda one: one[0])[1]


def holds_seed(voxels: Volume, seed: Floats) -> bool:
    """Whether a binary volume holds the seed (3,) mm RAS, or comes within `SEED_SLACK_MM` of it."""
    return contains(voxels.voxels, voxels.affine, seed, SEED_SLACK_MM)


def no_vertebra_at_seed() -> VertebraNotFound:
    """Return the error for a seed that no vertebra holds."""
    return VertebraNotFound(
        "No vertebra was found around the seed. Send a point inside the bone of the vertebra, best in its body.",
        expected="a vertebra around seed_ras_mm",
        got="none that holds the seed",
    )


def _check_inside(ct: Volume, seed: Floats) -> None:
    index = np.linalg.inv(ct.affine) @ np.append(seed, 1.0)
    if ((index[:3] < -0.5) | (index[:3] > np.array(ct.voxels.shape) - 0.5)).any():
        raise VertebraNotFound(
            "The seed lies outside the scan. Send it in the scan's own RAS+ world, mm.",
            expected="seed_ras_mm within the CT",
            got=f"voxel ({', '.join(f'{v:.0f}' for v in index[:3])}) of {ct.voxels.shape}",
        )


def _settle_from(ct: Volume, segmenter: Segmenter, seed: Floats, start: Floats) -> list[tuple[float, Floats]]:
    """Return the probability at the seed and the body centre (3,) mm of the vertebra near `start`.

    Nothing where that vertebra does not hold the seed.
    """
    centre, probability = start, segmenter.probability(ct, start, SEED_CROP_LOW, SEED_CROP_SHAPE)
    for _ in range(MOST_MOVES):
        vertebra = _likely_vertebra(probability)
        if vertebra is None:
            break
        before, (centre, depth) = centre, body_centre(vertebra.voxels, vertebra.affine)
        if np.linalg.norm(centre - before) < CENTRE_STEADY_MM:
            if depth < LEAST_BODY_MM or not holds_seed(vertebra, seed):
                break
            at_seed = sample(probability, seed, np.ones(3), (1, 1, 1), 0.0)
            return [(float(at_seed.voxels[0, 0, 0]), centre)]
        probability = segmenter.probability(ct, centre)
    return []


def _likely_vertebra(probability: Volume) -> Volume | None:
    """Return the largest piece that is probable, without noise, as a bool volume; None where nothing is left."""
    rough = as_mask(probability)
    if not rough.voxels.any():
        return None
    crop = label_crop(rough, 1)
    voxels, _ = clean_piece(crop.voxels)
    return Volume(voxels, crop.affine) if voxels.any() else None
