"""Anatomy crops and their structures as tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.types import Bytes, Floats
from synthetic_ct.bone_labels import N_LABELS, SACRUM, THORACOLUMBAR_LEVELS, label_of
from synthetic_ct.tissue import Tissue
from training.segmentation.data.anatomy_crops import (
    ANATOMY_MM,
    BEHIND_BIT,
    BONE_BIT,
    CENTRE,
    DEPTH_STEP_MM,
    JOINT_BIT,
    VALUE_BITS,
    AnatomyCrop,
    Span,
)
from workers.imaging.network_input import STRUCTURES

OTHER, DISC = STRUCTURES.index("other"), STRUCTURES.index("disc")


@dataclass(frozen=True)
class AnatomyTensors:
    """An `AnatomyCrop` on a device.

    Attributes
    ----------
    code, depth_steps
        (i, j, k) uint8, see `AnatomyCrop`.
    level, people, up, discs
        See `AnatomyCrop`.
    """

    code: Tensor
    depth_steps: Tensor
    level: str
    people: tuple[str, ...]
    up: Floats
    discs: tuple[Span | None, Span | None]

    @classmethod
    def of(cls, crop: AnatomyCrop, device: torch.device) -> AnatomyTensors:
        """Move a crop to a device."""
        code, depth = (torch.from_numpy(np.array(a)).to(device) for a in (crop.code, crop.depth))
        return cls(code, depth, crop.level, crop.people, crop.up, crop.discs)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (i, j, k)."""
        i, j, k = self.code.shape
        return i, j, k

    @property
    def is_bone(self) -> Tensor:
        """(i, j, k) bool."""
        return (self.code & BONE_BIT) > 0

    @property
    def value(self) -> Tensor:
        """(i, j, k) int64: the bone's label in bone, the `Tissue` elsewhere."""
        return (self.code & VALUE_BITS).long()

    @property
    def joint(self) -> Tensor:
        """(i, j, k) bool: bone that touches another bone."""
        return (self.code & JOINT_BIT) > 0

    @property
    def behind(self) -> Tensor:
        """(i, j, k) float32, 1 behind the bodies."""
        return ((self.code & BEHIND_BIT) > 0).float()

    @property
    def depth(self) -> Tensor:
        """(i, j, k) float32 mm: distance to the surface of the voxel's own bone."""
        return self.depth_steps.float() * DEPTH_STEP_MM

    def random_point(self, random: np.random.Generator) -> Floats:
        """Return the centre (3,) mm, from the body centre, of a random voxel of the vertebra in the middle."""
        inside = torch.nonzero(self.is_bone & (self.value == label_of(self.level)))
        voxel = inside[int(random.integers(len(inside)))].cpu().numpy().astype(np.float64)
        return np.asarray((voxel - CENTRE) * ANATOMY_MM)

    def structures(self) -> Tensor:
        """Return (1, 6, i, j, k) of `sampling_dtype`: 1 where a voxel is that one of `STRUCTURES`."""
        table = torch.from_numpy(structure_table(self.level)).to(self.code.device)
        disc = (~self.is_bone) & (self.value == Tissue.DISC)
        found = torch.where(self.is_bone, table[self.value], torch.where(disc, DISC, OTHER))
        return one_hot(found)


def structure_table(level: str) -> Bytes:
    """Return which of `STRUCTURES` each bone label (256,) is beside a vertebra of that level."""
    table = np.full(N_LABELS, OTHER, np.uint8)
    own = label_of(level)
    table[own] = STRUCTURES.index("vertebra")
    if own > 1:
        table[own - 1] = STRUCTURES.index("above")
    if own < len(THORACOLUMBAR_LEVELS):
        table[own + 1] = STRUCTURES.index("below")
    table[SACRUM] = STRUCTURES.index("sacrum")
    return table


def one_hot(structures: Tensor) -> Tensor:
    """Return (1, 6, i, j, k) of `sampling_dtype` from indices (i, j, k)."""
    dtype = sampling_dtype(structures.device)
    return torch.stack([(structures == k).to(dtype) for k in range(len(STRUCTURES))])[None]


def sampling_dtype(device: torch.device) -> torch.dtype:
    """Return the type that shares are sampled in: half precision where the device is made for it."""
    return torch.float16 if device.type == "cuda" else torch.float32
