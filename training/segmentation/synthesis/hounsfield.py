"""Hounsfield units of a whole anatomy crop in torch (SynthSeg for CT; Billot et al., Med Image Anal 2023)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synthetic_ct.hounsfield import JOINT_SHARE, TEXTURE_WIDTH_MM, draw_tissue_hu
from synthetic_ct.tissue import Tissue
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.bone import bone_hu
from training.segmentation.synthesis.fields import smooth_noise
from training.segmentation.synthesis.implants import CEMENT_SHARE, SCREW_SHARE, add_cement, add_screws
from training.segmentation.synthesis.soft_tissue import soft_tissue_hu


def synthesise_hu(random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors) -> Tensor:
    """Return the HU (1, 1, i, j, k) float32 of an anatomy on its grid, without noise or blur.

    Parameters
    ----------
    random
        Source of every number.
    generator
        Source of every field; its device is the anatomy's.
    anatomy
        What is drawn.
    """
    table = draw_tissue_hu(random)
    texture = smooth_noise(anatomy.shape, TEXTURE_WIDTH_MM, generator)
    hu = soft_tissue_hu(random, generator, anatomy, table, texture)
    bone = bone_hu(random, generator, anatomy, texture)
    if random.random() < JOINT_SHARE:
        bone = torch.where(anatomy.joint[None, None], float(table[Tissue.CARTILAGE]), bone)
    hu = torch.where(anatomy.is_bone[None, None], bone, hu)
    if random.random() < CEMENT_SHARE:
        add_cement(random, generator, hu, anatomy)
    if random.random() < SCREW_SHARE:
        add_screws(random, hu)
    return hu
