"""A spine as good networks would see it, for tests of localisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workers.imaging.resampling import COARSE_MM
from workers.imaging.volume import Volume
from workers.locate.choice import LevelDecision, choose_vertebra
from workers.locate.evidence import CLASS_OF_LEVEL, collect_evidence
from workers.locate.landmark_network import Landmarks
from workers.locate.levels import LEVELS
from workers.locate.locator import CLASSES, RIB, SACRUM, LocatorMaps
from workers.locate.named_row import NamedRow
from workers.locate.row_search import FoundBody

ORIGIN = np.array([-120.0, -100.0, 300.0])
FLOOR_MM = 360.0
"""Height of the lowest body."""
RIBS = tuple(f"T{i}" for i in range(1, 13))


@dataclass(frozen=True)
class SceneMaps(LocatorMaps):
    """Maps whose probabilities (len(CLASSES), i, j, k) are given for each voxel."""

    everywhere: np.ndarray

    def classes(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return self.everywhere[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]


def through(first: str, last: str) -> tuple[str, ...]:
    return LEVELS[LEVELS.index(first) : LEVELS.index(last) + 1]


def spine(levels: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Centres, mm RAS: 27 mm apart in the chest, 35 mm below, along a slight curve; off the voxels of the grid."""
    out, z = {}, FLOOR_MM
    for level in reversed(levels):
        out[level] = np.array([5.0 * np.sin(z / 90.0), 12.0 * np.cos(z / 110.0), z + 0.7])
        z += 27.0 if level.startswith("T") else 35.0
    return dict(reversed(out.items()))


def scene(
    levels: tuple[str, ...],
    *,
    appearance: int = 0,
    ribs: tuple[str, ...] = RIBS,
    sacrum: bool | None = None,
) -> SceneMaps:
    """What a good network would see of `levels`: 70 % sure of each, 15 % for each neighbour.

    `appearance` shifts the appearance of all bodies by so many levels; ribs and the sacrum stay where they are.
    """
    shape = (60, 50, 130)
    affine = np.diag([COARSE_MM] * 3 + [1.0])
    affine[:3, 3] = ORIGIN
    points = np.moveaxis(np.indices(shape), 0, -1) * COARSE_MM + ORIGIN
    classes, mark = np.zeros((len(CLASSES), *shape), np.float32), np.zeros(shape, np.float32)
    for level, centre in spine(levels).items():
        square = ((points - centre) ** 2).sum(axis=-1)
        mark = np.maximum(mark, np.exp(-square / (2.0 * 6.0**2)).astype(np.float32))
        rank = LEVELS.index(level) + appearance
        for at, share in ((rank - 1, 0.15), (rank, 0.7), (rank + 1, 0.15)):
            classes[CLASS_OF_LEVEL[max(at, 0)], square < 13.0**2] += share
        if level in ribs:
            x, y, z = np.moveaxis(np.abs(points - centre - [0.0, -12.0, 0.0]), -1, 0)
            classes[RIB, (x > 24.0) & (x < 44.0) & (y < 5.0) & (z < 5.0)] = 1.0
    if sacrum if sacrum is not None else levels[-1] == "L5":
        x, y, z = np.moveaxis(points - spine(levels)[levels[-1]] - [0.0, -15.0, -45.0], -1, 0)
        classes[SACRUM, (np.abs(x) < 30.0) & (np.abs(y) < 12.0) & (np.abs(z) < 20.0)] = 1.0
    classes[0] = 1.0 - classes[1:].sum(axis=0)
    return SceneMaps(np.empty(0), mark, affine, classes)


def ct(low: float = 280.0, high: float = 840.0) -> Volume:
    """A scan from one height to another."""
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [-120.0, -100.0, low]
    return Volume(np.zeros((31, 27, int((high - low) / 8.0) + 1), np.int16), affine)


def landmark_finder(maps: SceneMaps) -> Callable[[np.ndarray], Landmarks]:
    """What a good network for ribs and sacrum does: look beside the body, at it and below it."""

    def there(kind: int, point: np.ndarray) -> bool:
        i, j, k = np.rint(maps.voxel(point)).astype(int)
        return bool(maps.everywhere[kind, i, j, max(k, 0)] > 0.5)

    def at(centre: np.ndarray) -> Landmarks:
        on = there(SACRUM, centre - np.array([0.0, 15.0, 45.0]))
        of = there(SACRUM, centre)
        return Landmarks(there(RIB, centre + np.array([28.0, -12.0, 0.0])), "of" if of else "on" if on else "above")

    return at


def row_of(maps: SceneMaps, centres: dict[str, np.ndarray]) -> NamedRow:
    """The row of bodies at `centres`, as good networks would see them."""
    found = [FoundBody(centre, 0.95) for centre in centres.values()]
    return NamedRow(collect_evidence(maps, found, landmark_finder(maps)))


def row_without(maps: SceneMaps, levels: tuple[str, ...], missed: tuple[str, ...] = ()) -> NamedRow:
    """The row of `levels` but for those that were missed."""
    return row_of(maps, {level: centre for level, centre in spine(levels).items() if level not in missed})


def locate(
    levels: tuple[str, ...], vertebra: str, scan: Volume | None = None, on_uncertain_level="refuse", **scene_of
) -> LevelDecision:
    row = row_without(scene(levels, **scene_of), levels)
    return choose_vertebra(row, scan or ct(), vertebra, on_uncertain_level)
