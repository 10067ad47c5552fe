"""Find a vertebra in a whole CT: ribs, sacrum and the count of vertebrae tell which is which.

Coarse to fine, as Payer et al., VISAPP 2020, best of VerSe'19. A coarse 3-D network names the bone of every voxel and
marks where the spine runs. Along it the bodies are found one by one (`workers.locate.spine_walk`), and which level each
is follows from all of them together (`workers.locate.level_model`). Where the evidence disagrees (transitional anatomy,
a short twelfth rib, a small field of view) the confidence falls, and below `LEAST_CONFIDENCE` there is no answer but
alternatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.contract.errors import VertebraNotFound, VertebraTruncated
from app.contract.report import Alternative
from models.types import Floats
from workers.imaging.resampling import COARSE_MM
from workers.imaging.volume import Volume
from workers.locate.landmark_counts import agree, by_looks, count, has_chest
from workers.locate.landmark_network import Landmarks
from workers.locate.level_model import LEVELS, S1, T11, Body, LevelPosterior
from workers.locate.level_model import number as number_bodies
from workers.locate.locator import CLASSES, RIB, SACRUM, LocatorMaps
from workers.locate.spine_walk import Axis, Look, trace_axis, walk

LandmarksAt = Callable[[Floats], Landmarks]
"""What is seen of ribs and of the sacrum at the body about a point (3,) mm."""
CLASS_OF_LEVEL = np.array([CLASSES.index(v) if v in CLASSES else 1 for v in LEVELS[:-1]] + [SACRUM])
LEVELS_OF_CLASS = np.bincount(CLASS_OF_LEVEL, minlength=len(CLASSES))
EVEN = 0.5
BODY_MM = 10.0
"""Radius of the ball about a body's centre in which the network is asked what it is."""
FIRST_TRIES_MM = (0.0, 12.0, -12.0, 24.0, -24.0)
"""Where a first body is looked for, along the spine from where the level seems to be."""
LEAST_CONFIDENCE = 0.85
WITNESSES = ("ribs", "sacrum", "looks of the row")
LEAST_TOLD = 0.02
"""Alternatives of less probability are not reported."""


@dataclass(frozen=True)
class Candidate:
    """A vertebra that may be the one asked for."""

    centre: Floats
    probability: float

    def told(self) -> Alternative:
        """Return it as reports and errors tell it."""
        return Alternative(centre_ras_mm=rounded(self.centre), probability=round(self.probability, 4))


@dataclass(frozen=True)
class LevelDecision:
    """Where the vertebra is, and how sure that is.

    Attributes
    ----------
    vertebra
        Level asked for.
    centre
        (3,) mm RAS, of its body.
    confidence
        Probability that this is the level asked for, 0 to 1.
    alternatives
        Other vertebrae that may be it, likeliest first.
    seen
        Levels in the scan from top to bottom, numbered in the likeliest way.
    centres
        (n, 3) mm RAS of their bodies.
    by_ribs, by_sacrum
        Level that the vertebra would be by counting from the lowest rib, or from the sacrum; None where it is not seen.
    """

    vertebra: str
    centre: Floats
    confidence: float
    alternatives: tuple[Candidate, ...]
    seen: tuple[str, ...]
    centres: Floats
    by_ribs: str | None
    by_sacrum: str | None


def find_bodies(maps: LocatorMaps, vertebra: str, look: Look, junction: LandmarksAt) -> list[Body]:
    """Return the vertebral bodies about `vertebra`, or about where it would be nearest, from top to bottom.

    As far up as the last ribs and as far down as the sacrum, where the scan shows them.
    """
    axis = trace_axis(maps.mark, maps.affine)
    if axis is None:
        return []
    wanted = LEVELS.index(vertebra)
    above, below = max(wanted - T11 + 1, 2), S1 - wanted + 1
    start = _likeliest(maps, axis, wanted)
    for off in FIRST_TRIES_MM:
        guess = axis.along(start, off)
        row = [] if guess is None else walk(axis, guess, vertebra, look, above, below)
        if row:
            return [_describe(maps, centre, junction(centre)) for centre in row]
    return []


def _likeliest(maps: LocatorMaps, axis: Axis, wanted: int) -> Floats:
    """Return the point (3,) of the axis where the level is nearest to the one wanted, by the looks alone."""
    shares = np.array([_looks(maps, point) for point in axis.points])
    bone = np.maximum(shares.sum(axis=1), 1e-6)
    levels = (shares / np.maximum(LEVELS_OF_CLASS, 1))[:, CLASS_OF_LEVEL].dot(np.arange(len(LEVELS))) / bone
    off = np.abs(levels - wanted) + 10.0 * (bone < EVEN)
    return np.asarray(axis.points[int(off.argmin())])


def _looks(maps: LocatorMaps, centre: Floats) -> Floats:
    """Return (len(CLASSES),) mean probability of each class of vertebra, and of the sacrum, about a point (3,) mm."""
    voxel, reach = maps.voxel(centre), BODY_MM / COARSE_MM
    low, high = np.maximum(np.floor(voxel - reach).astype(int), 0), np.ceil(voxel + reach).astype(int) + 1
    part = maps.classes[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]
    away = np.square(np.moveaxis(np.indices(part.shape[1:]), 0, -1) + low - voxel).sum(axis=-1)
    near = away < reach**2
    shares = part[:, near].mean(axis=1, dtype=np.float64) if near.any() else np.zeros(len(CLASSES))
    shares[[0, RIB]] = 0.0
    return np.asarray(shares)


def _describe(maps: LocatorMaps, centre: Floats, junction: Landmarks) -> Body:
    """Return what is seen of the body about `centre` (3,) mm."""
    shares = _looks(maps, centre)
    bone = float(shares.sum())
    return Body(centre, bone, shares[CLASS_OF_LEVEL] / max(bone, 1e-6), junction.ribs, junction.sacrum)


def choose(bodies: list[Body], ct: Volume, vertebra: str) -> LevelDecision:
    """Return the one of the bodies (`find_bodies`) that is asked for; the error says what was seen.

    Raises
    ------
    VertebraNotFound
        It is not in the scan, or which one it is cannot be told.
    VertebraTruncated
        The scan ends where it must be.
    """
    if not bodies:
        raise VertebraNotFound(
            "No vertebra was recognised. Send a CT of the lumbar spine, or a mask.",
            expected=vertebra,
            got="a scan without a recognised vertebra",
        )
    numbering = number_bodies(bodies)
    wanted = LEVELS.index(vertebra)
    chance = numbering.probability[:, wanted]
    order = np.argsort(chance)[::-1]
    first = int(order[0])
    others = tuple(Candidate(bodies[i].centre, float(chance[i])) for i in order[1:] if chance[i] > LEAST_TOLD)
    counts, looks = count(bodies, numbering, first), by_looks(bodies, first)
    if chance[first] < LEAST_CONFIDENCE or not agree(vertebra, counts, looks, has_chest(bodies, numbering)):
        options = (Candidate(bodies[first].centre, float(chance[first])), *others)
        raise _refusal(bodies, numbering, ct, vertebra, options, (*counts, looks))
    return LevelDecision(
        vertebra,
        bodies[first].centre,
        float(chance[first]),
        others,
        tuple(LEVELS[level] for _, level in numbering.path),
        np.array([bodies[i].centre for i, _ in numbering.path]),
        *counts,
    )


def rounded(point: Floats) -> tuple[float, float, float]:
    """Return a point (3,) mm to a tenth of a mm."""
    x, y, z = (round(float(v), 1) for v in point)
    return x, y, z


def _refusal(
    bodies: list[Body],
    numbering: LevelPosterior,
    ct: Volume,
    vertebra: str,
    options: tuple[Candidate, ...],
    said: tuple[str | None, ...],
) -> VertebraNotFound | VertebraTruncated:
    """Return why there is no answer: not there, cut, or not to be told."""
    wanted, path = LEVELS.index(vertebra), numbering.path
    seen = [LEVELS[level] for _, level in path]
    got = "a scan of " + ", ".join(seen)
    if sum(option.probability for option in options) >= 1.0 - LEAST_CONFIDENCE:
        told = "; ".join(f"{o.probability:.0%} at ({', '.join(f'{v:.0f}' for v in o.centre)})" for o in options[:3])
        return VertebraNotFound(
            f"Which vertebra is {vertebra} cannot be told with confidence (ribs and sacrum out of view, or "
            "transitional anatomy). Say with seed_ras_mm which one, or send a mask.",
            expected=f"{vertebra} with a confidence of at least {LEAST_CONFIDENCE:.0%}, counted from the ribs or the "
            "sacrum, without contradiction",
            got=f"{told} mm RAS; "
            + ", ".join(f"by the {what} {level or 'unknown'}" for what, level in zip(WITNESSES, said, strict=True)),
            levels_seen=seen,
            alternatives=[option.told().model_dump(mode="json") for option in options],
        )
    above, below = (path[0], path[min(1, len(path) - 1)], 1), (path[-1], path[max(len(path) - 2, 0)], -1)
    for (end, level), (inner, _), off in (above, below):
        beyond = 2.0 * bodies[end].centre - bodies[inner].centre
        if level - wanted == off and end != inner and _at_edge(ct, beyond):
            return VertebraTruncated(
                f"The scan ends at {vertebra}. Send a scan that holds the whole vertebra.",
                expected=f"{vertebra} whole",
                got=got,
                levels_seen=seen,
            )
    return VertebraNotFound(
        f"{vertebra} was not found in the scan. Send one that holds it, or say with seed_ras_mm where it is.",
        expected=vertebra,
        got=got,
        levels_seen=seen,
    )


def _at_edge(ct: Volume, point: Floats, margin_mm: float = 30.0) -> bool:
    """Whether a point lies within `margin_mm` of the faces of the scan, inside or out."""
    index = np.linalg.inv(ct.affine) @ np.append(point, 1.0)
    away = np.minimum(index[:3], np.array(ct.voxels.shape) - 1 - index[:3]) * ct.spacing
    return bool(-margin_mm < away.min() < margin_mm)
