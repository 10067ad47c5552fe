"""Find a vertebra in a CT and segment it; refuse where the two do not agree (paper section II.B)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.contract.errors import (
    GridMismatch,
    NotAVertebra,
    VertebraeFused,
    VertebraError,
    VertebraNotFound,
    VertebraTruncated,
)
from app.contract.params import JobParams
from app.contract.report import Segmentation
from models.types import Floats
from workers.imaging.resampling import canonical, sample
from workers.imaging.volume import Volume
from workers.locate.choice import LevelDecision, choose, find_bodies, rounded
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.segmenter import LEAST_BODY_MM, Segmenter, as_mask, body_centre
from workers.mask.cleaning import CleanMask, clean_mask
from workers.mask.plausibility import MAX_CUT_MM2, check_on_bone, check_vertebra

SEED_LOW, SEED_SHAPE = (-80.0, -80.0, -60.0), (160, 160, 80)
"""Window about a seed, which may lie anywhere in the vertebra."""
CENTRE_SLACK_MM = 3.0
"""The located centre must lie in the mask, or so near: a neighbour's centre is 20 mm away or more."""
SEED_SLACK_MM = 1.5
NEAR_BORDER_MM, NEAR_BORDER_VOXELS = 2.0, 0.4
CLEAR_MM, ENDPLATE_MM2 = 8.0, 500.0
"""An endplate must be so far from the scan's end: in a body that is cut the network may invent one."""
BODY_FROM_SEED_MM = ((0, 0, 0), (0, 45, 25), (0, 55, 0), (0, 50, -20), (42, 28, 0), (-42, 28, 0))
"""Where the body is looked for: about the seed, then where it lies if the seed is in a process."""
SURE = 0.6
"""Probability at the seed from which no other start is tried: where facets meet, it may be in either vertebra."""
MOST_MOVES, SETTLED_MM = 4, 4.0
"""From a start beside the body its centre is reached in some steps."""
UNSURE = (0.1, 0.9)
NEIGHBOUR_MM = 55.0
"""A body further away is not the next one."""


@dataclass(frozen=True)
class Place:
    """Where a vertebra is: its body's centre (3,) mm RAS, and how that is known (None: the client said so)."""

    centre: Floats
    found: LevelDecision | None

    def neighbours(self) -> list[Floats]:
        """Return the centres (3,) mm RAS of the bodies above and below that were found, but not the sacrum's."""
        if self.found is None:
            return []
        away = np.linalg.norm(self.found.centres - self.centre, axis=1)
        own = int(away.argmin())
        row = zip(self.found.seen, self.found.centres, away, strict=True)
        near = [(i, centre) for i, (level, centre, mm) in enumerate(row) if mm < NEIGHBOUR_MM and level != "S1"]
        return [centre for i, centre in near if abs(i - own) == 1]


class VertebraFinder:
    """Locates and segments; holds the three networks."""

    def __init__(self, localiser: Locator, segmenter: Segmenter, junctions: LandmarkNetwork) -> None:
        self.localiser, self.segmenter, self.junctions = localiser, segmenter, junctions

    def place(self, ct: Volume, params: JobParams) -> Place:
        """Return where the vertebra asked for is.

        Raises
        ------
        VertebraNotFound
            It is not in the scan, cannot be told, or there is none around the seed.
        VertebraTruncated
            The scan ends where it must be.
        """
        if params.seed_ras_mm is None:
            maps = self.localiser.maps(ct)
            look, junction = partial(self.segmenter.body_at, ct), partial(self.junctions.at, ct)
            bodies = find_bodies(maps, params.vertebra, look, junction)
            found = choose(bodies, ct, params.vertebra)
            return Place(found.centre, found)
        return Place(self._seeded(ct, np.array(params.seed_ras_mm)), None)

    def _seeded(self, ct: Volume, seed: Floats) -> Floats:
        """Return the centre (3,) mm of the body of the vertebra that holds the seed (3,)."""
        index = np.linalg.inv(ct.affine) @ np.append(seed, 1.0)
        if ((index[:3] < -0.5) | (index[:3] > np.array(ct.voxels.shape) - 0.5)).any():
            raise VertebraNotFound(
                "The seed lies outside the scan. Send it in the scan's own RAS+ world, mm.",
                expected="seed_ras_mm within the CT",
                got=f"voxel ({', '.join(f'{v:.0f}' for v in index[:3])}) of {ct.voxels.shape}",
            )
        held: list[tuple[float, Floats]] = []
        for away in BODY_FROM_SEED_MM:
            held += self._settled(ct, seed, seed + away)
            if held and held[-1][0] > SURE:
                break
        if not held:
            raise _no_vertebra_at_seed()
        return max(held, key=lambda one: one[0])[1]

    def _settled(self, ct: Volume, seed: Floats, start: Floats) -> list[tuple[float, Floats]]:
        """Return the body near `start`, if its vertebra holds the seed: the probability there, the centre (3,) mm."""
        centre, probability = start, self.segmenter.probability(ct, start, SEED_LOW, SEED_SHAPE)
        for _ in range(MOST_MOVES):
            clean = _clean(probability)
            if clean is None:
                break
            before, (centre, depth) = centre, body_centre(clean.voxels, clean.affine)
            if np.linalg.norm(centre - before) < SETTLED_MM:
                if depth < LEAST_BODY_MM or not _contains(clean, seed, SEED_SLACK_MM):
                    break
                return [(float(sample(probability, seed, np.ones(3), (1, 1, 1), 0.0).voxels[0, 0, 0]), centre)]
            probability = self.segmenter.probability(ct, centre)
        return []

    def mask(self, ct: Volume, place: Place, params: JobParams) -> tuple[CleanMask, Segmentation]:
        """Return the clean, whole, plausible vertebra at a place, and what the report says of it.

        Raises
        ------
        VertebraNotFound
            What was segmented is not the vertebra that was located.
        InputError
            It is cut, or not shaped like a vertebra (`workers.mask.plausibility`).
        """
        probability = self.segmenter.probability_among(ct, place.centre, place.neighbours())
        clean = _clean(probability)
        if clean is None:
            raise _disagree(params.vertebra, "nothing there")
        self._check_agreement(clean, place, params)
        check_whole(clean, probability, ct, params.vertebra)
        try:
            check_vertebra(clean, canonical(ct).spacing)
            check_on_bone(clean, ct)
        except VertebraTruncated as error:
            raise _cut(params.vertebra, error.expected, error.got) from error
        except (NotAVertebra, VertebraeFused, GridMismatch) as error:
            raise unlike_a_vertebra(params.vertebra, error) from error
        return clean, _section(clean, place, probability)

    def _check_agreement(self, clean: CleanMask, place: Place, params: JobParams) -> None:
        if not _contains(clean, place.centre, CENTRE_SLACK_MM):
            raise _disagree(params.vertebra, "a segmentation beside the centre that was located")
        if place.found is not None:
            others = [c for c in place.found.centres if np.linalg.norm(c - place.centre) > 1.0]
            if any(_contains(clean, c, 0.0) for c in others):
                raise _disagree(params.vertebra, "a region that holds the body of a neighbour too")
        if params.seed_ras_mm is not None and not _contains(clean, np.array(params.seed_ras_mm), SEED_SLACK_MM):
            raise _no_vertebra_at_seed()


def check_whole(clean: CleanMask, probability: Volume, ct: Volume, vertebra: str) -> None:
    """Refuse a mask that reaches the border of the scan, or of what the network looked at.

    The network's input fades into air over one voxel beyond the outermost voxel centres, so a mask of a cut vertebra
    ends a little before or after them, however the scan lies in the world.

    Raises
    ------
    VertebraTruncated
        More than `MAX_CUT_MM2` of it lies at a border, or an endplate within `CLEAR_MM` of the scan's ends.
    """
    size = float(np.prod(clean.spacing))
    for name, grid, voxels in (("scan", ct, NEAR_BORDER_VOXELS), ("part looked at", probability, 0.0)):
        for a, away, _ in _borders(clean, grid):
            near = NEAR_BORDER_MM + voxels * float(grid.spacing[a])
            area = float((away < near).sum()) * size / near
            if area > MAX_CUT_MM2:
                expected = f"at most {MAX_CUT_MM2:.0f} mm² of {vertebra} at the border of the {name}"
                raise _cut(vertebra, expected, f"{area:.0f} mm² within {near:.1f} mm of it")
    upright = int(np.abs(ct.affine[2, :3] / ct.spacing).argmax())
    for a, away, beside in _borders(clean, ct):
        across = 4.0 * len(np.unique(np.floor(beside[away < CLEAR_MM] / 2.0), axis=0))
        if a == upright and across > ENDPLATE_MM2:
            expected = f"{CLEAR_MM:g} mm of the scan beyond the endplates of {vertebra}"
            raise _cut(vertebra, expected, f"{across:.0f} mm² of it from {away.min():.1f} mm of the scan's end on")


def _borders(clean: CleanMask, grid: Volume) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield for each face of a grid its axis, how far the mask's voxels are from it (n,) mm, and their place (n, 2)."""
    world = np.argwhere(clean.voxels) @ clean.affine[:3, :3].T + clean.affine[:3, 3]
    place = (world - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T * grid.spacing
    end = (np.array(grid.voxels.shape) - 1) * grid.spacing
    for a in range(3):
        beside = np.delete(place, a, axis=1)
        yield a, place[:, a], beside
        yield a, end[a] - place[:, a], beside


def _cut(vertebra: str, expected: str | None, got: str | None) -> VertebraTruncated:
    return VertebraTruncated(
        f"{vertebra} is not whole in the scan, so its stress cannot be computed. Send a CT that shows all of it.",
        expected=expected,
        got=got,
    )


def _clean(probability: Volume) -> CleanMask | None:
    """Return what is probable as a clean mask; None where nothing is left."""
    rough = as_mask(probability)
    if not rough.voxels.any():
        return None
    clean = clean_mask(rough, 1)
    return clean if clean.voxels.any() else None


def _contains(clean: CleanMask, point: Floats, slack_mm: float) -> bool:
    """Whether a voxel of the mask lies within `slack_mm` (or half a voxel) of a point (3,) mm RAS."""
    voxels = np.argwhere(clean.voxels)
    world = voxels @ clean.affine[:3, :3].T + clean.affine[:3, 3]
    reach = max(slack_mm, 0.9 * float(clean.spacing.max()))
    return bool((np.linalg.norm(world - point, axis=1) <= reach).any())


def _section(clean: CleanMask, place: Place, probability: Volume) -> Segmentation:
    found = place.found
    low, high = UNSURE
    unsure = float(((probability.voxels > low) & (probability.voxels < high)).sum() * np.prod(probability.spacing))
    return Segmentation(
        centre_ras_mm=rounded(place.centre),
        confidence=None if found is None else round(found.confidence, 4),
        alternatives=[] if found is None else [candidate.told() for candidate in found.alternatives],
        levels_seen=[] if found is None else list(found.seen),
        level_by_ribs=None if found is None else found.by_ribs,
        level_by_sacrum=None if found is None else found.by_sacrum,
        unsure_share=round(unsure / clean.volume_mm3, 3),
    )


def unlike_a_vertebra(vertebra: str, error: VertebraError) -> VertebraNotFound:
    """Return the error for a segmentation that is not shaped like one whole vertebra."""
    return VertebraNotFound(
        f"{vertebra} was located, but what was segmented there is not shaped like one whole vertebra (implants, a "
        "fracture, or a poor image may be why). Send a mask.",
        expected=error.expected,
        got=error.got,
    )


def _disagree(vertebra: str, got: str) -> VertebraNotFound:
    return VertebraNotFound(
        f"{vertebra} was located, but the segmentation does not agree. Send a mask, or say with seed_ras_mm where "
        "it is.",
        expected=f"one vertebra around the centre of {vertebra}",
        got=got,
    )


def _no_vertebra_at_seed() -> VertebraNotFound:
    return VertebraNotFound(
        "No vertebra was found around the seed. Send a point inside the bone of the vertebra, best in its body.",
        expected="a vertebra around seed_ras_mm",
        got="none that holds the seed",
    )
