"""How often ribs and sacrum are seen, level by level: what `workers.locate.level_model` weighs them by."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.segmentation.data.landmark_batches import CENTRE_ERROR_MM
from training.segmentation.data.synthetic_scans import CropScan, read_crop
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume
from workers.locate.landmark_network import SACRAL, SIDE_LOW, SIDE_SHAPE, LandmarkNetwork, Landmarks

GROUPS = {level: "T11 and above" for level in ("T9", "T10", "T11")} | {level: level for level in ("T12", "L1")}
GROUPS |= {level: "L2 to L4" for level in ("L2", "L3", "L4")} | {level: level for level in ("L5", "S1")}


@dataclass(frozen=True)
class LandmarkRate:
    """Of `count` vertebrae of some levels: the shares told to have ribs, to have none, and to be each of `SACRAL`."""

    levels: str
    real: bool
    count: int
    ribs: float
    none: float
    sacral: tuple[float, ...]


def landmark_rates(reader: LandmarkNetwork, paths: list[Path], real: bool) -> list[LandmarkRate]:
    """Show a network every body of the surroundings in `paths` whose height is in them, its centre a little off."""
    random = np.random.default_rng(5)
    told: dict[str, list[Landmarks]] = defaultdict(list)
    for path in tqdm(paths, desc="ribs and sacrum", disable=None):
        crop = read_crop(path)
        ct = Volume(crop.image, np.diag([*CROP_STEP_MM, 1.0]))
        for level, centre in zip(crop.levels, crop.centres, strict=True):
            if real and level not in (crop.level, "T12", "S1"):  # has surroundings of its own
                continue
            if level in GROUPS and _whole(crop, float(centre[2])):
                at = centre * CROP_STEP_MM + random.normal(0.0, CENTRE_ERROR_MM, 3)
                told[GROUPS[level]].append(reader.at(ct, at))
    return [_rate(name, real, told[name]) for name in dict.fromkeys(GROUPS.values()) if told[name]]


def _rate(levels: str, real: bool, told: list[Landmarks]) -> LandmarkRate:
    ribs, sacral = Counter(t.ribs for t in told), Counter(t.sacrum for t in told)
    n = len(told)
    return LandmarkRate(levels, real, n, ribs[True] / n, ribs[False] / n, tuple(sacral[where] / n for where in SACRAL))


def _whole(crop: CropScan, height: float) -> bool:
    """Whether what the network looks at about a body at `height` voxels lies within the surroundings."""
    low = height + SIDE_LOW[2] / CROP_STEP_MM[2]
    return low >= 0.0 and low + SIDE_SHAPE[2] <= crop.image.shape[2]
