"""A synthetic person: a spine, the bones around it, the trunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_ct.skeleton import Skeleton, Torso, make_skeleton, make_torso
from synthetic_ct.vertebra import Spine


@dataclass(frozen=True)
class Person:
    """A synthetic person: everything that is drawn, in the world."""

    spine: Spine
    torso: Torso
    skeleton: Skeleton

    @classmethod
    def make(cls, random: np.random.Generator, spine: Spine) -> Person:
        """Put flesh and bones around a spine."""
        torso = make_torso(random, spine)
        return cls(spine, torso, make_skeleton(random, spine, torso))
