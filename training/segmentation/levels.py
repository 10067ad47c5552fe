"""Is the right vertebra found, or the answer refused? Fields of view cut out of trunks nobody was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.jobs.errors import VertebraNotFound, VertebraTruncated
from training.segmentation.scans import TrunkScan
from training.segmentation.spine import LEVELS
from workers.stages.localise import Localiser, find_bodies
from workers.stages.numbering import LEVELS as NUMBERED
from workers.stages.segment_grid import COARSE_MM
from workers.stages.volume import Volume

Floats = NDArray[np.float64]

NEAR_MM = 15.0
"""A centre this near to the true one is the right vertebra's: neighbours are 25 mm away or more."""
EVEN = 0.5
OUTCOMES = ("right", "refused, though there", "refused, not there", "wrong level", "found, though not there")


Ask = Callable[[Localiser, "View"], tuple[str, float]]


@dataclass(frozen=True)
class View:
    """A field of view, and where the vertebra asked for is in it: mm RAS, or None."""

    ct: Volume
    target: Floats | None


def draw_view(random: np.random.Generator, trunk: TrunkScan, vertebra: str = "L1") -> View:
    """Cut a random field of view out of a trunk: 150 to 500 mm high, from narrow to whole in plane."""
    n = np.array(trunk.image.shape)
    size = n.copy()
    if random.random() < 0.5:
        size[:2] = np.minimum(n[:2], random.integers(36, 60, 2))
    size[2] = min(n[2], random.integers(38, 126))
    middle = trunk.centres[random.integers(len(trunk.centres))]
    low = np.clip(np.rint(middle - size / 2), 0, n - size).astype(int)
    box = tuple(slice(a, a + s) for a, s in zip(low, size, strict=True))
    affine = np.diag([COARSE_MM, COARSE_MM, COARSE_MM, 1.0])
    place = trunk.centres[trunk.levels == LEVELS.index(vertebra) + 1]
    target = None
    if len(place):
        inside = place[0] - low
        if (inside > 4.0).all() and (inside < size - 5.0).all():
            target = COARSE_MM * inside.astype(np.float64)
    return View(Volume(trunk.image[box].astype(np.float32), affine), target)


def outcome(localiser: Localiser, view: View, vertebra: str = "L1") -> tuple[str, float]:
    """Return one of `OUTCOMES` and the confidence (0 where refused)."""
    try:
        found = localiser.find(view.ct, vertebra)
    except (VertebraNotFound, VertebraTruncated):
        return ("refused, not there" if view.target is None else "refused, though there"), 0.0
    if view.target is None:
        return "found, though not there", found.confidence
    right = float(np.linalg.norm(found.centre - view.target)) < NEAR_MM
    return ("right" if right else "wrong level"), found.confidence


def outcome_by_looks(localiser: Localiser, view: View, vertebra: str = "L1") -> tuple[str, float]:
    """Return what `outcome` would be if each body were named by itself: the one that looks most like it is taken."""
    bodies = find_bodies(localiser.maps(view.ct))
    looks = [float(body.looks[NUMBERED.index(vertebra)]) for body in bodies]
    if not bodies or max(looks) < EVEN:
        return ("refused, not there" if view.target is None else "refused, though there"), 0.0
    if view.target is None:
        return "found, though not there", max(looks)
    right = float(np.linalg.norm(bodies[int(np.argmax(looks))].centre - view.target)) < NEAR_MM
    return ("right" if right else "wrong level"), max(looks)


def count(localiser: Localiser, trunks: list[TrunkScan], views: int, ask: Ask = outcome, seed: int = 0) -> Counter[str]:
    """Return how often each of `OUTCOMES` came in `views` random fields of view."""
    random = np.random.default_rng(seed)
    return Counter(ask(localiser, draw_view(random, trunks[random.integers(len(trunks))]))[0] for _ in range(views))
