"""Make labelled scans: trunks on a coarse grid for the localiser, surroundings of one vertebra for the segmenter.

Scan i depends on the seed and i alone and is kept in its own file, so a run can stop and go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from models.types import Bytes, Floats, Singles
from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import label_of
from synthetic_ct.grid import Grid
from synthetic_ct.hounsfield import assign_hu
from synthetic_ct.metal import add_metal
from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol, resample, scan
from synthetic_ct.spine import make_spine
from synthetic_ct.vertebra import Spine
from training.files import claim, save_npz
from workers.imaging.resampling import COARSE_MM, CROP_STEP_MM

TRUNK_MM, CROP_MM = 2.0, 1.0
"""Spacing that trunks and surroundings are drawn with."""
CROP_LOW, CROP_HIGH = np.array([-80.0, -106.0, -69.0]), np.array([80.0, 58.0, 69.0])
"""Surroundings of a body's centre that are kept, mm: room for shifts and turns about what a network sees."""
TARGETS = ("T11", "T12", "L1", "L1", "L1", "L2", "L3", "L4", "L5")
SACRAL_BODIES = ("S1", "S2")
"""Bodies of the sacrum that the surroundings of the lumbosacral junction name."""
NECK_SHARE = 0.25
"""How many trunks go on into neck and head."""
GENERATOR = 3
"""Raised when other scans would be drawn, or more of them kept: those of different numbers are not mixed."""
IMAGES = 2
"""Scans made of each drawn person: other tissue, other protocol."""


@dataclass(frozen=True)
class TrunkScan:
    """A whole trunk on the localiser's grid.

    Attributes
    ----------
    image
        (i, j, k) int16 HU, `COARSE_MM` apart, RAS.
    bone
        (i, j, k) uint8, see `synthetic_ct.anatomy.Anatomy`.
    centres
        (n, 3) float32, voxels: centres of the vertebral bodies; ``levels`` (n,) uint8, their labels.
    people
        Whose vertebrae are in it.
    """

    image: NDArray[np.int16]
    bone: Bytes
    centres: Singles
    levels: Bytes
    people: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write it; `read_trunk` reads it."""
        save_npz(
            path,
            image=self.image,
            bone=self.bone,
            centres=self.centres,
            levels=self.levels,
            people=np.array(self.people),
        )


@dataclass(frozen=True)
class CropScan:
    """The surroundings of one vertebra on the segmenter's grid.

    Attributes
    ----------
    image
        (i, j, k) int16 HU, `CROP_STEP_MM` apart, RAS.
    inside
        (i, j, k) uint8: share of each voxel that the vertebra fills, 0 to 255.
    centre
        (3,) voxels: centre of its body.
    level
        Its name.
    centres
        (n, 3) float32, voxels: centres of all the bodies that lie in it; ``levels``, their names.
    people
        Whose vertebrae are in it; the first is who the vertebra in the middle is of.
    """

    image: NDArray[np.int16]
    inside: Bytes
    centre: Singles
    level: str
    centres: Singles
    levels: tuple[str, ...]
    people: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write it; `read_crop` reads it."""
        save_npz(
            path,
            image=self.image,
            inside=self.inside,
            centre=self.centre,
            level=np.array(self.level),
            centres=self.centres,
            levels=np.array(self.levels),
            people=np.array(self.people),
        )


def make_trunks(spines: list[Spine], folder: Path, count: int, seed: int = 0, jobs: int = -1) -> list[Path]:
    """Make trunk scans until there are `count`; return their files."""
    return _make(_one_trunk, spines, folder, count, seed, jobs)


def make_crops(spines: list[Spine], folder: Path, count: int, seed: int = 1, jobs: int = -1) -> list[Path]:
    """Make surroundings of single vertebrae until there are `count`; return their files."""
    return _make(_one_crop, spines, folder, count, seed, jobs)


def make_landmark_scans(spines: list[Spine], folder: Path, count: int, seed: int = 2, jobs: int = -1) -> list[Path]:
    """Make surroundings of lumbosacral junctions until there are `count`; return their files."""
    return _make(_one_landmark_scan, spines, folder, count, seed, jobs)


def _make(one, spines, folder, count, seed, jobs) -> list[Path]:  # type: ignore[no-untyped-def]
    claim(folder, generator=GENERATOR, seed=seed)
    paths = [[folder / f"{i:05d}_{k}.npz" for k in range(IMAGES)] for i in range(-(-count // IMAGES))]
    todo = [i for i, those in enumerate(paths) if not all(p.exists() for p in those)]
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    for _ in tqdm(
        run(delayed(one)(spines, paths[i], (seed, i)) for i in todo),
        total=len(todo),
        desc=folder.name,
        disable=not todo,
    ):
        pass
    return [path for those in paths for path in those][:count]


def choose_spines(spines: list[Spine], index: int, scanned: tuple[str, ...]) -> list[Spine]:
    """Return the spines scan `index` may be made of: every third without people that a real CT of is at hand."""
    others = [s for s in spines if s.person not in scanned]
    return others if index % 3 == 0 and others else spines


SCANNED = ("totalsegmentator", "verse004", "tptbox")
"""People of whom there is a real CT: what they are tested on must not have seen them."""


def _one_trunk(spines: list[Spine], paths: list[Path], seed: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    top = "C3" if random.random() < NECK_SHARE else "T4"
    person = Person.make(random, make_spine(random, choose_spines(spines, seed[1], SCANNED), top))
    centres = np.array([v.centre for v in person.spine.vertebrae])
    high = centres[0] + [0.0, 0.0, 10.0 if top == "T4" else random.uniform(0.0, 200.0)]
    low = centres[-1] - [0.0, 0.0, random.uniform(60.0, 230.0)]
    middle, half = person.torso.centre, person.torso.half + 30.0
    grid = Grid.around(np.append(middle - half, low[2]), np.append(middle + half, high[2]), TRUNK_MM)
    anatomy = draw_anatomy(random, person, grid)
    step = np.full(3, COARSE_MM / TRUNK_MM)
    bone = ndimage.affine_transform(
        anatomy.bone, step, output_shape=tuple(int((n - 1) // 2) + 1 for n in grid.shape), order=0
    )
    levels = np.array([label_of(v.level) for v in person.spine.vertebrae], np.uint8)
    for path in paths:
        hu = assign_hu(random, anatomy)
        add_metal(random, hu, anatomy)
        thick = random.uniform(1.0, 5.0)
        blurred = ndimage.gaussian_filter(hu, np.array([1.2, 1.2, np.hypot(1.2, 0.3 * thick)]) / TRUNK_MM)
        image = resample(blurred, step, bone.shape)
        image += np.exp(random.uniform(0.0, 3.2)) * random.standard_normal(image.shape, np.float32)
        TrunkScan(
            np.clip(image, -1024, 3071).astype(np.int16),
            bone,
            ((centres - grid.origin) / COARSE_MM).astype(np.float32),
            levels,
            tuple(sorted({v.person for v in person.spine.vertebrae})),
        ).save(path)


def _one_crop(spines: list[Spine], paths: list[Path], seed: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    spine = make_spine(random, choose_spines(spines, seed[1], SCANNED), top="T9")
    person = Person.make(random, spine)
    _save_surroundings(random, person, TARGETS[random.integers(len(TARGETS))], paths)


def _one_landmark_scan(spines: list[Spine], paths: list[Path], seed: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    person = Person.make(random, make_spine(random, choose_spines(spines, seed[1], SCANNED), top="T9"))
    last, sacrum = person.spine.vertebrae[-1], person.skeleton.sacrum
    assert sacrum is not None
    _save_surroundings(random, person, last.level, paths, 0.5 * (last.centre + sacrum.bodies[0]))


def _save_surroundings(
    random: np.random.Generator, person: Person, level: str, paths: list[Path], middle: Floats | None = None
) -> None:
    """Draw and scan what is about a vertebra's centre, or about `middle` (3,) mm instead, once for each of `paths`."""
    spine = person.spine
    target = next(v for v in spine.vertebrae if v.level == level)
    middle = target.centre if middle is None else middle
    grid = Grid.around(middle + CROP_LOW, middle + CROP_HIGH, CROP_MM)
    anatomy = draw_anatomy(random, person, grid)
    own = label_of(level)
    shape = tuple(int((n - 1) * CROP_MM // s) + 1 for n, s in zip(grid.shape, CROP_STEP_MM, strict=True))
    occupied = resample((anatomy.bone == own).astype(np.float32), CROP_STEP_MM / CROP_MM, shape)
    seen = np.unique(anatomy.bone)
    people = {v.person for v in spine.vertebrae if label_of(v.level) in seen} - {target.person}
    bodies = {v.level: v.centre for v in spine.vertebrae}
    if person.skeleton.sacrum:
        bodies |= dict(zip(SACRAL_BODIES, person.skeleton.sacrum.bodies, strict=False))
    places = {name: (centre - grid.origin) / CROP_STEP_MM for name, centre in bodies.items()}
    places = {name: place for name, place in places.items() if ((place > 0.0) & (place < np.array(shape) - 1)).all()}
    for path in paths:
        hu = assign_hu(random, anatomy)
        add_metal(random, hu, anatomy)
        image, step = scan(random, hu, grid.spacing, Protocol.draw(random))
        image = resample(image, CROP_STEP_MM / step, shape)
        CropScan(
            np.rint(image).astype(np.int16),
            np.rint(255.0 * occupied).astype(np.uint8),
            ((target.centre - grid.origin) / CROP_STEP_MM).astype(np.float32),
            level,
            np.array(list(places.values()), np.float32),
            tuple(places),
            (target.person, *sorted(people)),
        ).save(path)


def read_trunk(path: Path) -> TrunkScan:
    """Read a scan that `make_trunks` wrote."""
    with np.load(path) as s:
        return TrunkScan(s["image"], s["bone"], s["centres"], s["levels"], tuple(map(str, s["people"])))


def read_crop(path: Path) -> CropScan:
    """Read a scan that `make_crops` wrote."""
    with np.load(path) as s:
        levels, people = (tuple(map(str, s[name])) for name in ("levels", "people"))
        return CropScan(s["image"], s["inside"], s["centre"], str(s["level"]), s["centres"], levels, people)


def ready(paths: list[Path], without: tuple[str, ...]) -> list[Path]:
    """Return the files in which nobody of `without` is seen."""
    out = []
    for path in paths:
        with np.load(path) as stored:
            if not set(map(str, stored["people"])) & set(without):
                out.append(path)
    return out
