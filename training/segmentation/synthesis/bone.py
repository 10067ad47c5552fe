"""Hounsfield units of bone in torch: marrow, cortex, lesions; poor bone is an ordinary case."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.types import Singles
from synthetic_ct.bone_labels import PELVIS, RIB, label_of
from synthetic_ct.hounsfield import (
    COARSE_TEXTURE_HU,
    CORTEX_HU,
    CORTEX_MM,
    LEAST_MARROW_HU,
    LESION_HU,
    LESION_LEVEL,
    LESION_SHARE,
    LESION_WIDTH_MM,
    LEVEL_SD_HU,
    MARROW_HU,
    NEAR_CORTEX_HU,
    NEAR_CORTEX_MM,
    OTHER_BONES_FACTOR,
    OTHER_BONES_HU,
    POSTERIOR_CORTEX,
    POSTERIOR_HU,
    TRABECULAE_HU,
    TRABECULAE_WIDTH_MM,
    UNEVENNESS,
    UNEVENNESS_LIMITS,
    UNEVENNESS_WIDTH_MM,
)
from training.segmentation.data.anatomy_crops import VALUE_BITS
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import smooth_noise

POOR_SHARE, POOR_MARROW_HU = 0.2, (-20.0, 90.0)
"""Share of people with osteoporotic marrow, and its mean. L1 has 89 ± 38 HU from 90 years on (Jang et al., Radiology
291(2), 2019)."""
THIN_SHARE, THIN_CORTEX_HU = 0.2, (180.0, 400.0)
"""Share of scans in which the cortex hardly stands out (osteoporosis, thick slices), and its HU. Wide on purpose."""
ODD_SHARE, ODD_HU = 0.12, (-60.0, 200.0)
"""Share of scans in which the vertebra is denser or emptier than its neighbours, as after a collapse. By judgement."""
OUTERMOST_MM = 0.5
"""Depth of the outermost voxel's centre."""


def bone_hu(
    random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors, texture: Tensor
) -> Tensor:
    """Return the HU (1, 1, i, j, k) that every voxel has as bone; `texture` is that of `soft_tissue_hu`."""
    depth, behind = anatomy.depth[None, None], anatomy.behind[None, None]
    marrow = _marrow_hu(random, generator, anatomy, texture)
    marrow = marrow + behind * random.uniform(*POSTERIOR_HU)
    hard = random.uniform(*(THIN_CORTEX_HU if random.random() < THIN_SHARE else CORTEX_HU))
    thickness = random.uniform(*CORTEX_MM) * (1.0 + behind * (random.uniform(*POSTERIOR_CORTEX) - 1.0))
    uneven = 1.0 + UNEVENNESS * smooth_noise(anatomy.shape, UNEVENNESS_WIDTH_MM, generator)
    within = (depth - OUTERMOST_MM).clamp_min(0.0) / (thickness * uneven.clamp(*UNEVENNESS_LIMITS))
    return marrow + (hard - marrow) * torch.exp(-within.square())


def _marrow_hu(
    random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors, texture: Tensor
) -> Tensor:
    """Return the HU (1, 1, i, j, k) of trabecular bone."""
    table = torch.from_numpy(_label_means(random, anatomy.level)).to(texture.device)
    marrow = table[anatomy.value][None, None]
    marrow = marrow + random.uniform(*TRABECULAE_HU) * smooth_noise(anatomy.shape, TRABECULAE_WIDTH_MM, generator)
    marrow = marrow + random.uniform(*COARSE_TEXTURE_HU) * texture
    excess, fall = random.uniform(*NEAR_CORTEX_HU), random.uniform(*NEAR_CORTEX_MM)
    marrow = marrow + excess * torch.exp(-anatomy.depth[None, None] / fall)
    if random.random() < LESION_SHARE:
        lesion = smooth_noise(anatomy.shape, random.uniform(*LESION_WIDTH_MM), generator) > LESION_LEVEL
        marrow = marrow + lesion * float(random.choice([-1.0, 1.0]) * random.uniform(*LESION_HU))
    return marrow.clamp_min(LEAST_MARROW_HU)


def _label_means(random: np.random.Generator, level: str) -> Singles:
    """Return the mean HU (32,) float32 of the marrow of each bone label."""
    person = random.uniform(*(POOR_MARROW_HU if random.random() < POOR_SHARE else MARROW_HU))
    means = person + random.normal(0.0, LEVEL_SD_HU, VALUE_BITS + 1)
    means[[RIB, PELVIS]] = person * random.uniform(*OTHER_BONES_FACTOR) + random.uniform(*OTHER_BONES_HU)
    if random.random() < ODD_SHARE:
        means[label_of(level)] = person + random.uniform(*ODD_HU)
    return means.astype(np.float32)
