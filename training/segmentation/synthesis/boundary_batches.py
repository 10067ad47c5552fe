"""Training batches of the segmenter: slices of CTs that are synthesised on the fly, and of labelled real CTs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import interpolate
from training.segmentation.synthesis.hounsfield import synthesise_hu
from training.segmentation.synthesis.labelled_tensors import LabelledTensors, look_at_real
from training.segmentation.synthesis.rib_thickness import thicken_ribs
from training.segmentation.synthesis.scanner import ScanPlan, scan
from training.segmentation.synthesis.views import (
    AIR,
    MIDDLE,
    View,
    channels,
    nothing_outside,
    outside_field,
)
from training.segmentation.synthesis.warp import Warp


@dataclass(frozen=True)
class BatchSize:
    """CTs in a batch, views of each, slices of each view: more of these cost less than more CTs."""

    volumes: int
    views: int
    slices: int


@dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Attributes
    ----------
    slices
        (b, CHANNELS, h, w) float32.
    targets
        (b, 6, h, w) float32: the share of each of `STRUCTURES` in a pixel; they sum to 1.
    ambiguous
        (b,) bool: "other" of these slices may be a disc, since nobody labelled discs.
    """

    slices: Tensor
    targets: Tensor
    ambiguous: Tensor


@dataclass(frozen=True)
class BoundaryBatches:
    """Draws batches.

    Attributes
    ----------
    crops
        Anatomy to synthesise CTs from.
    real
        Labelled real CTs.
    real_share
        How often a real CT is taken.
    size
        See `BatchSize`.
    seed
        A batch depends on it, on the number of the batch and on the kind of device alone.
    """

    crops: list[AnatomyTensors]
    size: BatchSize
    real: list[LabelledTensors] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> Batch:
        """Return batch `number`."""
        random = np.random.default_rng((self.seed, number))
        generator = torch.Generator(self.crops[0].code.device).manual_seed(int(random.integers(2**62)))
        parts: list[Batch] = []
        for _ in range(self.size.volumes):
            is_real = bool(self.real) and random.random() < self.real_share
            if is_real:
                scan = self.real[random.integers(len(self.real))]
                slices, targets = look_at_real(random, generator, scan, self.size.views, self.size.slices)
            else:
                anatomy = self.crops[random.integers(len(self.crops))]
                slices, targets = look_at_synthetic(random, generator, anatomy, self.size.views, self.size.slices)
            parts.append(Batch(slices, targets, torch.full((len(slices),), is_real, device=slices.device)))
        return Batch(
            *(torch.cat([getattr(part, name) for part in parts]) for name in ("slices", "targets", "ambiguous"))
        )


def look_at_synthetic(
    random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors, views: int, count: int
) -> tuple[Tensor, Tensor]:
    """Return `views` times `count` slices and targets of one synthesised CT."""
    anatomy = thicken_ribs(random, anatomy)
    hu, structures = synthesise_hu(random, generator, anatomy), anatomy.structures()
    warp, plan = Warp.draw(random, generator, anatomy), ScanPlan.draw(random)
    ct = scan(random, generator, hu, warp, plan)
    low, step = (torch.tensor(v, device=ct.device, dtype=torch.float32) for v in (plan.low, plan.step))
    slices, targets = [], []
    for _ in range(views):
        view = View.draw(random, warp.up_in_scanner, count, warp.to_scanner(anatomy.random_point(random)))
        points, heights = view.points(ct.device)
        voxels = (points - low) / step
        slices.append(channels(view, interpolate(ct, voxels, AIR)[0], heights))
        seen = interpolate(structures, warp(points[:, MIDDLE])).movedim(0, 1).float()
        targets.append(nothing_outside(seen, outside_field(voxels[:, MIDDLE], plan.shape)))
    return torch.cat(slices), torch.cat(targets)
