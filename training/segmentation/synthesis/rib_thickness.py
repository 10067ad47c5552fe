"""Thicker ribs: drawn ones are thin tubes and labelled ones end before the vertebra; real ones are thick and touch it.

Without them the segmenter took the first 2 to 4 cm of the ribs of every real T10 to T12 for transverse processes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synthetic_ct.bone_labels import RIB
from synthetic_ct.tissue import Tissue
from training.segmentation.data.anatomy_crops import (
    ANATOMY_MM,
    BEHIND_BIT,
    BONE_BIT,
    DEPTH_STEP_MM,
    JOINT_BIT,
    MOST_DEPTH,
)
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors

THICKER_SHARE = 0.75
"""How often ribs are made thicker."""
ACROSS_VOXELS, UP_VOXELS = (0, 3), (1, 6)
"""Voxels of 1 mm (from, below) that a rib grows on every side in its slice, and upwards and downwards: a rib is twice
as tall as thick. With the drawn 6 to 10 mm they become 6 to 14 mm thick and 8 to 20 mm tall. By eye on real CTs."""
KEPT = (Tissue.CANAL, Tissue.DISC)
"""What a rib does not grow into."""


def thicken_ribs(random: np.random.Generator, anatomy: AnatomyTensors) -> AnatomyTensors:
    """Return an anatomy whose ribs have grown by a random number of voxels, or the same one."""
    if random.random() > THICKER_SHARE:
        return anatomy
    across, up = int(random.integers(*ACROSS_VOXELS)), int(random.integers(*UP_VOXELS))
    value, is_bone = anatomy.value, anatomy.is_bone
    rib = is_bone & (value == RIB)
    if not bool(rib.any()):
        return anatomy
    free = ~is_bone
    for tissue in KEPT:
        free &= value != tissue
    steps = max(across, up)
    one = round(ANATOMY_MM / DEPTH_STEP_MM)
    depth = torch.where(rib, anatomy.depth_steps.int() + steps * one, anatomy.depth_steps.int())
    grown = rib
    for step in range(steps):
        new = _touched(grown, 1 if step < across else 0, 1 if step < up else 0) & free & ~grown
        depth = torch.where(new, (steps - step) * one, depth)
        grown = grown | new
    new = grown & ~rib
    joint = new & _touched(is_bone & ~rib, 1, 1)
    code = torch.where(new, (anatomy.code & BEHIND_BIT) | (BONE_BIT | RIB), anatomy.code)
    code = torch.where(joint, code | JOINT_BIT, code)
    return replace(anatomy, code=code, depth_steps=depth.clamp_max(MOST_DEPTH).to(anatomy.depth_steps.dtype))


def _touched(mask: Tensor, across: int, up: int) -> Tensor:
    """Return which voxels (i, j, k) lie within so many voxels of a mask, its own among them."""
    size, beside = (2 * across + 1, 2 * across + 1, 2 * up + 1), (across, across, up)
    return functional.max_pool3d(mask[None, None].float(), size, 1, beside)[0, 0] > 0
