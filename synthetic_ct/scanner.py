"""Scan a drawn person: blur, slices, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Reals, Singles
from synthetic_ct.noise import LEAST_DEVIATION, smooth_noise

LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0
"""The range that a scanner stores in 12 bits."""

FINE_PIXEL_MM, COARSE_PIXEL_MM, COARSE_PIXEL_SHARE = (0.6, 1.0), (1.0, 3.0), 0.2
"""Pixels of clinical CTs, pixels of CTs that somebody has resampled, and the share of these. Wide on purpose."""
THIN_STEP_MM, THICK_STEP_MM, THIN_STEP_SHARE = (0.7, 2.0), (2.0, 5.0), 0.55
"""Distances between slices, and the share of thin ones. Wide on purpose."""
COARSE_FROM_MM, COARSE_STEP = 1.2, (0.8, 1.3)
"""Above this pixel the distance between slices is the pixel times this factor: the CT was resampled along all axes."""
THICKNESS = (0.9, 1.3)
"""Thickness of a slice over the distance to the next one. Slices often overlap, but rarely leave gaps."""
KERNEL_MM = (0.25, 0.9)
"""Standard deviation of the kernel's blur, from a bone kernel to a soft one. Chosen by eye on real CTs."""
NOISE_HU = (4.0, 70.0)
"""Noise from thick slices of full dose to thin ones of low dose, on a logarithmic scale. Wide on purpose."""
GRAIN = (0.3, 1.3)
"""Standard deviation of the blur of the noise, pixels. Chosen by eye on real CTs."""

PIXEL_BLUR = 0.25
"""Deviation of the blur by a pixel that is larger than the drawn voxels, over its side. That of a box is 0.29."""
BOX_VARIANCE = 12.0
"""Square of a box's width over its variance. A slice is the mean over its thickness: a box."""
DRIFT_SHARE, DRIFT_HU, DRIFT_WIDTH_MM = 0.3, (5.0, 25.0), 40.0
"""Share of scans with a slow drift of HU from beam hardening and scatter, its deviation and its width. Chosen by
eye."""


@dataclass(frozen=True)
class Protocol:
    """How a scan was made.

    Attributes
    ----------
    in_plane_mm, slice_mm, step_mm
        Side of a pixel; thickness of a slice and distance from one to the next.
    blur_mm
        Standard deviation of the kernel's blur within the slice.
    noise_hu, grain
        Standard deviation of the noise, and of the blur that makes it grainy, in pixels.
    """

    in_plane_mm: float
    slice_mm: float
    step_mm: float
    blur_mm: float
    noise_hu: float
    grain: float

    @classmethod
    def draw(cls, random: np.random.Generator) -> Protocol:
        """Return a random protocol: mostly 0.6 to 1 mm pixels and 0.7 to 5 mm slices, sometimes coarse all over."""
        pixel = random.uniform(*FINE_PIXEL_MM)
        if random.random() < COARSE_PIXEL_SHARE:
            pixel = random.uniform(*COARSE_PIXEL_MM)
        step = random.uniform(*(THIN_STEP_MM if random.random() < THIN_STEP_SHARE else THICK_STEP_MM))
        if pixel > COARSE_FROM_MM:
            step = pixel * random.uniform(*COARSE_STEP)
        least, most = NOISE_HU
        noise = float(np.exp(random.uniform(np.log(least), np.log(most))))
        thickness = step * random.uniform(*THICKNESS)
        return cls(pixel, thickness, step, random.uniform(*KERNEL_MM), noise, random.uniform(*GRAIN))


def scan(random: np.random.Generator, hu: Singles, spacing: float, protocol: Protocol) -> tuple[Singles, Floats]:
    """Scan `hu` (i, j, k), drawn on a grid of `spacing` mm, with `protocol`.

    Returns
    -------
    image
        (l, m, n) float32 HU, clipped to the range that a scanner stores.
    step
        (3,) mm between its voxels. Voxel (0, 0, 0) stays where it was.
    """
    pixel = protocol.in_plane_mm
    within = np.hypot(protocol.blur_mm, PIXEL_BLUR * pixel if pixel > spacing else 0.0) / spacing
    across = protocol.slice_mm / np.sqrt(BOX_VARIANCE) / spacing
    blurred = ndimage.gaussian_filter(hu, (within, within, across))
    step = np.array([pixel, pixel, protocol.step_mm])
    if pixel < spacing:
        step[:2] = spacing
    image = resample(blurred, step / spacing)
    grains = (protocol.grain, protocol.grain, 0.0)
    noise = ndimage.gaussian_filter(random.standard_normal(image.shape, np.float32), grains)
    image += protocol.noise_hu * noise / max(float(noise.std()), LEAST_DEVIATION)
    if random.random() < DRIFT_SHARE:
        image += random.uniform(*DRIFT_HU) * smooth_noise(random, image.shape, DRIFT_WIDTH_MM / float(step.mean()))
    return np.clip(image, LOWEST_HU, HIGHEST_HU), step


def resample(volume: Singles, step: Reals, shape: tuple[int, ...] | None = None) -> Singles:
    """Return samples of a volume every `step` (3,) voxels from its first voxel, linear between voxels, float32.

    `shape` is the number of samples along each axis; without it they cover the whole volume.
    """
    if shape is None:
        shape = tuple(int((n - 1) // s) + 1 for n, s in zip(volume.shape, step, strict=True))
    out = ndimage.affine_transform(volume, np.asarray(step, np.float64), output_shape=shape, order=1, mode="nearest")
    return np.asarray(out, np.float32)
