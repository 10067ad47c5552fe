"""Draw anatomy crops of synthetic people. Crop i depends on the seed and on i alone, so a run can stop and go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import label_of
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.spine import make_spine
from synthetic_ct.tissue import Tissue
from synthetic_ct.vertebra import Spine
from training.artifacts.files import record_settings
from training.segmentation.data.anatomy_crops import (
    ANATOMY_HIGH,
    ANATOMY_LOW,
    ANATOMY_MM,
    SUFFIX,
    AnatomyCrop,
    encode_anatomy,
)
from training.segmentation.data.provenance import GENERATOR_VERSION, SCANNED_PEOPLE
from training.segmentation.data.synthetic_scans import CROP_TOP

ANATOMY_SEED = 77
ANATOMY_TARGETS = ("T11", "T12", "L1", "L1", "L1", "L2", "L3", "L4", "L5", "L5")
"""Levels of the crops, each equally likely: L1 is the level of the template, and L5 the one that has a sacrum."""
UNSCANNED_ANATOMY_EVERY = 2
"""Every other crop has no shapes of `SCANNED_PEOPLE`: networks evaluated on them learn from these alone."""


def make_anatomy_crops(
    spines: list[Spine], folder: Path, count: int, seed: int = ANATOMY_SEED, jobs: int = -1
) -> list[Path]:
    """Draw crops until `folder` has `count`; return their files.

    Parameters
    ----------
    spines
        Real spines that people are made from.
    folder
        Folder of the crops.
    count, seed, jobs
        Number of crops, seed of the run, parallel processes (-1: one a core).

    Raises
    ------
    RuntimeError
        `folder` holds crops of another seed or generator.
    """
    record_settings(folder, generator=GENERATOR_VERSION, seed=seed)
    paths = [folder / f"{i:05d}{SUFFIX}" for i in range(count)]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    drawn = run(delayed(_draw)(spines, paths[i], (seed, i)) for i in missing)
    for _ in tqdm(drawn, total=len(missing), desc=folder.name, disable=not missing):
        pass
    return paths


def _draw(spines: list[Spine], path: Path, seed: tuple[int, int]) -> None:
    draw_anatomy_crop(np.random.default_rng(seed), choose_spines(spines, seed[1])).save(path)


def choose_spines(spines: list[Spine], index: int) -> list[Spine]:
    """Return the spines that crop `index` may be made of."""
    others = [spine for spine in spines if spine.person not in SCANNED_PEOPLE]
    return others if index % UNSCANNED_ANATOMY_EVERY == 0 and others else spines


def draw_anatomy_crop(random: np.random.Generator, spines: list[Spine]) -> AnatomyCrop:
    """Return the surroundings of one vertebra of a random person."""
    person = Person.make(random, make_spine(random, spines, top=CROP_TOP))
    level = ANATOMY_TARGETS[random.integers(len(ANATOMY_TARGETS))]
    target = next(v for v in person.spine.vertebrae if v.level == level)
    grid = Grid.around(target.centre + ANATOMY_LOW, target.centre + ANATOMY_HIGH, ANATOMY_MM)
    anatomy = draw_anatomy(random, person, grid)
    joint = (anatomy.tissue == Tissue.CARTILAGE) & (anatomy.bone > 0)
    shown = np.unique(anatomy.bone)
    people = sorted({v.person for v in person.spine.vertebrae if label_of(v.level) in shown})
    up = target.superior.centre - target.inferior.centre
    code = encode_anatomy(anatomy.bone, anatomy.tissue, joint, anatomy.posterior)
    return AnatomyCrop(code, level, tuple(people), up / np.linalg.norm(up))
