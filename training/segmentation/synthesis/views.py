"""The slices that the segmenter sees of a CT, in the scan's axes or in the vertebra's own frame, and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.types import Floats
from synthetic_ct.rotation import rotation_matrix
from synthetic_ct.scanner import LOWEST_HU
from training.segmentation.synthesis.anatomy_tensors import OTHER
from workers.imaging.frame import frame_of
from workers.imaging.network_input import (
    CENTRE_MM,
    HEIGHT_MM,
    HIGH_HU,
    LOW_HU,
    MIDDLE_HU,
    MOST_HEIGHTS,
    NEIGHBOURS,
    SCALE_HU,
    STRUCTURES,
)

WINDOW_LOW, WINDOW_SHAPE, WINDOW_STEP = (-64.0, -88.0, -58.0), (128, 128, 72), (1.0, 1.0, 1.5)
"""The segmenter's window: `CROP_LOW`, `CROP_SHAPE` and `CROP_STEP_MM` of workers, without importing NIfTI readers."""
MIDDLE = NEIGHBOURS.index(0)

FRAME_SHARE = 0.6
"""How often a view is turned into the vertebra's frame; the others keep the scan's axes."""
TURN_SD_DEG = (4.0, 3.0, 3.0)
"""Standard deviations of the error of the frame, and of turns of the scan's axes. By judgement."""
SHIFT_SD_MM, FAR_SHARE, FAR_MM = 2.5, 0.25, 10.0
"""Error of the body centre along each axis. Body centres are located to 2 mm; now and then the error is larger."""
SEED_SHARE, SEED_WINDOW_MM = 0.12, 15.0
"""How often the view's origin lies anywhere in the vertebra, as a seed does, and how far its window strays then."""
SEED_HEIGHT_MM = 10.0
"""From this height over the body centre on, the window of a seed is moved down or up to the vertebra."""
NEAR_SHARE, NEAR_SD_SLICES = 0.5, 13.0
"""How often slices are taken near the body's, and the standard deviation of their heights."""
NEAR_MIDDLE = 2
"""Slices between the middle of the window and the slices that are taken near the body."""


@dataclass(frozen=True)
class View:
    """How a CT is looked at.

    Attributes
    ----------
    turn
        (3, 3): mm in the view to mm in the scanner's frame; its columns are the view's axes.
    shift
        (3,) mm in the scanner's frame: the view's origin.
    slices
        (n,) indices into the slices of the window.
    low
        (3,) mm in the view: the window's first voxel.
    """

    turn: Floats
    shift: Floats
    slices: NDArray[np.int64]
    low: tuple[float, float, float] = WINDOW_LOW

    @classmethod
    def draw(cls, random: np.random.Generator, up: Floats, count: int, seed: Floats | None = None) -> View:
        """Return a random view of `count` slices of a vertebra with the axis `up` (3,).

        `seed` is a point (3,) of the vertebra, mm in the scanner's frame from the body centre: now and then the view's
        origin lies there.
        """
        turn = frame_of(up) if random.random() < FRAME_SHARE else np.eye(3)
        turn = turn @ rotation_matrix(np.radians(random.normal(0.0, TURN_SD_DEG)))
        slices = _draw_slices(random, count)
        if seed is not None and random.random() < SEED_SHARE:
            return cls(turn, seed, slices, _seed_window(random, turn.T @ seed))
        far = random.random() < FAR_SHARE
        shift = random.uniform(-FAR_MM, FAR_MM, 3) if far else random.normal(0.0, SHIFT_SD_MM, 3)
        return cls(turn, shift, slices)

    def points(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return where the channels' pixels lie.

        Returns
        -------
        Points (n, len(NEIGHBOURS), h, w, 3) mm in the scanner's frame, and the heights (n,) mm of the slices.
        """
        x, y = self.axes(device)
        planes = self.slices[:, None] + np.array(NEIGHBOURS)
        z = torch.tensor(self.low[2] + WINDOW_STEP[2] * planes, device=device, dtype=torch.float32)
        parts = torch.broadcast_tensors(x[None, None, :, None], y[None, None, None, :], z[:, :, None, None])
        turn, shift = (torch.tensor(v, device=device, dtype=torch.float32) for v in (self.turn, self.shift))
        return torch.stack(parts, dim=-1) @ turn.T + shift, z[:, MIDDLE]

    def axes(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return x (h,) and y (w,) of the pixels, mm in the view."""
        x, y = (
            self.low[a] + WINDOW_STEP[a] * torch.arange(WINDOW_SHAPE[a], device=device, dtype=torch.float32)
            for a in range(2)
        )
        return x, y


def _seed_window(random: np.random.Generator, seed: Floats) -> tuple[float, float, float]:
    """Return the window's first voxel (3,) about a seed (3,) mm from the body centre: it strays towards the body."""
    x, y = np.array(WINDOW_LOW[:2]) - seed[:2] * random.uniform(0.0, 1.0)
    x, y = np.array([x, y]) + random.uniform(-SEED_WINDOW_MM, SEED_WINDOW_MM, 2)
    z = WINDOW_LOW[2] - (seed[2] if abs(seed[2]) > SEED_HEIGHT_MM else 0.0)
    return float(x), float(y), float(z)


def _draw_slices(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return `count` slices of the window: all equally likely, or most of them near the body."""
    if random.random() < NEAR_SHARE:
        near = np.rint(random.normal(WINDOW_SHAPE[2] / 2 + NEAR_MIDDLE, NEAR_SD_SLICES, count)).astype(np.int64)
        return np.clip(near, 0, WINDOW_SHAPE[2] - 1)
    return np.asarray(random.choice(WINDOW_SHAPE[2], size=count, replace=False))


def channels(view: View, hu: Tensor, heights: Tensor) -> Tensor:
    """Return the network's input (n, CHANNELS, h, w), by the formulas of `workers.imaging.network_input`.

    Parameters
    ----------
    view
        Says where the mark lies in the window.
    hu
        (n, len(NEIGHBOURS), h, w).
    heights
        (n,) mm of the slices over the mark.
    """
    x, y = view.axes(hu.device)
    mark = torch.exp(-(x[:, None].square() + y[None, :].square()) / (2.0 * CENTRE_MM**2))
    height = (heights / HEIGHT_MM).clamp(-MOST_HEIGHTS, MOST_HEIGHTS)[:, None, None, None]
    image = (hu.clamp(LOW_HU, HIGH_HU) - MIDDLE_HU) / SCALE_HU
    shape = (len(hu), 1, *hu.shape[2:])
    return torch.cat([image, mark.expand(shape), height.expand(shape)], dim=1)


def outside_field(voxels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return which points (...) lie beyond the outermost voxels of a volume, from their voxels (..., 3)."""
    last = torch.tensor(shape, device=voxels.device, dtype=torch.float32) - 0.5
    return ((voxels < -0.5) | (voxels > last)).any(dim=-1)


def nothing_outside(targets: Tensor, outside: Tensor) -> Tensor:
    """Return targets (n, 6, h, w) that are "other" where `outside` (n, h, w): the scan shows nothing there."""
    other = torch.zeros(len(STRUCTURES), device=targets.device, dtype=targets.dtype)
    other[OTHER] = 1.0
    return torch.where(outside[:, None], other[None, :, None, None], targets)


AIR = LOWEST_HU
"""HU beyond the field of view."""
