"""Make labelled synthetic scans: trunks for the locator, crops for the landmark network and the evaluation.

Scan i depends on the seed and i alone and has its own file, so a run can stop and go on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from models.types import Bytes, Floats, Singles
from synthetic_ct.anatomy import Anatomy, draw_anatomy
from synthetic_ct.bone_labels import label_of
from synthetic_ct.grid import Grid
from synthetic_ct.hounsfield import assign_hu
from synthetic_ct.metal import add_metal
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol, resample, scan
from synthetic_ct.spine import make_spine
from synthetic_ct.vertebra import Spine
from training.artifacts.files import record_settings
from training.segmentation.data.provenance import GENERATOR_VERSION, SCANNED_PEOPLE
from training.segmentation.data.scan_files import (
    CROP_SCAN_HIGH,
    CROP_SCAN_LOW,
    SACRAL_BODIES,
    CropScan,
    TrunkScan,
    bodies_in_crop,
)
from workers.imaging.resampling import AIR_HU, COARSE_MM, CROP_STEP_MM, HIGHEST_HU

IMAGES = 2
"""Scans of each drawn person, each with other tissues, another protocol and other noise."""
TRUNK_MM, CROP_MM = 2.0, 1.0
"""Spacing that trunks and crops are drawn with: finer than the locator's 4 mm, as fine as the segmenter's 1 mm."""
TARGETS = ("T11", "T12", "L1", "L1", "L1", "L2", "L3", "L4", "L5")
"""Levels of the crops, each equally likely: L1, the level of the shipped template, is there three times."""
UNSCANNED_EVERY = 3
"""Every third scan has no shapes of `SCANNED_PEOPLE`: enough to train the networks that are evaluated on them."""

NECK_SHARE = 0.25
"""Share of the trunks that go on into neck and head, so that the locator does not name vertebrae it never saw."""
TRUNK_TOP, NECK_TOP, CROP_TOP = "T4", "C3", "T9"
"""Highest level of a trunk, of a trunk with neck, and of a spine of which only a crop is scanned."""
ABOVE_T4_MM, ABOVE_C3_MM, BELOW_L5_MM = 10.0, (0.0, 200.0), (60.0, 230.0)
"""Where a trunk ends above its highest and below its lowest body centre: a head, a sacrum or a whole pelvis fit."""
AROUND_TORSO_MM = 30.0
"""Air that a trunk shows around the torso."""
COARSE_BLUR_MM = 1.2
"""Blur of averaging to `COARSE_MM`: a box of 4 mm has a standard deviation of 4 / √12 = 1.15 mm."""
SLICE_MM, BLUR_A_SLICE = (1.0, 5.0), 0.3
"""Thickness of a trunk's slices, and their blur as a share of it (a box: 1 / √12 = 0.29)."""
LOG_NOISE_HU = (0.0, 3.2)
"""Logarithm of a trunk's noise: 1 to 25 HU, since averaging to `COARSE_MM` removes most of a scanner's."""

Seed = tuple[int, int]
"""The seed of a run and the number of the scan."""
Draw = Callable[[list[Spine], list[Path], Seed], None]
"""Draws one person and writes one scan a path."""


def make_trunks(spines: list[Spine], folder: Path, count: int, seed: int = 0, jobs: int = -1) -> list[Path]:
    """Make trunk scans until `folder` has `count`; return their files."""
    return _make(_draw_trunk, spines, folder, count, seed, jobs)


def make_crops(spines: list[Spine], folder: Path, count: int, seed: int = 1, jobs: int = -1) -> list[Path]:
    """Make crops around single vertebrae until `folder` has `count`; return their files."""
    return _make(_draw_crop, spines, folder, count, seed, jobs)


def make_lumbosacral_crops(spines: list[Spine], folder: Path, count: int, seed: int = 2, jobs: int = -1) -> list[Path]:
    """Make crops about lumbosacral junctions until `folder` has `count`; return their files."""
    return _make(_draw_lumbosacral_crop, spines, folder, count, seed, jobs)


def _make(draw: Draw, spines: list[Spine], folder: Path, count: int, seed: int, jobs: int) -> list[Path]:
    record_settings(folder, generator=GENERATOR_VERSION, seed=seed)
    paths = [[folder / f"{i:05d}_{k}.npz" for k in range(IMAGES)] for i in range(-(-count // IMAGES))]
    missing = [i for i, images in enumerate(paths) if not all(path.exists() for path in images)]
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    for _ in tqdm(
        run(delayed(draw)(spines, paths[i], (seed, i)) for i in missing),
        total=len(missing),
        desc=folder.name,
        disable=not missing,
    ):
        pass
    return [path for images in paths for path in images][:count]


def choose_spines(spines: list[Spine], index: int) -> list[Spine]:
    """Return the spines that scan `index` may be made of."""
    others = [spine for spine in spines if spine.person not in SCANNED_PEOPLE]
    return others if index % UNSCANNED_EVERY == 0 and others else spines


def _draw_trunk(spines: list[Spine], paths: list[Path], seed: Seed) -> None:
    random = np.random.default_rng(seed)
    top = NECK_TOP if random.random() < NECK_SHARE else TRUNK_TOP
    person = Person.make(random, make_spine(random, choose_spines(spines, seed[1]), top))
    centres = np.array([v.centre for v in person.spine.vertebrae])
    high = centres[0] + [0.0, 0.0, ABOVE_T4_MM if top == TRUNK_TOP else random.uniform(*ABOVE_C3_MM)]
    low = centres[-1] - [0.0, 0.0, random.uniform(*BELOW_L5_MM)]
    middle, half = person.torso.centre, person.torso.half + AROUND_TORSO_MM
    grid = Grid.around(np.append(middle - half, low[2]), np.append(middle + half, high[2]), TRUNK_MM)
    anatomy = draw_anatomy(random, person, grid)
    bone = coarse_labels(anatomy.bone)
    levels = np.array([label_of(v.level) for v in person.spine.vertebrae], np.uint8)
    for path in paths:
        TrunkScan(
            scan_trunk(random, anatomy, bone),
            bone,
            ((centres - grid.origin) / COARSE_MM).astype(np.float32),
            levels,
            tuple(sorted({v.person for v in person.spine.vertebrae})),
        ).save(path)


def coarse_labels(bone: Bytes) -> Bytes:
    """Return labels (i, j, k) of `TRUNK_MM` on the grid of the locator."""
    step = COARSE_MM / TRUNK_MM
    shape = tuple(int((n - 1) // step) + 1 for n in bone.shape)
    return np.asarray(ndimage.affine_transform(bone, np.full(3, step), output_shape=shape, order=0), np.uint8)


def scan_trunk(random: np.random.Generator, anatomy: Anatomy, bone: Bytes) -> NDArray[np.int16]:
    """Return the HU (int16) of a trunk on the grid of its labels `bone`."""
    hu = assign_hu(random, anatomy)
    add_metal(random, hu, anatomy)
    thickness = random.uniform(*SLICE_MM)
    blur = np.array([COARSE_BLUR_MM, COARSE_BLUR_MM, np.hypot(COARSE_BLUR_MM, BLUR_A_SLICE * thickness)])
    image = resample(ndimage.gaussian_filter(hu, blur / TRUNK_MM), np.full(3, COARSE_MM / TRUNK_MM), bone.shape)
    image += np.exp(random.uniform(*LOG_NOISE_HU)) * random.standard_normal(image.shape, np.float32)
    return np.clip(image, AIR_HU, HIGHEST_HU).astype(np.int16)


def _draw_crop(spines: list[Spine], paths: list[Path], seed: Seed) -> None:
    random = np.random.default_rng(seed)
    spine = make_spine(random, choose_spines(spines, seed[1]), top=CROP_TOP)
    person = Person.make(random, spine)
    _write_crops(random, person, TARGETS[random.integers(len(TARGETS))], paths)


def _draw_lumbosacral_crop(spines: list[Spine], paths: list[Path], seed: Seed) -> None:
    random = np.random.default_rng(seed)
    person = Person.make(random, make_spine(random, choose_spines(spines, seed[1]), top=CROP_TOP))
    last, sacrum = person.spine.vertebrae[-1], person.skeleton.sacrum
    assert sacrum is not None
    _write_crops(random, person, last.level, paths, 0.5 * (last.centre + sacrum.bodies[0]))


def _write_crops(
    random: np.random.Generator, person: Person, level: str, paths: list[Path], middle: Floats | None = None
) -> None:
    """Draw the surroundings of a vertebra's centre, or of `middle` (3,) mm instead, and scan them once a path."""
    target = next(v for v in person.spine.vertebrae if v.level == level)
    middle = target.centre if middle is None else middle
    grid = Grid.around(middle + CROP_SCAN_LOW, middle + CROP_SCAN_HIGH, CROP_MM)
    anatomy = draw_anatomy(random, person, grid)
    shape = tuple(int((n - 1) * CROP_MM // s) + 1 for n, s in zip(grid.shape, CROP_STEP_MM, strict=True))
    filled: Singles = resample((anatomy.bone == label_of(level)).astype(np.float32), CROP_STEP_MM / CROP_MM, shape)
    labels = np.unique(anatomy.bone)
    people = {v.person for v in person.spine.vertebrae if label_of(v.level) in labels} - {target.person}
    bodies = bodies_in_crop(_body_centres(person), grid.origin, shape)
    for path in paths:
        hu = assign_hu(random, anatomy)
        add_metal(random, hu, anatomy)
        image, step = scan(random, hu, grid.spacing, Protocol.draw(random))
        image = resample(image, CROP_STEP_MM / step, shape)
        CropScan(
            np.rint(image).astype(np.int16),
            np.rint(255.0 * filled).astype(np.uint8),
            ((target.centre - grid.origin) / CROP_STEP_MM).astype(np.float32),
            level,
            np.array(list(bodies.values()), np.float32),
            tuple(bodies),
            (target.person, *sorted(people)),
        ).save(path)


def _body_centres(person: Person) -> dict[str, Floats]:
    """Return the centres (3,) mm of the vertebral and sacral bodies by name."""
    centres = {v.level: v.centre for v in person.spine.vertebrae}
    if person.skeleton.sacrum:
        centres |= dict(zip(SACRAL_BODIES, person.skeleton.sacrum.bodies, strict=False))
    return centres
