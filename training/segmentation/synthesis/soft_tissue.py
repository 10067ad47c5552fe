"""Hounsfield units of soft tissue and discs in torch; the ranges are those of `synthetic_ct.hounsfield`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.types import Singles
from synthetic_ct.hounsfield import TEXTURE_HU
from synthetic_ct.tissue import Tissue
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import smooth_noise

GAS_SHARE, GAS_HU = 0.12, (-500.0, -50.0)
"""Share of scans with pockets of gas in their discs (vacuum phenomenon), and the HU of a pocket. Wide on purpose."""
GAS_WIDTH_MM, GAS_LEVEL = (4.0, 9.0), (0.3, 1.5)
"""Pockets lie where smooth noise of this width exceeds this many standard deviations."""
DENSE_SHARE, DENSE_HU = 0.1, (20.0, 120.0)
"""Share of scans with dense or calcified discs, and what they have beyond others. Wide on purpose."""


def soft_tissue_hu(
    random: np.random.Generator,
    generator: torch.Generator,
    anatomy: AnatomyTensors,
    table: Singles,
    texture: Tensor,
) -> Tensor:
    """Return the HU (1, 1, i, j, k) of all voxels outside bone.

    Parameters
    ----------
    random, generator
        Sources of numbers and of fields.
    anatomy
        What is drawn.
    table
        (17,) HU of each `Tissue`, see `draw_tissue_hu`.
    texture
        (1, 1, i, j, k) smooth noise that all tissues share.
    """
    tissue = torch.where(anatomy.is_bone, int(Tissue.AIR), anatomy.value)
    hu = torch.from_numpy(table).to(texture.device)[tissue][None, None]
    hu = hu + (tissue > Tissue.AIR)[None, None] * random.uniform(*TEXTURE_HU) * texture
    disc = (tissue == Tissue.DISC)[None, None]
    if random.random() < GAS_SHARE:
        field = smooth_noise(anatomy.shape, random.uniform(*GAS_WIDTH_MM), generator)
        hu[disc & (field > random.uniform(*GAS_LEVEL))] = random.uniform(*GAS_HU)
    if random.random() < DENSE_SHARE:
        hu = hu + disc * random.uniform(*DENSE_HU)
    return hu
