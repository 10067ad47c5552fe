"""Scan an anatomy in torch: protocol, field of view, slices, noise, and the window of HU that was stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.types import Floats
from synthetic_ct.scanner import (
    COARSE_PIXEL_MM,
    DRIFT_HU,
    DRIFT_SHARE,
    DRIFT_WIDTH_MM,
    HIGHEST_HU,
    LOWEST_HU,
    PIXEL_BLUR,
    Protocol,
)
from training.segmentation.data.anatomy_crops import ANATOMY_MM
from training.segmentation.synthesis.fields import blur, interpolate, smooth_noise, voxel_grid, white_noise
from training.segmentation.synthesis.warp import Warp

FIELD_LOW, FIELD_HIGH = np.array([-74.0, -98.0, -72.0]), np.array([74.0, 50.0, 66.0])
"""Corners of the scanned field about the body centre, mm: the segmenter's window, its outer slices, and 8 mm more."""
LEAST_PIXEL_MM = 0.8
"""Smaller pixels show nothing more of a crop of `ANATOMY_MM`."""
SAGITTAL_SHARE, SAGITTAL_STEP_MM = 0.12, (2.0, 5.0)
"""How often slices are sagittal, as in CTs of the spine, and the distance between them."""
CUT_SHARE, CUT_MM, CUT_ENDS_SHARE = 0.15, (10.0, 45.0), 0.7
"""How often the field of view ends early, by how much, and how often of these above or below."""
WINDOW_SHARE, WINDOW_LOW_HU, WINDOW_HIGH_HU = 0.1, (-1024.0, -200.0), (600.0, 3071.0)
"""How often HU were stored in a window, and the ranges of its ends."""
SUBSAMPLE_MM = 1.0
"""Distance of the planes that are averaged to one thick slice."""
LEAST_DEVIATION = 1e-4


@dataclass(frozen=True)
class ScanPlan:
    """How one scan is made.

    Attributes
    ----------
    protocol
        Thickness, blur and noise.
    thick_axis
        Axis across the slices: 2 for axial ones, 0 for sagittal ones.
    low, step
        (3,) mm: first voxel about the body centre, and the distance of voxels.
    shape
        Voxels (i, j, k).
    """

    protocol: Protocol
    thick_axis: int
    low: Floats
    step: Floats
    shape: tuple[int, int, int]

    @classmethod
    def draw(cls, random: np.random.Generator) -> ScanPlan:
        """Return a random plan."""
        protocol = Protocol.draw(random)
        low, high = FIELD_LOW.copy(), FIELD_HIGH.copy()
        if random.random() < CUT_SHARE:
            axis = 2 if random.random() < CUT_ENDS_SHARE else int(random.integers(2))
            cut = random.uniform(*CUT_MM)
            if random.random() < 0.5:
                low[axis] += cut
            else:
                high[axis] -= cut
        sagittal = random.random() < SAGITTAL_SHARE
        slice_step = random.uniform(*SAGITTAL_STEP_MM) if sagittal else protocol.step_mm
        return cls.of(protocol, 0 if sagittal else 2, float(slice_step), (low, high))

    @classmethod
    def of(cls, protocol: Protocol, thick_axis: int, slice_step: float, field: tuple[Floats, Floats]) -> ScanPlan:
        """Return the plan of a protocol whose slices lie `slice_step` mm apart along an axis, in a field of view."""
        step = np.full(3, max(protocol.in_plane_mm, LEAST_PIXEL_MM))
        step[thick_axis] = slice_step
        i, j, k = (int(n) for n in np.maximum((field[1] - field[0]) / step + 1.0, 2.0))
        return cls(protocol, thick_axis, field[0], step, (i, j, k))

    @property
    def thickness_mm(self) -> float:
        """Thickness of a slice: the protocol's share of the distance between slices."""
        return float(self.step[self.thick_axis] * self.protocol.slice_mm / self.protocol.step_mm)


def scan(random: np.random.Generator, generator: torch.Generator, hu: Tensor, warp: Warp, plan: ScanPlan) -> Tensor:
    """Return the CT (1, 1, *plan.shape) float32 HU of a crop's `hu` (1, 1, i, j, k)."""
    ct = _slices(_reconstruct(hu, plan), warp, plan)
    ct = ct + plan.protocol.noise_hu * _noise(generator, plan)
    if random.random() < DRIFT_SHARE:
        width = DRIFT_WIDTH_MM / float(plan.step.mean())
        ct = ct + random.uniform(*DRIFT_HU) * smooth_noise(plan.shape, width, generator)
    if random.random() < WINDOW_SHARE:
        ct = ct.clamp(random.uniform(*WINDOW_LOW_HU), random.uniform(*WINDOW_HIGH_HU))
    return ct.clamp(LOWEST_HU, HIGHEST_HU)


def _reconstruct(hu: Tensor, plan: ScanPlan) -> Tensor:
    """Return `hu` blurred by the kernel and by pixels larger than its voxels."""
    pixel = plan.protocol.in_plane_mm
    within = np.hypot(plan.protocol.blur_mm, PIXEL_BLUR * pixel if pixel > COARSE_PIXEL_MM[0] else 0.0)
    deviation = float(within / ANATOMY_MM)
    return blur(hu, (deviation, deviation, deviation))


def _slices(hu: Tensor, warp: Warp, plan: ScanPlan) -> Tensor:
    """Return the mean (1, 1, *plan.shape) over the thickness of each slice."""
    step, low = (torch.tensor(v, device=hu.device, dtype=torch.float32) for v in (plan.step, plan.low))
    points = voxel_grid(plan.shape, hu.device) * step + low
    planes = max(1, round(plan.thickness_mm / SUBSAMPLE_MM))
    total = torch.zeros(plan.shape, device=hu.device)
    for plane in range(planes):
        across = torch.zeros(3, device=hu.device)
        across[plan.thick_axis] = ((plane + 0.5) / planes - 0.5) * plan.thickness_mm
        total += interpolate(hu, warp(points + across))[0]
    return (total / planes)[None, None]


def _noise(generator: torch.Generator, plan: ScanPlan) -> Tensor:
    """Return grainy noise (1, 1, *plan.shape) of unit deviation; slices are independent."""
    noise = white_noise((1, 1, *plan.shape), generator)
    i, j, k = (0.0 if axis == plan.thick_axis else plan.protocol.grain for axis in range(3))
    noise = blur(noise, (i, j, k))
    return noise / noise.std().clamp_min(LEAST_DEVIATION)
