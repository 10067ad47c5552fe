"""Vary the Hounsfield units of training samples as scanners, contrast and protocols do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Singles

Random = np.random.Generator


@dataclass(frozen=True)
class IntensityRanges:
    """How much intensities vary. The ranges are by judgement; synthetic scans already vary by tissue and protocol.

    Attributes
    ----------
    gain_sd, offset_sd_hu
        Standard deviations of the logarithm of the gain and of the offset.
    blur_share, draw_blur
        How often a sample is blurred, and what draws the standard deviation of the blur along each axis, voxels.
    noise_share, noise_hu
        How often noise is added, and the range of its standard deviation.
    """

    gain_sd: float
    offset_sd_hu: float
    blur_share: float
    draw_blur: Callable[[Random], tuple[float, ...]]
    noise_share: float
    noise_hu: tuple[float, float]


def _blur_in_plane(random: Random) -> tuple[float, ...]:
    return (0.0, 0.0, *(random.uniform(0.3, 1.0),) * 2)


def _blur_along_each_axis(random: Random) -> tuple[float, ...]:
    return tuple(random.uniform(0.2, 0.8, 3))


CROP_INTENSITIES = IntensityRanges(0.06, 15.0, 0.2, _blur_in_plane, 0.4, (5.0, 60.0))
"""Of samples from crops (b, c, i, j): blurred along the last two axes, by up to a pixel of 1 mm."""
TRUNK_INTENSITIES = IntensityRanges(0.08, 20.0, 0.3, _blur_along_each_axis, 0.5, (3.0, 40.0))
"""Of samples from trunks (i, j, k): voxels of 4 mm average out more of the noise and need less blur."""


def vary_intensities(random: Random, hu: Singles, ranges: IntensityRanges) -> Singles:
    """Return HU (float32, any shape that the blur fits) with another gain, offset, blur and noise."""
    hu = hu * np.float32(np.exp(random.normal(0.0, ranges.gain_sd)))
    hu = hu + np.float32(random.normal(0.0, ranges.offset_sd_hu))
    if random.random() < ranges.blur_share:
        hu = ndimage.gaussian_filter(hu, ranges.draw_blur(random))
    if random.random() < ranges.noise_share:
        hu += np.float32(random.uniform(*ranges.noise_hu)) * random.standard_normal(hu.shape, np.float32)
    return hu
