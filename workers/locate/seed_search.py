"""Find the vertebra that holds a seed: a point that the client sent, anywhere in the bone."""

from __future__ import annotations

import numpy as np

from app.contract.errors import VertebraNotFound
from models.types import Floats
from workers.imaging.binary_mask import contains
from workers.imaging.volume import Volume
from workers.locate.evidence import unnamed
from workers.locate.named_row import NamedRow
from workers.locate.row_frame import row_frame
from workers.locate.row_network import RowNetwork
from workers.locate.row_search import find_row
from workers.locate.segmenter import Segmenter
from workers.locate.spine_axis import SpineAxis

SEED_SLACK_MM = 1.5
"""A seed so far outside the mask still counts as inside: clicks are not exact."""
REACH_MM = 80.0
"""A body centre further from the seed is another vertebra's: processes reach 70 mm."""
MOST_CANDIDATES = 3
"""Bodies whose vertebra may hold the seed: its own and both neighbours'."""
LEAST_AT_SEED = 0.3
"""Probability at the seed, or within `SEED_SLACK_MM` of it, from which a vertebra holds it."""
AXIS_FROM_SEED_MM = ((0.0, 0.0), (0.0, 45.0), (40.0, 25.0), (-40.0, 25.0))
"""Where the spine may run from a seed, mm right and anterior: through it; in front of one in the arch or in a spinous
process; beside one in a transverse process."""
AXIS_HALF_MM = 80.0
"""Half the length of the axis about a seed where the locator found no spine."""


def find_body_at_seed(
    ct: Volume, row_network: RowNetwork, segmenter: Segmenter, row: NamedRow, seed: Floats
) -> tuple[Floats, NamedRow]:
    """Return the body centre (3,) mm RAS of the vertebra that holds the seed (3,), and the row in which it lies.

    Neighbours compete: of the vertebrae near the seed the one that is most probable there is taken. Where none of
    `row` holds the seed, bodies are looked for about the seed itself.

    Raises
    ------
    VertebraNotFound
        The seed lies outside the scan, or no vertebra holds it.
    """
    _check_inside(ct, seed)
    centre = _likeliest_owner(ct, segmenter, row.sure_centres, seed)
    if centre is not None:
        return centre, row
    for right, forward in AXIS_FROM_SEED_MM:
        middle = seed + np.array([right, forward, 0.0])
        half = np.array([0.0, 0.0, AXIS_HALF_MM])
        axis = SpineAxis(np.stack([middle - half, middle + half]))
        near = NamedRow([unnamed(body) for body in find_row(ct, [axis], row_network)], named=False)
        centre = _likeliest_owner(ct, segmenter, near.centres, seed)
        if centre is not None:
            return centre, near
    raise no_vertebra_at_seed()


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


def _likeliest_owner(ct: Volume, segmenter: Segmenter, row: Floats, seed: Floats) -> Floats | None:
    """Return the centre (3,) of the body of `row` whose vertebra most probably holds the seed; None without one."""
    away = np.linalg.norm(row - seed, axis=1)
    best, sure = None, LEAST_AT_SEED
    for i in np.argsort(away)[:MOST_CANDIDATES]:
        if away[i] > REACH_MM:
            break
        probability = segmenter.probability_at(ct, row[i], seed, row_frame(row, row[i]), SEED_SLACK_MM)
        if probability > sure:
            best, sure = row[i], probability
    return best
