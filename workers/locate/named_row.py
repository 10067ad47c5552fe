"""The row of bodies with a level for each, as the evidence of the whole row names them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.contract.segmentation import RowBody
from models.types import Floats
from workers.locate.evidence import BodyEvidence
from workers.locate.level_model import LevelPosterior, infer_levels
from workers.locate.levels import LEVELS


@dataclass(frozen=True)
class NamedRow:
    """The bodies of a spine.

    Attributes
    ----------
    bodies
        From top to bottom, with their evidence.
    named
        Whether there is evidence of their levels at all. A row that was found about a seed has none.
    """

    bodies: list[BodyEvidence]
    named: bool = True

    @property
    def centres(self) -> Floats:
        """(n, 3) mm RAS of the bodies."""
        return np.array([body.centre for body in self.bodies]).reshape(-1, 3)

    @property
    def sure_centres(self) -> Floats:
        """(n, 3) mm RAS of the bodies in the likeliest row: without those that it skips as false."""
        if not self.bodies or not self.named:
            return self.centres
        return np.array([self.bodies[i].centre for i, _ in self.posterior.path]).reshape(-1, 3)

    @cached_property
    def posterior(self) -> LevelPosterior:
        """What each body is; there must be one."""
        return infer_levels(self.bodies)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the bodies that are in the likeliest row, from top to bottom."""
        return tuple(LEVELS[level] for _, level in self.posterior.path) if self.bodies and self.named else ()

    def level_of(self, body: int) -> tuple[str | None, float]:
        """Return the level of a body in the likeliest row, and its probability; None and 0 where it has none."""
        level = dict(self.posterior.path).get(body) if self.named else None
        return (None, 0.0) if level is None else (LEVELS[level], float(self.posterior.probability[body, level]))

    def for_report(self) -> list[RowBody]:
        """Return the row as reports and errors state it."""
        rows = []
        for i, body in enumerate(self.bodies):
            level, confidence = self.level_of(i)
            rows.append(
                RowBody(
                    level=level,
                    centre_ras_mm=rounded(body.centre),
                    confidence=round(min(confidence, 1.0), 4),
                    ribs=body.ribs,
                    sacrum=body.sacrum,
                )
            )
        return rows


def rounded(point: Floats) -> tuple[float, float, float]:
    """Return a point (3,) mm to a tenth of a mm."""
    x, y, z = (round(float(v), 1) for v in point)
    return x, y, z
