"""Labelled real CTs as tensors, and random views of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.types import Floats
from training.segmentation.data.labelled_cts import LabelledCt
from training.segmentation.synthesis.anatomy_tensors import one_hot, structure_table
from training.segmentation.synthesis.fields import blur, interpolate, white_noise
from training.segmentation.synthesis.views import (
    AIR,
    MIDDLE,
    View,
    channels,
    nothing_outside,
    outside_field,
)

GAIN, OFFSET_HU = (0.92, 1.08), 15.0
"""Range of the factor of the HU, and largest offset: other scanners and tube voltages. By judgement."""
NOISE_SHARE, NOISE_HU = 0.5, (3.0, 40.0)
"""How often noise is added, and its standard deviation, on a logarithmic scale."""
BLUR_SHARE, BLUR_VOXELS = 0.3, (0.3, 0.9)
"""How often a CT is blurred, and the standard deviation."""
STRETCH_SD, ASPECT_SD = 0.06, 0.03
"""Standard deviations of the logarithm of the size, and of each axis' part in it."""


@dataclass(frozen=True)
class LabelledTensors:
    """A `LabelledCt` on a device.

    Attributes
    ----------
    ct
        (1, 1, i, j, k) float32 HU.
    bone
        (i, j, k) int64 labels.
    source
        Everything else.
    """

    ct: Tensor
    bone: Tensor
    source: LabelledCt

    @classmethod
    def of(cls, source: LabelledCt, device: torch.device) -> LabelledTensors:
        """Move a CT to a device."""
        ct, bone = torch.from_numpy(source.ct.astype(np.float32)), torch.from_numpy(source.bone.astype(np.int64))
        return cls(ct[None, None].to(device), bone.to(device), source)

    def structures(self, level: str) -> Tensor:
        """Return (1, 6, i, j, k): see `AnatomyTensors.structures`. Discs have no label: they are "other" too."""
        return one_hot(torch.from_numpy(structure_table(level)).to(self.bone.device)[self.bone])

    def look(self, which: int, view: View, ct: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the slices (n, CHANNELS, h, w) and targets (n, 6, h, w) of a view of the vertebra `which`.

        `ct` is a varied CT of the same shape. The view's frame is the world about the body centre.
        """
        ct = self.ct if ct is None else ct
        points, heights = view.points(ct.device)
        inverse = np.linalg.inv(self.source.affine)
        offset = inverse[:3, :3] @ self.source.centres[which] + inverse[:3, 3]
        matrix, start = (torch.tensor(v, device=ct.device, dtype=torch.float32) for v in (inverse[:3, :3].T, offset))
        voxels = points @ matrix + start
        slices = channels(view, interpolate(ct, voxels, AIR)[0], heights)
        middle = voxels[:, MIDDLE]
        targets = interpolate(self.structures(self.source.levels[which]), middle).movedim(0, 1).float()
        return slices, nothing_outside(targets, outside_field(middle, tuple(ct.shape[2:])))


def look_at_real(
    random: np.random.Generator, generator: torch.Generator, scan: LabelledTensors, views: int, count: int
) -> tuple[Tensor, Tensor]:
    """Return `views` times `count` slices and targets of a random vertebra of a CT, with varied HU and shape."""
    which = int(random.integers(len(scan.source.levels)))
    ct = scan.ct * random.uniform(*GAIN) + random.uniform(-OFFSET_HU, OFFSET_HU)
    if random.random() < NOISE_SHARE:
        ct = ct + float(np.exp(random.uniform(*np.log(NOISE_HU)))) * white_noise(tuple(ct.shape), generator)
    if random.random() < BLUR_SHARE:
        deviation = random.uniform(*BLUR_VOXELS)
        ct = blur(ct, (deviation, deviation, deviation))
    seen = [scan.look(which, _draw_view(random, scan.source.up[which], count), ct) for _ in range(views)]
    slices, targets = zip(*seen, strict=True)
    return torch.cat(slices), torch.cat(targets)


def _draw_view(random: np.random.Generator, up: Floats, count: int) -> View:
    """Return a random view that also stretches and mirrors."""
    view = View.draw(random, up, count)
    size = np.exp(random.normal(0.0, STRETCH_SD) + random.normal(0.0, ASPECT_SD, 3))
    mirror = np.array([-1.0 if random.random() < 0.5 else 1.0, 1.0, 1.0])
    return replace(view, turn=view.turn @ np.diag(size * mirror))
