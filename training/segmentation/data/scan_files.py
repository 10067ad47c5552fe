"""Labelled scans on the grids of the networks, one file each: whole trunks, and crops around one vertebra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.types import Bytes, Floats, Singles
from training.artifacts.files import save_npz
from workers.imaging.resampling import CROP_STEP_MM

CROP_SCAN_LOW, CROP_SCAN_HIGH = np.array([-80.0, -106.0, -69.0]), np.array([80.0, 58.0, 69.0])
"""Corners of a crop relative to the body centre, mm RAS: the window of the segmenter and 11 to 19 mm for shifts."""
SACRAL_BODIES = ("S1", "S2")
"""Bodies of the sacrum whose centres a crop stores."""


@dataclass(frozen=True)
class TrunkScan:
    """A whole trunk on the grid of the locator.

    Attributes
    ----------
    image
        (i, j, k) int16 HU, `COARSE_MM` apart, RAS.
    bone
        (i, j, k) uint8 labels, see `synthetic_ct.bone_labels`.
    centres
        (n, 3) float32, voxels: centres of the vertebral bodies.
    levels
        (n,) uint8: their labels.
    people
        Whose vertebrae it shows.
    """

    image: NDArray[np.int16]
    bone: Bytes
    centres: Singles
    levels: Bytes
    people: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the scan; `read_trunk` reads it."""
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
    """The surroundings of one vertebra on the grid of the segmenter.

    Attributes
    ----------
    image
        (i, j, k) int16 HU, `CROP_STEP_MM` apart, RAS.
    inside
        (i, j, k) uint8: the share of each voxel that the vertebra fills, 0 to 255.
    centre
        (3,) float32, voxels: centre of its body.
    level
        Its level.
    centres
        (n, 3) float32, voxels: centres of all bodies in the crop, `SACRAL_BODIES` among them.
    levels
        Their n names.
    people
        Whose vertebrae it shows; the first is the person of the vertebra in the middle.
    """

    image: NDArray[np.int16]
    inside: Bytes
    centre: Singles
    level: str
    centres: Singles
    levels: tuple[str, ...]
    people: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the crop; `read_crop` reads it."""
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


@dataclass(frozen=True)
class TrunkFiles:
    """Files of `TrunkScan`: of CTs that were synthesised (`drawn`), and of `real` ones."""

    drawn: list[Path]
    real: list[Path]


@dataclass(frozen=True)
class ScanFiles:
    """All files that the networks are trained on.

    Attributes
    ----------
    crops, real_crops
        `CropScan` files of synthetic and of real CTs.
    trunks, real_trunks
        `TrunkScan` files of synthetic and of real CTs.
    lumbosacral
        `CropScan` files of synthetic CTs about the lumbosacral junction.
    """

    crops: list[Path]
    real_crops: list[Path]
    trunks: list[Path]
    real_trunks: list[Path]
    lumbosacral: list[Path]


def bodies_in_crop(centres: Mapping[str, Floats], origin: Floats, shape: tuple[int, ...]) -> dict[str, Floats]:
    """Return the body centres (3,) that lie in a crop, in its voxels.

    Parameters
    ----------
    centres
        (3,) mm by name.
    origin, shape
        First voxel of the crop in mm, and its voxels.
    """
    voxels = {name: (centre - origin) / CROP_STEP_MM for name, centre in centres.items()}
    return {name: voxel for name, voxel in voxels.items() if ((voxel > 0.0) & (voxel < np.array(shape) - 1)).all()}


def read_trunk(path: Path) -> TrunkScan:
    """Read a file that `TrunkScan.save` wrote."""
    with np.load(path) as s:
        return TrunkScan(s["image"], s["bone"], s["centres"], s["levels"], tuple(map(str, s["people"])))


def read_crop(path: Path) -> CropScan:
    """Read a file that `CropScan.save` wrote."""
    with np.load(path) as s:
        levels, people = (tuple(map(str, s[name])) for name in ("levels", "people"))
        return CropScan(s["image"], s["inside"], s["centre"], str(s["level"]), s["centres"], levels, people)


def files_without(paths: list[Path], people: tuple[str, ...]) -> list[Path]:
    """Return the files of scans that show none of these people."""
    chosen = []
    for path in paths:
        with np.load(path) as stored:
            if not set(map(str, stored["people"])) & set(people):
                chosen.append(path)
    return chosen


def people_of_files(paths: list[Path]) -> list[str]:
    """Return the people whom files of trunks, crops or windows show, sorted."""
    people: set[str] = set()
    for path in paths:
        with np.load(path) as stored:
            people.update(map(str, stored["people"]))
    return sorted(people)
