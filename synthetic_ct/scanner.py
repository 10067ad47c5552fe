"""Scan a drawn person: blur, slices, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Reals, Singles
from synthetic_ct.noise import LEAST_DEVIATION, smooth_noise

LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0
"""What a scanner stores in 12 bits."""

FINE_PIXEL_MM, COARSE_PIXEL_MM, COARSE_PIXEL_SHARE = (0.6, 1.0), (1.0, 3.0), 0.2
THIN_STEP_MM, THICK_STEP_MM, THIN_STEP_SHARE = (0.7, 2.0), (2.0, 5.0), 0.55
"""Pixels and distances of slices of clinical CTs, and of CTs that were resampled before. Wide on purpose."""
COARSE_FROM_MM, COARSE_STEP = 1.2, (0.8, 1.3)
"""From this pixel on a CT is coarse all over: its step is this range times the pixel."""
THICKNESS = (0.9, 1.3)
"""Thickness of a slice over the distance to the next: overlapping slices are common, gaps are not."""
KERNEL_MM = (0.25, 0.9)
"""Standard deviation of the kernel's blur, from sharp (bone) to soft. Chosen by eye on real CTs."""
NOISE_HU = (4.0, 70.0)
"""Drawn on a logarithmic scale: from a thick, full-dose slice to a thin low-dose one. Wide on purpose."""
GRAIN = (0.3, 1.3)
"""Standard deviation of the noise's own blur, pixels."""

PIXEL_BLUR = 0.25
"""Deviation of the blur by a pixel larger than the drawing's voxels, over its side: a box's is 0.29 (1 / sqrt 12)."""
BOX_VARIANCE = 12.0
"""A slice averages over its thickness: a box of width w has the variance w**2 / 12."""
DRIFT_SHARE, DRIFT_HU, DRIFT_WIDTH_MM = 0.3, (5.0, 25.0), 40.0
"""Share of scans with a slow drift of HU (beam hardening, scatter), its deviation and its width. Chosen by eye."""


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
        (l, m, n) float32 HU, clipped to what a scanner stores.
    step
        (3,) mm between its voxels; voxel (0, 0, 0) stays where it was.
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
    """Sample a volume every `step` (3,) voxels from its first voxel, linearly; return it in `shape`, or whole."""
    if shape is None:
        shape = tuple(int((n - 1) // s) + 1 for n, s in zip(volume.shape, step, strict=True))
    out = ndimage.affine_transform(volume, np.asarray(step, np.float64), output_shape=shape, order=1, mode="nearest")
    return np.asarray(out, np.float32)
