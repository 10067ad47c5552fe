"""Trunks of the locator from whole real label maps: ribs, sacrum and organs are real; fat, skin and discs are added."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import ndimage
from tqdm import tqdm

from models.types import Bools, Bytes, Floats
from synthetic_ct.anatomy import Anatomy
from synthetic_ct.bone_labels import SACRUM, label_of
from synthetic_ct.grid import Grid
from synthetic_ct.tissue import Tissue
from training.artifacts.files import record_settings
from training.segmentation.data.label_map_crops import BEHIND_MM, draw_soft_tissue, find_contacts, find_disc
from training.segmentation.data.label_maps import LABEL_MAPS, LabelMap, bone_table, read_label_map
from training.segmentation.data.provenance import GENERATOR_VERSION
from training.segmentation.data.scan_files import SACRAL_BODIES, TrunkScan
from training.segmentation.data.synthetic_scans import TRUNK_MM, coarse_labels, scan_trunk
from workers.imaging.resampling import COARSE_MM
from workers.imaging.volume import Volume

LABEL_MAP_TRUNKS = 16
"""Trunks of each label map, each with other tissues, noise and fat. By judgement: two people are few."""

DISC_REACH_MM = 45.0
"""A disc lies within this distance of the bodies beside it along each axis."""


def make_label_map_trunks(data: Path, folder: Path, jobs: int = -1) -> list[Path]:
    """Write the trunks of all label maps in the data folder that are missing; return the files."""
    record_settings(folder, generator=GENERATOR_VERSION)
    paths = {(person, i): folder / f"{person}_{i:02d}.npz" for person in LABEL_MAPS for i in range(LABEL_MAP_TRUNKS)}
    missing = [key for key, path in paths.items() if not path.exists()]
    maps = {person: read_label_map(data, person) for person in dict.fromkeys(person for person, _ in missing)}
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(_write)(maps[person], i, paths[person, i]) for person, i in missing)
    for _ in tqdm(run(tasks), total=len(missing), desc=folder.name, disable=not missing):
        pass
    return list(paths.values())


def _write(label_map: LabelMap, number: int, path: Path) -> None:
    label_map_trunk(np.random.default_rng((LABEL_MAPS.index(label_map.person), number)), label_map).save(path)


def label_map_trunk(random: np.random.Generator, label_map: LabelMap) -> TrunkScan:
    """Return one scan of all that a label map shows. Beyond the map there is nothing."""
    anatomy = _draw(random, label_map)
    bone = coarse_labels(anatomy.bone)
    vertebrae = {level: centre for level, centre in label_map.centres.items() if level not in SACRAL_BODIES}
    centres = (np.array(list(vertebrae.values())) - anatomy.grid.origin) / COARSE_MM
    return TrunkScan(
        scan_trunk(random, anatomy, bone),
        bone,
        centres.astype(np.float32),
        np.array([label_of(level) for level in vertebrae], np.uint8),
        (label_map.person,),
    )


def _draw(random: np.random.Generator, label_map: LabelMap) -> Anatomy:
    """Return the label map on a grid of `TRUNK_MM`."""
    affine, shape = label_map.labels.affine, np.array(label_map.labels.voxels.shape)
    corners = affine[:3, 3] + np.array([np.zeros(3), shape - 1.0]) @ affine[:3, :3].T
    grid = Grid.around(corners.min(axis=0), corners.max(axis=0), TRUNK_MM)
    labels = _sample_labels(label_map.labels, grid)
    bone = bone_table()[labels]
    tissue = draw_soft_tissue(random, labels, TRUNK_MM)
    _add_discs(label_map.centres, grid, bone, tissue)
    depth = TRUNK_MM * ndimage.distance_transform_edt((bone > 0) & ~find_contacts(bone))
    return Anatomy(bone, depth.astype(np.float32), tissue, _behind_bodies(label_map.centres, bone, grid), grid)


def _sample_labels(labels: Volume, grid: Grid) -> Bytes:
    """Return the label map at the voxels of a grid, by the nearest voxel."""
    inverse = np.linalg.inv(labels.affine)
    offset = inverse[:3, :3] @ grid.origin + inverse[:3, 3]
    return ndimage.affine_transform(
        labels.voxels, inverse[:3, :3] * TRUNK_MM, offset, output_shape=tuple(grid.shape), order=0
    )


def _add_discs(centres: dict[str, Floats], grid: Grid, bone: Bytes, tissue: Bytes) -> None:
    """Fill the space between neighbouring bodies in `tissue`."""
    down = sorted(centres, key=lambda level: float(centres[level][2]), reverse=True)
    for upper, lower in pairwise(down):
        box = grid.box(centres[lower] - DISC_REACH_MM, centres[upper] + DISC_REACH_MM)
        if box is None:
            continue
        world = np.stack(np.broadcast_arrays(*grid.part(box).axes), axis=-1)
        disc = find_disc(centres, (upper, lower), world, bone[box])
        tissue[box][disc & (tissue[box] != Tissue.CANAL)] = Tissue.DISC


def _behind_bodies(centres: dict[str, Floats], bone: Bytes, grid: Grid) -> Bools:
    """Return which bone lies behind the bodies, where arch and processes have a thicker cortex."""
    _, y, z = grid.axes
    points = np.array(sorted(centres.values(), key=lambda centre: float(centre[2])))
    wall = np.interp(z, points[:, 2], points[:, 1]) - BEHIND_MM
    return np.asarray((bone > 0) & (bone <= SACRUM) & (y < wall))
