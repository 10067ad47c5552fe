"""The load where a client sends the body weight instead of a force."""

from __future__ import annotations

from pydantic import Field

from app.contract.levels import LEVELS, Vertebra
from app.contract.section import Positive, Section, Share

GRAVITY_M_S2 = 9.81
HEAD_AND_ARMS_SHARE = 0.081 + 2 * 0.050
"""Of body mass: head with neck, and both arms (Dempster 1955, as tabulated by Winter, Biomechanics and Motor Control of
Human Movement)."""
FIRST_SHARE, LAST_SHARE, TRUNK_LEVELS = 0.011, 0.026, 17
"""Of body mass: the slices of the trunk at T1 and at L5, and how many levels there are from one to the other (Pearsall,
Reid & Livingston, Ann Biomed Eng 24(2), 1996: computed tomography of four people). Between them the share is taken to
grow evenly: T1 to T12 then have 0.19 of the mass, and the study has 0.185 for the upper trunk."""
CITATION = (
    "Weight of head, arms and trunk above the superior endplate, body upright, without muscle forces: Dempster 1955; "
    "Pearsall, Reid & Livingston, Ann Biomed Eng 24(2), 1996"
)


class BodyWeight(Section):
    """Where the load comes from, of a job that has `body_weight_kg`."""

    body_weight_kg: Positive = Field(description="As the client sent it, kg.")
    share_above: Share = Field(description="Share of it that is above the superior endplate of this level.")
    citation: str = Field(description="The rule and its source.")

    @classmethod
    def above(cls, level: Vertebra, body_weight_kg: float) -> BodyWeight:
        """Return what is above a level of a body of this weight."""
        return cls(body_weight_kg=body_weight_kg, share_above=share_above(level), citation=CITATION)

    @property
    def newton(self) -> float:
        """The weight above the level, N."""
        return self.share_above * self.body_weight_kg * GRAVITY_M_S2


def share_above(level: Vertebra) -> float:
    """Return the share of body mass above the superior endplate of a level."""
    slices = TRUNK_LEVELS - (len(LEVELS) - LEVELS.index(level))
    step = (LAST_SHARE - FIRST_SHARE) / (TRUNK_LEVELS - 1)
    return HEAD_AND_ARMS_SHARE + slices * FIRST_SHARE + step * slices * (slices - 1) / 2
