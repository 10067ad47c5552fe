"""Windows of synthesised CTs along the spine, and what the row network should mark in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.types import Floats
from synthetic_ct.bone_labels import SACRUM, THORACOLUMBAR_LEVELS
from synthetic_ct.tissue import Tissue
from training.segmentation.data.anatomy_crops import ANATOMY_MM, BONE_BIT, CENTRE, VALUE_BITS, AnatomyCrop
from training.segmentation.data.row_batches import HEAT_SD_MM, WINDOW_SLICES, RowWindows, encode_hu
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import interpolate
from training.segmentation.synthesis.hounsfield import synthesise_hu
from training.segmentation.synthesis.scanner import ScanPlan, scan
from training.segmentation.synthesis.views import AIR, outside_field
from training.segmentation.synthesis.warp import Warp
from workers.locate.body_centre import THICKNESS_POWER
from workers.locate.row_network import ROW_LOW, ROW_MM, ROW_SHAPE

AXIS_ERROR_MM, SLOPE_ERROR = (7.0, 8.0), 0.12
"""Standard deviations of the axis' place, to the side and forward, and of its slope: the locator's axis is so exact."""
HEIGHT_ERROR_MM = 8.0
"""Standard deviation of the window's middle along z: the crop ends 80 mm above and below the body centre."""
HALF_PITCH_MM = 14.0
"""So far beyond the outermost body that is whole in the crop, nothing else can be a body centre."""
BORDER_VOXELS = 2
"""A bone nearer than this to the crop's upper or lower face is cut."""


@dataclass(frozen=True)
class Bodies:
    """The bodies of a crop that are whole in it.

    Attributes
    ----------
    centres
        (n, 3) mm from the crop's body centre.
    low, high
        mm along the axis: between these no other body centre lies.
    """

    centres: Floats
    low: float
    high: float

    @classmethod
    def of(cls, crop: AnatomyCrop) -> Bodies:
        """Find the bodies of a crop: the middle of the thick part of each bone, as `body_centre` finds it."""
        bone, depth = crop.bone, crop.depth
        centres, whole, cut = [], [], []
        for label in range(1, len(THORACOLUMBAR_LEVELS) + 1):
            points = np.argwhere(bone == label)
            if not len(points):
                continue
            if points[:, 2].min() < BORDER_VOXELS or points[:, 2].max() >= bone.shape[2] - BORDER_VOXELS:
                cut.append(label)
                continue
            whole.append(label)
            weight = depth[tuple(points.T)].astype(np.float64) ** THICKNESS_POWER
            centres.append((weight @ points / weight.sum() - CENTRE) * ANATOMY_MM)
        heights = np.array(centres) @ crop.up
        high = heights.max() + HALF_PITCH_MM if any(label < min(whole) for label in cut) else np.inf
        low = heights.min() - HALF_PITCH_MM if any(label > max(whole) for label in cut) else -np.inf
        return cls(np.array(centres), float(low), float(high))


def draw_row_windows(
    random: np.random.Generator, generator: torch.Generator, anatomy: AnatomyTensors, bodies: Bodies, count: int
) -> RowWindows:
    """Return `count` windows of one synthesised CT, each along another guess of the spine axis."""
    hu = synthesise_hu(random, generator, anatomy)
    warp, plan = Warp.draw(random, generator, anatomy), ScanPlan.draw(random)
    ct = scan(random, generator, hu, warp, plan)
    low, step = (torch.tensor(v, device=ct.device, dtype=torch.float32) for v in (plan.low, plan.step))
    images, marks = [], []
    for _ in range(count):
        points = _window_points(random, warp.up_in_scanner).to(ct.device)
        voxels = (points - low) / step
        images.append(encode_hu(interpolate(ct, voxels, AIR)[0].cpu().numpy()))
        shown = ~outside_field(voxels, plan.shape)
        marks.append(_marks(warp(points), anatomy, bodies, shown))
    return RowWindows(np.stack(images), torch.stack(marks).cpu().numpy(), anatomy.people)


def _window_points(random: np.random.Generator, up: Floats) -> Tensor:
    """Return the points (*ROW_SHAPE, WINDOW_SLICES, 3) mm of a window about a guess of the axis."""
    x, y = (ROW_LOW[a] + ROW_MM * torch.arange(ROW_SHAPE[a], dtype=torch.float32) for a in range(2))
    z = (torch.arange(WINDOW_SLICES, dtype=torch.float32) - WINDOW_SLICES / 2) * ROW_MM
    slope = up[:2] / up[2] + random.normal(0.0, SLOPE_ERROR, 2)
    off = random.normal(0.0, AXIS_ERROR_MM)
    height = z + float(random.normal(0.0, HEIGHT_ERROR_MM))
    parts = torch.broadcast_tensors(
        x[:, None, None] + float(off[0]) + float(slope[0]) * height,
        y[None, :, None] + float(off[1]) + float(slope[1]) * height,
        height,
    )
    return torch.stack(parts, dim=-1)


def _marks(voxels: Tensor, anatomy: AnatomyTensors, bodies: Bodies, shown: Tensor) -> Tensor:
    """Return the marks (MARKS, ...) uint8 of the crop's voxels (..., 3); none where the scan shows nothing."""
    size = torch.tensor(anatomy.shape, device=voxels.device)
    nearest = voxels.round().long()
    inside = ((nearest >= 0) & (nearest < size)).all(dim=-1)
    nearest = nearest.clamp_min(0).minimum(size - 1)
    code = anatomy.code[nearest[..., 0], nearest[..., 1], nearest[..., 2]]
    bone, value = (code & BONE_BIT) > 0, code & VALUE_BITS
    disc = ~bone & (value == Tissue.DISC) & inside
    sacrum = bone & (value == SACRUM) & inside
    offset = voxels - torch.tensor(CENTRE, device=voxels.device, dtype=torch.float32)
    heat = torch.zeros(voxels.shape[:-1], device=voxels.device)
    for centre in bodies.centres:
        away = (offset * ANATOMY_MM - torch.tensor(centre, device=voxels.device, dtype=torch.float32)).square().sum(-1)
        heat = torch.maximum(heat, torch.exp(-away / (2.0 * HEAT_SD_MM**2)))
    height = offset @ torch.tensor(anatomy.up, device=voxels.device, dtype=torch.float32) * ANATOMY_MM
    known = (height > bodies.low) & (height < bodies.high)
    marks = torch.stack([heat * shown, (disc & shown).float(), (sacrum & shown).float(), known.float()])
    return (marks * 255.0).round().to(torch.uint8)
