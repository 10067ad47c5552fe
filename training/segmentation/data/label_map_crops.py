"""Anatomy crops from whole real label maps: ribs, sacrum and organs are real; fat, skin and discs are added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, Delaunay, QhullError
from tqdm import tqdm

from models.types import Bools, Bytes, Floats, Integers
from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS, label_of
from synthetic_ct.tissue import Tissue
from training.artifacts.files import record_settings
from training.segmentation.data.anatomy_crops import (
    ANATOMY_HIGH,
    ANATOMY_LOW,
    ANATOMY_MM,
    SUFFIX,
    AnatomyCrop,
    encode_anatomy,
)
from training.segmentation.data.label_maps import LABEL_MAPS, LabelMap, bone_table, read_label_map, tissue_table
from training.segmentation.data.provenance import GENERATOR_VERSION

LABEL_MAP_LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Levels that are cut out of each label map."""
SMOOTHING_VOXELS, LEAST_SHARE = 0.6, 0.5
"""Blur of a bone's mask before it is sampled, so that its surface has no steps, and the share that is bone."""
OUTLINE_POINTS, LEAST_OUTLINE = 400, 20
"""Points of a slice that span its convex hull, and how many labelled voxels a slice needs for one."""
PIXEL_SLACK = 1e-7
"""A pixel so near to an edge of the hull lies on it: other pixels are further off than the rounding of its equation."""
FAT_MM, SKIN_MM = (8.0, 25.0), 2.0
"""Thickness of the fat outside the labelled structures (chosen by eye), and of the skin (textbooks: 1 to 4 mm)."""

DISC_PART = (0.25, 0.75)
"""Part of the line between two body centres in which a disc lies, with the endplates beside it."""
DISC_RADIUS_MM, DISC_BEHIND_MM = 28.0, 15.0
"""How far from that line a disc reaches, and how far behind it: the canal and the foramina begin there."""
DISC_POINTS, LEAST_POINTS = 300, 50
"""Points of each body that span the hull of a disc, and how many voxels of a body must be there."""
BEHIND_MM = 15.0
"""Distance of a body's posterior wall behind its centre."""


def make_label_map_crops(data: Path, folder: Path) -> list[Path]:
    """Write the crops of all label maps in the data folder that are missing; return the files."""
    record_settings(folder, generator=GENERATOR_VERSION)
    for person in LABEL_MAPS:
        paths = {level: folder / f"{person}_{level}{SUFFIX}" for level in LABEL_MAP_LEVELS}
        missing = [level for level, path in paths.items() if not path.exists()]
        if missing:
            label_map = read_label_map(data, person)
            for level in tqdm(missing, desc=f"{folder.name} {person}", disable=None):
                label_map_crop(label_map, level).save(paths[level])
    return sorted(folder.glob(f"*{SUFFIX}"))


def label_map_crop(label_map: LabelMap, level: str) -> AnatomyCrop:
    """Return the surroundings of one vertebra of a label map. Beyond the map there is air."""
    random = np.random.default_rng((LABEL_MAPS.index(label_map.person), label_of(level)))
    centre = label_map.centres[level]
    shape = tuple(int(n) + 1 for n in (ANATOMY_HIGH - ANATOMY_LOW) / ANATOMY_MM)
    world = np.stack(np.meshgrid(*(np.arange(n) * ANATOMY_MM for n in shape), indexing="ij"), axis=-1)
    world += centre + ANATOMY_LOW
    inverse = np.linalg.inv(label_map.labels.affine)
    voxels = np.moveaxis(world @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    labels = ndimage.map_coordinates(label_map.labels.voxels, voxels, order=0, cval=0)
    bone = _sample_bones(label_map, np.unique(labels), voxels)
    tissue = draw_soft_tissue(random, labels, ANATOMY_MM)
    shown = set(np.unique(bone).tolist())
    for pair in zip(THORACOLUMBAR_LEVELS, (*THORACOLUMBAR_LEVELS[1:], "S1"), strict=True):
        if set(pair) <= label_map.centres.keys() and shown.issuperset(_ends_of(pair)):
            between = find_disc(label_map.centres, pair, world, bone)
            tissue[between & (tissue != Tissue.CANAL)] = Tissue.DISC
    last = np.array(label_map.labels.voxels.shape).reshape(3, 1, 1, 1) - 0.5
    outside = ((voxels < -0.5) | (voxels > last)).any(axis=0)
    tissue[outside], bone[outside] = Tissue.AIR, 0
    behind = world[..., 1] < centre[1] - BEHIND_MM
    code = encode_anatomy(bone, tissue, find_contacts(bone), behind)
    return AnatomyCrop(code, level, (label_map.person,), label_map.up(level))


def _sample_bones(label_map: LabelMap, numbers: Bytes, voxels: Floats) -> Bytes:
    """Return bone labels (i, j, k) at `voxels` (3, i, j, k), with smooth surfaces. `numbers` are those near."""
    table = bone_table()
    bone = np.zeros(voxels.shape[1:], np.uint8)
    largest = np.full(bone.shape, LEAST_SHARE, np.float32)
    for number in numbers[table[numbers] > 0]:
        mask = (label_map.labels.voxels == number).astype(np.float32)
        share = ndimage.map_coordinates(ndimage.gaussian_filter(mask, SMOOTHING_VOXELS), voxels, order=1)
        bone[share > largest] = table[number]
        np.maximum(largest, share, out=largest)
    return bone


def draw_soft_tissue(random: np.random.Generator, labels: Bytes, spacing: float) -> Bytes:
    """Return `Tissue` (i, j, k) on a grid of `spacing` mm: organs as labelled, fat between and around them, skin."""
    tissue = np.full(labels.shape, Tissue.AIR, np.uint8)
    away = ndimage.distance_transform_edt(~_hull_by_slice(labels > 0)) * spacing
    fat = random.uniform(*FAT_MM)
    tissue[away < fat + SKIN_MM] = Tissue.SKIN
    tissue[away < fat] = Tissue.FAT
    organs = tissue_table()[labels]
    return np.where(organs > 0, organs, tissue).astype(np.uint8)


def _hull_by_slice(labelled: Bools) -> Bools:
    """Return the convex hull of each slice (i, j) of `labelled` (i, j, k)."""
    hull = np.zeros(labelled.shape, bool)
    for k in range(labelled.shape[2]):
        points = np.argwhere(labelled[:, :, k])
        if len(points) >= LEAST_OUTLINE:
            hull[:, :, k] = hull_in_plane(points[:: max(1, len(points) // OUTLINE_POINTS)], labelled.shape[:2])
    return hull


def hull_in_plane(points: Integers, shape: tuple[int, ...]) -> Bools:
    """Return which pixels of a slice (i, j) lie in the convex hull of the points (m, 2); none where they are flat.

    Row by row, the hull is what lies between the edges before and behind it.
    """
    try:
        edges = ConvexHull(points).equations  # of the outward normals: inside it is not positive
    except QhullError:
        return np.zeros(shape, bool)
    across, along, offset = edges.T
    level = np.arange(shape[0])[:, None] * across + offset
    parallel = np.abs(along) < PIXEL_SLACK
    at = -level / np.where(parallel, 1.0, along)
    first = np.where(~parallel & (along < 0.0), at, -np.inf).max(axis=1) - PIXEL_SLACK
    last = np.where(~parallel & (along > 0.0), at, np.inf).min(axis=1) + PIXEL_SLACK
    last[(np.where(parallel, level, -1.0) > PIXEL_SLACK).any(axis=1)] = -np.inf
    columns = np.arange(shape[1])
    return np.asarray((columns >= first[:, None]) & (columns <= last[:, None]))


def _inside_hull(points: Integers, queries: Integers) -> Bools:
    """Return which of the queries (n, d) lie in the convex hull of the points (m, d); none where they are flat."""
    try:
        return np.asarray(Delaunay(points).find_simplex(queries) >= 0)
    except QhullError:
        return np.zeros(len(queries), bool)


def find_disc(centres: dict[str, Floats], pair: tuple[str, str], world: Floats, bone: Bytes) -> Bools:
    """Return which voxels (i, j, k) lie between the bodies of two levels: the hull of both, without their bone."""
    upper, lower = (centres[level] for level in pair)
    span = float(np.linalg.norm(upper - lower))
    axis = (upper - lower) / span
    forward = np.array([0.0, 1.0, 0.0]) - axis[1] * axis
    offset = world - lower
    along = offset @ axis
    radius = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    column = (radius < DISC_RADIUS_MM) & (offset @ forward > -DISC_BEHIND_MM) & (along > 0.0) & (along < span)
    disc = np.zeros(bone.shape, bool)
    bodies = [np.argwhere(column & (bone == label)) for label in _ends_of(pair)]
    if min(len(points) for points in bodies) < LEAST_POINTS:
        return disc
    corners = np.concatenate([points[:: max(1, len(points) // DISC_POINTS)] for points in bodies])
    between = column & (bone == 0) & (along > DISC_PART[0] * span) & (along < DISC_PART[1] * span)
    voxels = np.argwhere(between)
    disc[tuple(voxels[_inside_hull(corners, voxels)].T)] = True
    return disc


def _ends_of(pair: tuple[str, str]) -> tuple[int, int]:
    """Return the bone labels above and below a disc."""
    return label_of(pair[0]), SACRUM if pair[1] == "S1" else label_of(pair[1])


def find_contacts(bone: Bytes) -> Bools:
    """Return which voxels (i, j, k) of a bone have a voxel of another one above them along an axis."""
    touching = np.zeros(bone.shape, bool)
    for axis in range(3):
        lower, upper = [slice(None)] * 3, [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        one, other = bone[tuple(lower)], bone[tuple(upper)]
        touching[tuple(lower)] |= (one != other) & (one > 0) & (other > 0)
    return touching
