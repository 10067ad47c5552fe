"""Draw a synthetic person on a grid: which bone, how deep within it, which soft tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Bools, Bytes, Floats, Singles
from synthetic_ct.bone_labels import CERVICAL_LEVELS, PELVIS, RIB, SACRUM, label_of
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.sacrum import Sacrum
from synthetic_ct.soft_tissue import draw_soft_tissue
from synthetic_ct.solids import Tube
from synthetic_ct.tissue import Tissue
from synthetic_ct.vertebra import Spine
from synthetic_ct.voxelise import draw_hull, draw_tube, voxelise

WALL_SHARE = 0.9
"""Distance of the posterior wall behind a body's centre, over the half depth of its superior endplate. The wall is
concave."""
BOTH_SIDES_SHARE = 0.5
"""Probability that cartilage is two voxels wide along an axis, not one."""

SKULL_MM = (0.0, 22.0, 105.0)
"""Centre of the skull from that of the uppermost vertebra: right, anterior, superior. Chosen by eye."""
SKULL_HALF_MM = (74.0, 92.0, 82.0)
"""Half width, half depth and half height of the skull. Textbook anatomy: about 15 cm wide and 18 cm long."""
SKULL_INSIDE = 0.91
"""Inner over outer size of the skull: 7 to 8 mm of bone."""


@dataclass(frozen=True)
class Anatomy:
    """A person drawn on a grid.

    Attributes
    ----------
    bone
        (i, j, k) uint8: 0 for no bone, else a label of `synthetic_ct.bone_labels`.
    depth
        (i, j, k) float32, mm: distance to the bone's surface, 0 outside.
    tissue
        (i, j, k) uint8 of `Tissue`, for voxels without bone and for cartilage in joints.
    posterior
        (i, j, k) bool: behind the vertebral bodies, where pedicles, arch and processes have a thicker cortex.
    grid
        The grid of these arrays.
    """

    bone: Bytes
    depth: Singles
    tissue: Bytes
    posterior: Bools
    grid: Grid


def draw_anatomy(random: np.random.Generator, person: Person, grid: Grid) -> Anatomy:
    """Draw `person` on `grid`."""
    bone, depth = _draw_bones(person, grid)
    tissue = draw_soft_tissue(random, person, grid)
    for disc in person.skeleton.discs:
        draw_hull(disc, grid, tissue, Tissue.DISC)
    tissue[_find_joints(random, bone)] = Tissue.CARTILAGE
    return Anatomy(bone, depth, tissue, _behind_bodies(person.spine, grid), grid)


def _draw_bones(person: Person, grid: Grid) -> tuple[Bytes, Singles]:
    """Return bone labels and depth (i, j, k). The vertebrae displace all other bones."""
    bone, depth = _draw_vertebrae(person.spine, grid)
    other = np.zeros(grid.shape, np.uint8)
    if person.skeleton.sacrum:
        _draw_sacrum(person.skeleton.sacrum, grid, other)
    for rib in person.skeleton.ribs:
        draw_tube(rib, grid, other, RIB)
    for tube in person.skeleton.hips:
        draw_tube(tube, grid, other, PELVIS)
    _draw_skull(person.spine, grid, other)
    other[bone > 0] = 0
    if other.any():
        bone[other > 0] = other[other > 0]
        box = ndimage.find_objects((other > 0).astype(np.uint8))[0]
        depth[box] = np.where(other[box] > 0, _depth(other[box] > 0, grid.spacing), depth[box])
    return bone, depth


def _draw_vertebrae(spine: Spine, grid: Grid) -> tuple[Bytes, Singles]:
    """Return labels and depth (i, j, k). Where vertebrae overlap, a voxel belongs to the one in which it is deeper."""
    bone, depth = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.float32)
    for vertebra in spine.vertebrae:
        voxels = voxelise(vertebra.points, vertebra.surface.triangles, grid)
        if voxels is None:
            continue
        box, inside = voxels
        own_depth = _depth(inside, grid.spacing)
        deeper = own_depth > depth[box]
        bone[box][deeper] = label_of(vertebra.level)
        depth[box][deeper] = own_depth[deeper]
    return bone, depth


def _depth(inside: Bools, spacing: float) -> Floats:
    """Return (i, j, k) mm: distance to the nearest voxel outside, where all beyond the array is outside."""
    return ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]


def _draw_sacrum(sacrum: Sacrum, grid: Grid, volume: Bytes) -> None:
    """Draw the sacrum's bone, then clear foramina and remnants of discs, in place."""
    for part in sacrum.parts:
        if isinstance(part, Tube):
            draw_tube(part, grid, volume, SACRUM)
        else:
            draw_hull(part, grid, volume, SACRUM)
    for hole in sacrum.holes:
        draw_tube(hole, grid, volume, 0)
    for disc in sacrum.discs:
        draw_hull(disc, grid, volume, 0)


def _draw_skull(spine: Spine, grid: Grid, volume: Bytes) -> None:
    """Draw a skull over the neck where the spine has one, in place; the brain is soft tissue."""
    if spine.vertebrae[0].level not in CERVICAL_LEVELS:
        return
    x, y, z = grid.axes
    centre = spine.vertebrae[0].centre + np.array(SKULL_MM)
    a, b, c = SKULL_HALF_MM
    radius = np.sqrt(((x - centre[0]) / a) ** 2 + ((y - centre[1]) / b) ** 2 + ((z - centre[2]) / c) ** 2)
    volume[(radius < 1.0) & (radius > SKULL_INSIDE) & (volume == 0)] = PELVIS


def _find_joints(random: np.random.Generator, bone: Bytes) -> Bools:
    """Return (i, j, k) which voxels of one bone touch another bone: the cartilage of a joint."""
    touching = np.zeros(bone.shape, bool)
    for axis in range(3):
        lower, upper = [slice(None)] * 3, [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        one, other = bone[tuple(lower)], bone[tuple(upper)]
        meet = (one != other) & (one > 0) & (other > 0)
        touching[tuple(lower)] |= meet
        if random.random() < BOTH_SIDES_SHARE:
            touching[tuple(upper)] |= meet
    return touching


def _behind_bodies(spine: Spine, grid: Grid) -> Bools:
    """Return (i, j, k) which voxels lie behind the posterior walls of the bodies at their height."""
    walls = np.array([v.centre - WALL_SHARE * v.superior.half_depth * v.superior.axes[1] for v in spine.vertebrae])
    _, y, z = grid.axes
    order = np.argsort(walls[:, 2])
    return np.broadcast_to(y < np.interp(z, walls[order, 2], walls[order, 1]), grid.shape)
