"""Draw a synthetic person on a grid: which bone, how deep within it, which soft tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Bools, Bytes, Singles
from synthetic_ct.bone_labels import CERVICAL_LEVELS, PELVIS, RIB, SACRUM, label_of
from synthetic_ct.grid import Grid, paint, solid
from synthetic_ct.pelvis import Sacrum
from synthetic_ct.person import Person
from synthetic_ct.soft_tissue import Tissue, draw_soft_tissue
from synthetic_ct.solids import Hull, Tube


@dataclass(frozen=True)
class Anatomy:
    """A person drawn on a grid.

    Attributes
    ----------
    bone
        uint8: 0 none, 1 to 17 the vertebrae by level, then `SACRUM`, `RIB`, `PELVIS` (and other bones), `CERVICAL`.
    depth
        float32, mm: distance to the bone's surface, 0 outside.
    tissue
        uint8 of `Tissue` where there is no bone.
    behind
        bool: behind the vertebral bodies, where pedicles, arch and processes have a thicker cortex.
    grid
        Of all of them.
    """

    bone: Bytes
    depth: Singles
    tissue: Bytes
    behind: Bools
    grid: Grid


def draw_anatomy(random: np.random.Generator, person: Person, grid: Grid) -> Anatomy:
    """Draw `person` on `grid`."""
    bone, depth = _draw_bones(person, grid)
    tissue = draw_soft_tissue(random, person, grid)
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


def _draw_bones(person: Person, grid: Grid) -> tuple[Bytes, Singles]:
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
    if person.skeleton.sacrum:
        _draw_sacrum(person.skeleton.sacrum, grid, other)
    for rib in person.skeleton.ribs:
        paint(rib.points, rib.radius, grid, other, RIB)
    for piece in person.skeleton.hips:
        paint(piece.points, piece.radius, grid, other, PELVIS)
    _skull(person, grid, other)
    other[bone > 0] = 0
    if other.any():
        bone[other > 0] = other[other > 0]
        around = ndimage.find_objects((other > 0).astype(np.uint8))[0]
        inner = ndimage.distance_transform_edt(np.pad(other[around] > 0, 1), sampling=grid.spacing)[1:-1, 1:-1, 1:-1]
        depth[around] = np.where(other[around] > 0, inner, depth[around])
    return bone, depth


def _draw_sacrum(sacrum: Sacrum, grid: Grid, other: Bytes) -> None:
    parts: list[tuple[Hull | Tube, int]] = [(part, SACRUM) for part in sacrum.parts]
    parts += [(hole, 0) for hole in sacrum.holes] + [(disc, 0) for disc in sacrum.discs]
    for part, value in parts:
        if isinstance(part, Tube):
            paint(part.points, part.radius, grid, other, value)
        elif (found := solid(part.points, part.triangles, grid)) is not None:
            window, inside = found
            other[window][inside] = value


def _joints(random: np.random.Generator, bone: Bytes) -> Bools:
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


def _skull(person: Person, grid: Grid, other: Bytes) -> None:
    """Draw a skull over the neck, in place; the brain is soft tissue."""
    if person.spine.vertebrae[0].level not in CERVICAL_LEVELS:
        return
    x, y, z = grid.axes
    centre = person.spine.vertebrae[0].centre + np.array([0.0, 22.0, 105.0])
    radius = np.sqrt(((x - centre[0]) / 74.0) ** 2 + ((y - centre[1]) / 92.0) ** 2 + ((z - centre[2]) / 82.0) ** 2)
    other[(radius < 1.0) & (radius > 0.91) & (other == 0)] = PELVIS
