"""How often ribs are seen, level by level: what `workers.stages.numbering` weighs them by."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.segmentation.rib_batches import CENTRE_ERROR_MM
from training.segmentation.scans import CropScan, read_crop
from workers.stages.ribs import SIDE_LOW, SIDE_SHAPE, RibReader
from workers.stages.segment_grid import CROP_STEP_MM
from workers.stages.volume import Volume

GROUPS = {level: "T11 and above" for level in ("T9", "T10", "T11")} | {"T12": "T12", "L1": "L1"}
ELSE = "L2 to L5"


@dataclass(frozen=True)
class RibRate:
    """Of `count` vertebrae of some levels: the shares that are told to have ribs, and to have none."""

    levels: str
    real: bool
    count: int
    ribs: float
    none: float


def rib_rates(reader: RibReader, paths: list[Path], real: bool) -> list[RibRate]:
    """Show a network every body of the surroundings in `paths` whose height is in them, its centre a little off."""
    random = np.random.default_rng(5)
    told: dict[str, Counter[bool | None]] = defaultdict(Counter)
    for path in tqdm(paths, desc="ribs", disable=None):
        crop = read_crop(path)
        ct = Volume(crop.image, np.diag([*CROP_STEP_MM, 1.0]))
        for level, centre in zip(crop.levels, crop.centres, strict=True):
            if real and level not in (crop.level, "T12"):  # has surroundings of its own
                continue
            if _whole(crop, float(centre[2])):
                at = centre * CROP_STEP_MM + random.normal(0.0, CENTRE_ERROR_MM, 3)
                told[GROUPS.get(level, ELSE)][reader.at(ct, at)] += 1
    order = [*dict.fromkeys(GROUPS.values()), ELSE]
    return [
        RibRate(name, real, c.total(), c[True] / c.total(), c[False] / c.total())
        for name, c in ((name, told[name]) for name in order)
        if c.total()
    ]


def _whole(crop: CropScan, height: float) -> bool:
    """Whether what the network looks at about a body at `height` voxels lies within the surroundings."""
    low = height + SIDE_LOW[2] / CROP_STEP_MM[2]
    return low >= 0.0 and low + SIDE_SHAPE[2] <= crop.image.shape[2]
