"""Draw a synthetic person on a grid: which bone, how deep within it, which soft tissue.

The grid is regular, RAS, the same spacing along all axes: 1 mm around one vertebra, 2 mm for a trunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

from training.segmentation.skeleton import Hull, Skeleton, Torso, Tube, make_skeleton, make_torso
from training.segmentation.spine import LEVELS, NECK_LEVELS, Spine, label_of

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

SACRUM, RIB, PELVIS = len(LEVELS) + 1, len(LEVELS) + 2, len(LEVELS) + 3
"""Bone labels after those of the vertebrae (1 to 17)."""


class Tissue(IntEnum):
    """What is not bone."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    DISC = 3
    CANAL = 4
    LUNG = 5
    AORTA = 6
    VEIN = 7
    KIDNEY = 8
    LIVER = 9
    GAS = 10
    BOWEL = 11
    TABLE = 12
    ORGAN = 13
    CARTILAGE = 14
    SKIN = 15
    CALCIUM = 16


@dataclass(frozen=True)
class Grid:
    """A regular grid: world = origin + spacing * index (mm, RAS)."""

    origin: Floats
    shape: tuple[int, int, int]
    spacing: float

    @classmethod
    def around(cls, low: NDArray[np.floating], high: NDArray[np.floating], spacing: float) -> Grid:
        """Cover a box of the world."""
        shape = np.maximum(np.ceil((np.asarray(high) - low) / spacing).astype(int) + 1, 2)
        return cls(np.asarray(low, np.float64), (int(shape[0]), int(shape[1]), int(shape[2])), spacing)

    @property
    def axes(self) -> list[Singles]:
        """World coordinates along x (n, 1, 1), y (1, n, 1) and z (1, 1, n), mm."""
        return [
            (self.origin[a] + self.spacing * np.arange(n, dtype=np.float32))
            .astype(np.float32)
            .reshape([-1 if b == a else 1 for b in range(3)])
            for a, n in enumerate(self.shape)
        ]

    def window(self, low: Floats, high: Floats) -> tuple[slice, slice, slice] | None:
        """Return the part of the grid in a box of the world, or None."""
        first = np.maximum(np.floor((low - self.origin) / self.spacing).astype(int), 0)
        last = np.minimum(np.ceil((high - self.origin) / self.spacing).astype(int) + 1, self.shape)
        if (last <= first).any():
            return None
        return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])

    def part(self, window: tuple[slice, slice, slice]) -> Grid:
        """Return the grid of a window."""
        start = np.array([s.start for s in window])
        shape = tuple(int(s.stop - s.start) for s in window)
        return Grid(self.origin + self.spacing * start, (shape[0], shape[1], shape[2]), self.spacing)


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


@dataclass(frozen=True)
class Anatomy:
    """A person drawn on a grid.

    Attributes
    ----------
    bone
        uint8: 0 none, 1 to 17 the vertebrae by level, then `SACRUM`, `RIB`, `PELVIS` (and other bones), `NECK`.
    depth
        float32, mm: distance to the bone's surface, 0 outside.
    tissue
        uint8 of `Tissue` where there is no bone.
    behind
        bool: behind the vertebral bodies, where pedicles, arch and processes have a thicker cortex.
    grid
        Of all of them.
    """

    bone: NDArray[np.uint8]
    depth: Singles
    tissue: NDArray[np.uint8]
    behind: NDArray[np.bool_]
    grid: Grid


def draw(random: np.random.Generator, person: Person, grid: Grid) -> Anatomy:
    """Draw `person` on `grid`."""
    bone, depth = _draw_bones(person, grid)
    tissue = _draw_soft_tissue(random, person, grid)
    for hull in person.skeleton.discs:
        if (found := solid(hull.points, hull.triangles, grid)) is not None:
            window, inside = found
            tissue[window][inside] = Tissue.DISC
    joint = _joints(random, bone)
    tissue[joint] = Tissue.CARTILAGE
    walls = np.array([v.centre - 0.9 * v.superior.half_depth * v.superior.axes[1] for v in person.spine.vertebrae])
    _, y, z = grid.axes
    order = np.argsort(walls[:, 2])
    behind = np.broadcast_to(y < np.interp(z, walls[order, 2], walls[order, 1]), grid.shape)
    return Anatomy(bone, depth, tissue, behind, grid)


def solid(
    points: Floats, triangles: NDArray[np.int64], grid: Grid
) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]] | None:
    """Return the window of `grid` around a closed surface and which of its voxels lie inside; None if off the grid."""
    window = grid.window(points.min(axis=0) - 2.0 * grid.spacing, points.max(axis=0) + 2.0 * grid.spacing)
    if window is None:
        return None
    part = grid.part(window)
    image = pv.ImageData(dimensions=part.shape, spacing=(grid.spacing,) * 3, origin=part.origin)
    surface = pv.PolyData.from_regular_faces(points, triangles)
    filled = surface.voxelize_binary_mask(reference_volume=image)
    return window, np.asarray(filled["mask"]).reshape(part.shape, order="F") > 0


def _paint(tube: Tube, grid: Grid, volume: NDArray[np.uint8], value: int) -> None:
    """Set the voxels of a chain of balls where `volume` is 0."""
    reach = float(tube.radius.max())
    for point, radius in zip(tube.points, tube.radius, strict=False):
        window = grid.window(point - reach, point + reach)
        if window is None:
            continue
        x, y, z = grid.part(window).axes
        ball = (x - point[0]) ** 2 + (y - point[1]) ** 2 + (z - point[2]) ** 2 < radius**2
        part = volume[window]
        part[ball & (part == 0)] = value


def _draw_bones(person: Person, grid: Grid) -> tuple[NDArray[np.uint8], Singles]:
    bone, depth = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32)
    for vertebra in person.spine.vertebrae:
        found = solid(vertebra.points, vertebra.skin.triangles, grid)
        if found is None:
            continue
        window, inside = found
        own = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=grid.spacing)[1:-1, 1:-1, 1:-1]
        deeper = own > depth[window]
        bone[window][deeper] = label_of(vertebra.level)
        depth[window][deeper] = own[deeper]
    other = np.zeros(grid.shape, np.uint8)
    for part in person.skeleton.sacrum:
        if isinstance(part, Tube):
            _paint(part, grid, other, SACRUM)
        elif (found := solid(part.points, part.triangles, grid)) is not None:
            window, inside = found
            other[window][inside] = SACRUM
    for rib in person.skeleton.ribs:
        _paint(rib, grid, other, RIB)
    for piece in person.skeleton.pelvis:
        _paint(piece, grid, other, PELVIS)
    _skull(person, grid, other)
    other[bone > 0] = 0
    if other.any():
        bone[other > 0] = other[other > 0]
        around = ndimage.find_objects((other > 0).astype(np.uint8))[0]
        inner = ndimage.distance_transform_edt(np.pad(other[around] > 0, 1), sampling=grid.spacing)[1:-1, 1:-1, 1:-1]
        depth[around] = np.where(other[around] > 0, inner, depth[around])
    return bone, depth


def _joints(random: np.random.Generator, bone: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the voxels of one bone that touch another: where cartilage shows as a dark line, if it shows."""
    touching = np.zeros(bone.shape, bool)
    for axis in range(3):
        a, b = [slice(None)] * 3, [slice(None)] * 3
        a[axis], b[axis] = slice(None, -1), slice(1, None)
        left, right = bone[tuple(a)], bone[tuple(b)]
        meet = (left != right) & (left > 0) & (right > 0)
        touching[tuple(a)] |= meet
        if random.random() < 0.5:
            touching[tuple(b)] |= meet
    return touching


def smooth_noise(random: np.random.Generator, shape: tuple[int, int, int], width: float) -> Singles:
    """Return Gaussian noise of zero mean and unit deviation, smoothed over `width` voxels, float32."""
    factor = max(1, int(width / 2.0))
    small = tuple(int(np.ceil(n / factor)) + 4 for n in shape)
    field = ndimage.gaussian_filter(random.standard_normal(small, np.float32), width / factor)
    for axis, n in enumerate(shape):
        field = np.moveaxis(np.tensordot(_stretch(n, small[axis], factor), field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def _stretch(n: int, coarse: int, factor: int) -> Singles:
    """Return the matrix (n, coarse) of linear interpolation on a grid `factor` times finer (faster than a spline)."""
    at = np.arange(n) / factor
    return np.asarray(np.clip(1.0 - np.abs(at[:, None] - np.arange(coarse)), 0.0, None), np.float32)


def _draw_soft_tissue(random: np.random.Generator, person: Person, grid: Grid) -> NDArray[np.uint8]:
    torso, spine = person.torso, person.spine
    h = grid.spacing
    x, y, z = grid.axes
    tissue = np.zeros(grid.shape, np.uint8)
    wobble = 0.03 * smooth_noise(random, grid.shape, 40.0 / h)
    centres = np.array([v.centre for v in spine.vertebrae])
    order = np.argsort(centres[:, 2])
    cx, cy = (np.interp(z, centres[order, 2], centres[order, a]).astype(np.float32) for a in (0, 1))
    wide = _shoulders(spine, z)
    middle = torso.centre[0] * wide + cx * (1.0 - wide), torso.centre[1] * wide + (cy + 8.0) * (1.0 - wide)
    square = ((x - middle[0]) / (torso.half[0] * wide)) ** 2 + ((y - middle[1]) / (torso.half[1] * wide)) ** 2
    radius = np.sqrt(square) * (1.0 + wobble)
    rim = float(torso.half.min())
    tissue[radius < 1.0] = Tissue.SKIN
    tissue[radius < 1.0 - 2.0 / rim] = Tissue.FAT
    wall = 1.0 - torso.fat / rim
    tissue[radius < wall] = Tissue.MUSCLE
    inner = wall - random.uniform(8.0, 20.0) / rim
    # Paraspinal muscles reach from the bodies' middle to the back; the cavity is in front of it.
    gap = random.uniform(-4.0, 10.0)
    cavity = (radius < inner) & ((y > cy - gap) | (np.abs(x - cx) > random.uniform(55.0, 75.0) + 0.4 * (cy - y)))
    tissue[cavity] = Tissue.FAT
    organs = smooth_noise(random, grid.shape, random.uniform(10.0, 22.0) / h)
    tissue[cavity & (organs > random.uniform(-0.6, 0.3))] = Tissue.BOWEL
    organs = smooth_noise(random, grid.shape, random.uniform(14.0, 30.0) / h)
    tissue[cavity & (organs > random.uniform(0.3, 1.2))] = Tissue.ORGAN
    gas = smooth_noise(random, grid.shape, random.uniform(6.0, 16.0) / h)
    tissue[cavity & (gas > random.uniform(1.5, 2.6)) & (y > cy + 30.0)] = Tissue.GAS
    lumbar = {v.level: v.centre for v in spine.vertebrae}
    first = lumbar.get("L1", centres[0])
    size = random.uniform(0.85, 1.2)

    def ball(centre: Floats, half: tuple[float, float, float]) -> NDArray[np.bool_]:
        a, b, c = size * np.array(half)
        return np.asarray(
            ((x - centre[0]) / a) ** 2 + ((y - centre[1]) / b) ** 2 + ((z - centre[2]) / c) ** 2 < 1.0 + 4.0 * wobble
        )

    liver = first + np.array([random.uniform(60, 90), random.uniform(35, 70), random.uniform(10, 60)])
    tissue[cavity & ball(liver, (75.0, 75.0, 80.0))] = Tissue.LIVER
    spleen = first + np.array([-random.uniform(80, 110), random.uniform(-20, 20), random.uniform(10, 50)])
    tissue[cavity & ball(spleen, (28.0, 45.0, 50.0))] = Tissue.ORGAN
    for side in (-1.0, 1.0):
        kidney = first + np.array([side * random.uniform(52, 72), random.uniform(-12, 16), random.uniform(-50, 5)])
        tissue[ball(kidney, (27.0, 25.0, 52.0)) & (radius < inner)] = Tissue.KIDNEY
    _vessels(random, tissue, cavity, (x, y, z), (cx, cy), first)
    dome = first[2] + random.uniform(15.0, 70.0) + 25.0 * np.cos(np.clip((x - torso.centre[0]) / 80.0, -1.5, 1.5))
    lung = (
        (radius < inner)
        & (z > dome - 0.5 * np.clip(cy + 20.0 - y, 0, 90))
        & (np.hypot((x - cx) / 1.3, y - cy - 15.0) > 36.0)
    )
    if random.random() < 0.9:
        heart = ball(first + np.array([-20.0, 75.0, 130.0]), (55.0, 50.0, 60.0))
        tissue[lung & ~heart] = Tissue.LUNG
    _paraspinal(random, person, tissue, (x, y, z), (cx, cy))
    _table(random, tissue, (x, y, z), torso)
    canal = person.skeleton.canal
    by = np.argsort(canal[:, 2])
    kx, ky = (np.interp(z, canal[by, 2], canal[by, a]).astype(np.float32) for a in (0, 1))
    sac = ((x - kx) / 9.5) ** 2 + ((y - ky) / 6.5) ** 2
    tissue[(sac < 1.6) & (z > canal[:, 2].min())] = Tissue.FAT
    tissue[(sac < random.uniform(0.8, 1.3)) & (z > canal[:, 2].min())] = Tissue.CANAL
    return tissue


def _shoulders(spine: Spine, z: Singles) -> Singles:
    """Return (1, 1, n): the width of the trunk at each height, 1 in the chest, less than half in the neck."""
    at = {v.level: float(v.centre[2]) for v in spine.vertebrae}
    if "T1" not in at or "T3" not in at:
        return np.ones_like(z)
    t = np.clip((z - at["T3"]) / (1.6 * (at["T1"] - at["T3"])), 0.0, 1.0)
    return np.asarray(1.0 - 0.58 * t * t * (3.0 - 2.0 * t), np.float32)


def _skull(person: Person, grid: Grid, other: NDArray[np.uint8]) -> None:
    """Draw a skull over the neck, in place; the brain is soft tissue."""
    if person.spine.vertebrae[0].level not in NECK_LEVELS:
        return
    x, y, z = grid.axes
    centre = person.spine.vertebrae[0].centre + np.array([0.0, 22.0, 105.0])
    radius = np.sqrt(((x - centre[0]) / 74.0) ** 2 + ((y - centre[1]) / 92.0) ** 2 + ((z - centre[2]) / 82.0) ** 2)
    other[(radius < 1.0) & (radius > 0.91) & (other == 0)] = PELVIS


def _vessels(
    random: np.random.Generator,
    tissue: NDArray[np.uint8],
    cavity: NDArray[np.bool_],
    axes: tuple[Singles, Singles, Singles],
    middle: tuple[Singles, Singles],
    first: Floats,
) -> None:
    """Aorta left, vena cava right in front of the bodies, in place; both end at L4."""
    (x, y, z), (cx, cy) = axes, middle
    low = first[2] - random.uniform(95.0, 130.0)
    for kind, offset, radius in (
        (Tissue.AORTA, -random.uniform(2.0, 18.0), random.uniform(8.0, 15.0)),
        (Tissue.VEIN, random.uniform(10.0, 24.0), random.uniform(8.0, 14.0)),
    ):
        front = random.uniform(25.0, 34.0)
        sway = 6.0 * np.sin(z / 35.0 + random.uniform(0.0, 6.3))
        square = (x - cx - offset - sway) ** 2 + (y - cy - front - 0.5 * radius) ** 2
        tube = (square < radius**2) & (z > low)
        tissue[tube] = kind
        if kind == Tissue.AORTA and random.random() < 0.35:
            shell = tube & (square > (radius - 2.5) ** 2)
            plaque = smooth_noise(random, tissue.shape, 4.0 / max(float(z.ravel()[1] - z.ravel()[0]), 0.5)) > 1.2
            tissue[shell & plaque] = Tissue.CALCIUM


def _paraspinal(
    random: np.random.Generator,
    person: Person,
    tissue: NDArray[np.uint8],
    axes: tuple[Singles, Singles, Singles],
    middle: tuple[Singles, Singles],
) -> None:
    """Psoas, erector spinae and crura, in place."""
    (x, y, z), (cx, cy) = axes, middle
    levels = {v.level: v.centre[2] for v in person.spine.vertebrae}
    top = levels.get("L1", 0.0)
    grow = np.clip((top + 10.0 - z) / 130.0, 0.0, 1.0)
    size = random.uniform(0.7, 1.2)
    for side in (-1.0, 1.0):
        a, b = size * (8.0 + 20.0 * grow), size * (11.0 + 18.0 * grow)
        psoas = ((x - cx - side * (27.0 + a * 0.8)) / a) ** 2 + ((y - cy + 4.0) / b) ** 2 < 1.0
        tissue[psoas & (z < top + 12.0)] = Tissue.MUSCLE
        crus = ((x - cx - side * random.uniform(8, 22)) / random.uniform(6, 12)) ** 2 + (
            (y - cy - 22.0) / 9.0
        ) ** 2 < 1.0
        tissue[crus & (z > top - 60.0) & (tissue != Tissue.AORTA)] = Tissue.MUSCLE
    streaks = smooth_noise(
        random, tissue.shape, random.uniform(2.0, 5.0) / max(float(z.ravel()[1] - z.ravel()[0]), 0.5)
    )
    wasted = random.uniform(1.0, 2.6)
    tissue[(tissue == Tissue.MUSCLE) & (streaks > wasted) & (y < cy)] = Tissue.FAT


def _table(random: np.random.Generator, tissue: NDArray[np.uint8], axes: tuple[Singles, ...], torso: Torso) -> None:
    """A curved couch under the back, in place."""
    x, y, _ = axes
    depth = random.uniform(3.0, 12.0)
    bottom = torso.centre[1] - torso.half[1] - random.uniform(0.0, 15.0)
    surface = bottom + random.uniform(0.0, 0.0012) * (x - torso.centre[0]) ** 2
    couch = (y < surface) & (y > surface - depth) & (np.abs(x - torso.centre[0]) < 230.0)
    tissue[np.broadcast_to(couch, tissue.shape) & (tissue == Tissue.AIR)] = Tissue.TABLE


__all__ = ["PELVIS", "RIB", "SACRUM", "Anatomy", "Grid", "Hull", "Person", "Tissue", "draw", "smooth_noise"]
