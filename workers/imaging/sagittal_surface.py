"""Sample a CT on the sagittal surface that follows a curve from side to side, so that a bent spine stays in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats, Singles
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume

LAYERS_MM = (-2.0, 0.0, 2.0)
"""The mean over these distances from the surface, to the right, is shown: it calms the noise of a low-dose CT."""


@dataclass(frozen=True)
class SagittalWindow:
    """A rectangle in the plane of the directions anterior (y) and superior (z), mm RAS.

    Attributes
    ----------
    front, top
        Its most anterior y and its uppermost z.
    depth, height
        How far it reaches backwards and downwards.
    """

    front: float
    top: float
    depth: float
    height: float


def sample_sagittal(ct: Volume, curve: Floats, window: SagittalWindow, step: float) -> Singles:
    """Return the CT on the sagittal surface through a curve: (rows, columns) float32 HU, air beyond the CT.

    Rows run downwards and columns backwards, from the window's corner in front and above; each pixel is sampled at its
    middle.

    Parameters
    ----------
    ct
        Any orientation, HU.
    curve
        (n, 3) mm RAS, at least one point. It says how far to the right the surface lies at each height; beyond its
        ends the surface runs straight on, upright.
    window
        What is shown.
    step
        Side of a pixel, mm.
    """
    y = window.front - step * (np.arange(_count(window.depth, step)) + 0.5)
    z = window.top - step * (np.arange(_count(window.height, step)) + 0.5)
    upwards = curve[np.argsort(curve[:, 2])]
    world = np.empty((len(z), len(y), 3))
    world[..., 1], world[..., 2] = y, z[:, None]
    middle = np.interp(z, upwards[:, 2], upwards[:, 0])
    layers = []
    for right in LAYERS_MM:
        world[..., 0] = (middle + right)[:, None]
        layers.append(sample_points(ct, world))
    return np.asarray(np.mean(layers, axis=0))


def extent(ct: Volume) -> tuple[Floats, Floats]:
    """Return the lowest and the highest corner (3,) mm RAS of the box around all voxels of a CT."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in ct.voxels.shape])).reshape(3, -1)
    reach = ct.affine[:3, :3] @ corners + ct.affine[:3, 3:]
    return np.asarray(reach.min(axis=1)), np.asarray(reach.max(axis=1))


def _count(length: float, step: float) -> int:
    return max(round(length / step), 1)
