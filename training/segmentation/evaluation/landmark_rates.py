"""How often ribs and sacrum are recognised, level by level: `workers.locate.level_model` weighs them by these rates."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.segmentation.data.landmark_batches import CENTRE_ERROR_MM
from training.segmentation.data.scan_files import CropScan, ScanFiles, files_without, read_crop
from training.segmentation.evaluation.trained_folds import TrainedFolds
from training.segmentation.fitting.folds import BASE
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume
from workers.locate.landmark_network import SACRAL_POSITIONS, SIDE_LOW, SIDE_SHAPE, LandmarkNetwork, Landmarks

GROUPS = {level: "T11 and above" for level in ("T9", "T10", "T11")} | {level: level for level in ("T12", "L1")}
GROUPS |= {level: "L2 to L4" for level in ("L2", "L3", "L4")} | {level: level for level in ("L5", "S1")}
"""The row of the table that each level counts in."""
SYNTHETIC_CROPS = 150
"""About so many crops of synthetic vertebrae, and as many of lumbosacral junctions, are evaluated."""
RATES_SEED = 5
"""Of the errors that are added to the body centres."""
OTHER_REAL_LEVELS = ("T12", "S1")
"""Levels that the real CT has no crop of, since it cuts them: they are evaluated wherever a crop shows them."""


@dataclass(frozen=True)
class LandmarkRate:
    """What the network says of `count` vertebrae of some levels.

    Attributes
    ----------
    levels, real, count
        Row of the table, whether the CTs are real ones, and how many vertebrae.
    ribs, none
        Share that is said to have ribs, and share that is said to have none.
    sacral
        Share that is said to be each of `SACRAL_POSITIONS`.
    """

    levels: str
    real: bool
    count: int
    ribs: float
    none: float
    sacral: tuple[float, ...]


def evaluate_landmarks(files: ScanFiles, trained: TrainedFolds) -> list[LandmarkRate]:
    """Return the rates of people whom the base has not seen; none where it is not trained."""
    if not trained.has("landmarks", BASE):
        return []
    network, held_out = trained.landmarks(BASE), []
    for paths in (files.crops, files.lumbosacral):
        others = set(files_without(paths, BASE.without))
        own = [path for path in paths if path not in others]
        held_out += own[:: max(1, len(own) // SYNTHETIC_CROPS)]
    return landmark_rates(network, held_out, False) + landmark_rates(network, files.real_crops, True)


def landmark_rates(network: LandmarkNetwork, paths: list[Path], real: bool) -> list[LandmarkRate]:
    """Return the rates over all bodies whose sides lie within their crop; their centres get a random error."""
    random = np.random.default_rng(RATES_SEED)
    found: dict[str, list[Landmarks]] = defaultdict(list)
    for path in tqdm(paths, desc="ribs and sacrum", disable=None):
        crop = read_crop(path)
        ct = Volume(crop.image, np.diag([*CROP_STEP_MM, 1.0]))
        for level, centre in zip(crop.levels, crop.centres, strict=True):
            if real and level not in (crop.level, *OTHER_REAL_LEVELS):  # it has a crop of its own
                continue
            if level in GROUPS and _shows_sides(crop, float(centre[2])):
                point = centre * CROP_STEP_MM + random.normal(0.0, CENTRE_ERROR_MM, 3)
                found[GROUPS[level]].append(network.at(ct, point))
    return [_rate(name, real, found[name]) for name in dict.fromkeys(GROUPS.values()) if found[name]]


def _rate(levels: str, real: bool, found: list[Landmarks]) -> LandmarkRate:
    ribs, sacral = Counter(landmarks.ribs for landmarks in found), Counter(landmarks.sacrum for landmarks in found)
    n = len(found)
    positions = tuple(sacral[position] / n for position in SACRAL_POSITIONS)
    return LandmarkRate(levels, real, n, ribs[True] / n, ribs[False] / n, positions)


def _shows_sides(crop: CropScan, height: float) -> bool:
    """Whether the sides of a body at `height` voxels lie within the crop."""
    low = height + SIDE_LOW[2] / CROP_STEP_MM[2]
    return low >= 0.0 and low + SIDE_SHAPE[2] <= crop.image.shape[2]
