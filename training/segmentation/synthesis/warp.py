"""Move an anatomy crop under the scanner: tilt, size, mirror, elastic changes, thin discs, a wedged or crushed body.

A `Warp` maps points of the scanner's frame, mm about the body centre, to voxels of the crop. Ranges without a source
are by judgement: they exceed what differs between people and postures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.types import Floats
from synthetic_ct.deformity import MAX_HEIGHT_LOSS
from synthetic_ct.rotation import rotation_matrix
from training.segmentation.data.anatomy_crops import CENTRE, Span
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import interpolate, white_noise

TILT_SD_DEG = (8.0, 4.0, 5.0)
"""Standard deviations of the turns about x (forward), y (sideways) and z."""
STEEP_SHARE, STEEP_DEG = 0.15, (10.0, 25.0)
"""How often a vertebra is tilted forward or backward by so much more: 35 degrees and above occur."""
BENT_SHARE, BENT_DEG = 0.1, (5.0, 15.0)
"""How often it is tilted sideways by so much more, as in scoliosis."""
SIZE_SD, ASPECT_SD = 0.07, (0.05, 0.05, 0.06)
"""Standard deviations of the logarithm of the size, and of each axis' part in it."""
ELASTIC = ((40.0, 3.0), (14.0, 0.8))
"""Widths of the elastic changes and their largest standard deviations, mm."""
FIELD_MM = 120.0
"""Elastic fields are defined this far from the body centre along each axis; beyond they are constant."""
THIN_SHARE, THINNING = 0.45, (0.1, 0.8)
"""How often a disc is thinner, and by which part of its thickness."""
REAR_FROM_MM, REAR_FULL_MM, REAR_SPREAD_MM = 12.0, 30.0, 25.0
"""Behind the body a thinner disc brings facets together over a longer way, so that they are not squeezed flat: from
the first distance behind the centre on, fully from the second, over so much more."""
CRUSH_SHARE, CRUSH = 0.2, (0.05, MAX_HEIGHT_LOSS)
"""How often the body is lower, and by which part of its height (Genant et al., 1993; `synthetic_ct.deformity`)."""
WEDGE_SHARE, WEDGE_FROM_MM, WEDGE_TO_MM = 0.5, -15.0, 15.0
"""How often only its front is lower, and between which distances before the centre the loss grows to the full one."""
HALF_BODY_MM = 13.0
"""Half the height of a lumbar vertebral body, to which a loss of height is confined."""

Squeeze = Callable[[Tensor, Tensor], Tensor]
"""Shift along the axis, mm, of points at heights and forward distances, mm, all of one shape."""


@dataclass(frozen=True)
class Warp:
    """One random move.

    Attributes
    ----------
    matrix
        (3, 3): mm in the scanner to mm in the crop, both about the body centre.
    up
        (3,) the body's axis in the crop.
    elastic
        Coarse displacement fields (1, 3, n, n, n), mm.
    squeezes
        Changes along the body's axis, applied one after the other.
    """

    matrix: Floats
    up: Floats
    elastic: tuple[Tensor, ...]
    squeezes: tuple[Squeeze, ...]

    @classmethod
    def draw(cls, random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors) -> Warp:
        """Return a random move of an anatomy."""
        size = np.exp(random.normal(0.0, SIZE_SD) + random.normal(0.0, ASPECT_SD))
        mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
        matrix = np.diag(mirror / size) @ rotation_matrix(_draw_tilt(random)).T
        elastic = tuple(_draw_field(random, generator, *scale) for scale in ELASTIC)
        squeezes = [_draw_crush(random)] if random.random() < CRUSH_SHARE else []
        for sign, disc in zip((1.0, -1.0), anatomy.discs, strict=True):
            if disc is not None and random.random() < THIN_SHARE:
                squeezes.append(thin_disc(sign, disc, random.uniform(*THINNING)))
        return cls(matrix, anatomy.up, elastic, tuple(squeezes))

    @property
    def up_in_scanner(self) -> Floats:
        """(3,) unit vector: the body's axis in the scanner's frame."""
        up = self.to_scanner(self.up)
        return np.asarray(up / np.linalg.norm(up))

    def to_scanner(self, offset: Floats) -> Floats:
        """Return where a point (3,) of the crop lies in the scanner, mm from the body centre; elastic changes apart."""
        return np.asarray(np.linalg.solve(self.matrix, offset))

    def __call__(self, points: Tensor) -> Tensor:
        """Return the crop's voxels (..., 3) of points (..., 3) mm in the scanner's frame."""
        moved = points @ _tensor(self.matrix.T, points)
        for field in self.elastic:
            size = field.shape[-1]
            moved = moved + interpolate(field, (moved / FIELD_MM + 1.0) * (0.5 * (size - 1))).movedim(0, -1)
        if self.squeezes:
            up = _tensor(self.up, points)
            shift = torch.zeros_like(moved[..., 0])
            height = moved @ up
            for squeeze in self.squeezes:
                shift = shift + squeeze(height + shift, moved[..., 1])
            moved = moved + shift[..., None] * up
        return moved + _tensor(CENTRE, points)


def thin_disc(sign: float, disc: Span, part: float) -> Squeeze:
    """Return the squeeze that takes `part` of the thickness of the disc above (`sign` 1) or below (-1).

    Everything beyond the disc comes nearer by what the disc loses; bone keeps its shape but for the facets.
    """
    loss = part * (disc[1] - disc[0])
    left, middle = disc[1] - disc[0] - loss, 0.5 * (disc[0] + disc[1] - loss)

    def squeeze(height: Tensor, forward: Tensor) -> Tensor:
        rear = ((-forward - REAR_FROM_MM) / (REAR_FULL_MM - REAR_FROM_MM)).clamp(0.0, 1.0)
        span = left + REAR_SPREAD_MM * rear
        return sign * loss * ((sign * height - middle) / span + 0.5).clamp(0.0, 1.0)

    return squeeze


def crush_body(part: float, wedged: bool) -> Squeeze:
    """Return the squeeze that takes `part` of the height of the body, all over or in front only."""

    def squeeze(height: Tensor, forward: Tensor) -> Tensor:
        share = part / (1.0 - part)
        low = HALF_BODY_MM * (1.0 - part)
        shift = share * height.clamp(-low, low)
        if not wedged:
            return shift
        return shift * ((forward - WEDGE_FROM_MM) / (WEDGE_TO_MM - WEDGE_FROM_MM)).clamp(0.0, 1.0)

    return squeeze


def _draw_crush(random: np.random.Generator) -> Squeeze:
    return crush_body(random.uniform(*CRUSH), bool(random.random() < WEDGE_SHARE))


def _draw_tilt(random: np.random.Generator) -> Floats:
    """Return the turns (3,) about x, y and z, radians."""
    tilt = random.normal(0.0, TILT_SD_DEG)
    if random.random() < STEEP_SHARE:
        tilt[0] += random.choice([-1.0, 1.0]) * random.uniform(*STEEP_DEG)
    if random.random() < BENT_SHARE:
        tilt[1] += random.choice([-1.0, 1.0]) * random.uniform(*BENT_DEG)
    return np.asarray(np.radians(tilt))


def _draw_field(random: np.random.Generator, generator: torch.Generator, width: float, most: float) -> Tensor:
    """Return a displacement field (1, 3, n, n, n), mm, that varies over `width` mm."""
    n = int(2.0 * FIELD_MM / width) + 2
    return random.uniform(0.0, most) * white_noise((1, 3, n, n, n), generator)


def _tensor(values: Floats, like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=torch.float32)
