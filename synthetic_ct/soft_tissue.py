"""Draw what is not bone: skin, fat, muscles, organs, gas, lungs, vessels, the couch."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from models.types import Bools, Bytes, Floats, Singles
from synthetic_ct.grid import Grid
from synthetic_ct.noise import smooth_noise
from synthetic_ct.person import Person
from synthetic_ct.skeleton import Torso
from synthetic_ct.vertebra import Spine


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


def draw_soft_tissue(random: np.random.Generator, person: Person, grid: Grid) -> Bytes:
    """Return the tissue (uint8 of `Tissue`) of each voxel, as if there were no bone."""
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

    def ball(centre: Floats, half: tuple[float, float, float]) -> Bools:
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


def _vessels(
    random: np.random.Generator,
    tissue: Bytes,
    cavity: Bools,
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
    tissue: Bytes,
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


def _table(random: np.random.Generator, tissue: Bytes, axes: tuple[Singles, ...], torso: Torso) -> None:
    """A curved couch under the back, in place."""
    x, y, _ = axes
    depth = random.uniform(3.0, 12.0)
    bottom = torso.centre[1] - torso.half[1] - random.uniform(0.0, 15.0)
    surface = bottom + random.uniform(0.0, 0.0012) * (x - torso.centre[0]) ** 2
    couch = (y < surface) & (y > surface - depth) & (np.abs(x - torso.centre[0]) < 230.0)
    tissue[np.broadcast_to(couch, tissue.shape) & (tissue == Tissue.AIR)] = Tissue.TABLE
