"""A synthetic person: a spine, the torso around it, the other bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_ct.skeleton import Skeleton, make_skeleton
from synthetic_ct.torso import Torso, make_torso
from synthetic_ct.vertebra import Spine


@dataclass(frozen=True)
class Person:
    """A synthetic person in the world, ready to be drawn."""

    spine: Spine
    torso: Torso
    skeleton: Skeleton

    @classmethod
    def make(cls, random: np.random.Generator, spine: Spine) -> Person:
        """Return a random person with this spine."""
        torso = make_torso(random, spine)
        return cls(spine, torso, make_skeleton(random, spine, torso))
