"""The bones around a synthetic spine, its discs and its canal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.types import Floats
from synthetic_ct.hip_bones import make_hip_bones
from synthetic_ct.ribs import make_ribs
from synthetic_ct.sacrum import Sacrum
from synthetic_ct.solids import Hull, Tube
from synthetic_ct.torso import Torso
from synthetic_ct.vertebra import Spine

DISC_BULGE = 1.02
"""Width and depth of a disc over those of the endplates. Chosen by eye."""
SACRAL_CANAL_MM = 22.0
"""Distance of the sacral canal behind the centres of the sacral bodies."""
SACRAL_CANAL_BODIES = 3
"""Sacral bodies that the dural sac is drawn behind; it ends at S2 in most adults."""


@dataclass(frozen=True)
class Skeleton:
    """Everything of bone but the vertebrae, the discs, and the line of the canal.

    Attributes
    ----------
    ribs
        Of all thoracic vertebrae.
    sacrum
        None where the spine does not end at L5.
    hips
        Hip and thigh bones; empty where there is no sacrum.
    discs
        Between vertebrae, and in the sacrum.
    canal
        (n, 3) points in the middle of the canal, mm RAS.
    """

    ribs: tuple[Tube, ...]
    sacrum: Sacrum | None
    hips: tuple[Tube, ...]
    discs: tuple[Hull, ...]
    canal: Floats


def make_skeleton(random: np.random.Generator, spine: Spine, torso: Torso) -> Skeleton:
    """Return the bones around `spine` within `torso`."""
    ribs = make_ribs(random, spine.vertebrae, torso)
    last = spine.vertebrae[-1]
    faces = [(v.points[v.surface.superior], v.points[v.surface.inferior]) for v in spine.vertebrae]
    discs = [_disc(upper[1], lower[0]) for upper, lower in pairwise(faces)]
    canal = [v.canal for v in spine.vertebrae]
    sacrum: Sacrum | None = None
    hips: tuple[Tube, ...] = ()
    if last.level == "L5":
        sacrum = Sacrum.below(random, last)
        hips = make_hip_bones(random, sacrum)
        discs += [_disc(faces[-1][1], sacrum.top), *sacrum.discs]
        canal += list(sacrum.bodies[:SACRAL_CANAL_BODIES] - SACRAL_CANAL_MM * sacrum.axes[1])
    return Skeleton(ribs, sacrum, hips, tuple(disc for disc in discs if disc), np.array(canal))


def _disc(above: Floats, below: Floats) -> Hull | None:
    """Return the disc between two endplates (n, 3) and (m, 3), or None where all points lie in one plane."""
    points = np.concatenate([above, below])
    middle = points.mean(axis=0)
    return Hull.of(middle + (points - middle) * [DISC_BULGE, DISC_BULGE, 1.0])
