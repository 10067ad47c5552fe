"""Scan: blur, slices, noise (after SynthSeg, Billot et al., Med Image Anal 2023)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Reals, Singles
from synthetic_ct.noise import smooth_noise

LOWEST, HIGHEST = -1024.0, 3071.0


@dataclass(frozen=True)
class Protocol:
    """How a scan was made.

    Attributes
    ----------
    in_plane_mm, slice_mm, step_mm
        Pixel side; thickness of a slice and distance from one to the next.
    blur_mm
        Standard deviation of the kernel's blur within the slice.
    noise_hu, grain
        Deviation of the noise and its correlation length in pixels.
    """

    in_plane_mm: float
    slice_mm: float
    step_mm: float
    blur_mm: float
    noise_hu: float
    grain: float

    @classmethod
    def draw(cls, random: np.random.Generator) -> Protocol:
        """Return a random protocol: mostly 0.6 to 1 mm pixels and 0.7 to 5 mm slices, now and then coarse all over."""
        in_plane = random.uniform(0.6, 1.0)
        if random.random() < 0.2:
            in_plane = random.uniform(1.0, 3.0)
        step = random.uniform(0.7, 2.0) if random.random() < 0.55 else random.uniform(2.0, 5.0)
        if in_plane > 1.2:
            step = in_plane * random.uniform(0.8, 1.3)
        noise = float(np.exp(random.uniform(np.log(4.0), np.log(70.0))))
        return cls(
            in_plane, step * random.uniform(0.9, 1.3), step, random.uniform(0.25, 0.9), noise, random.uniform(0.3, 1.3)
        )


def scan(random: np.random.Generator, hu: Singles, spacing: float, protocol: Protocol) -> tuple[Singles, Floats]:
    """Image `hu` (grid of `spacing` mm) with `protocol`.

    Returns
    -------
    image
        (i, j, k) float32 HU, clipped to what a scanner stores.
    step
        (3,) mm between its voxels; voxel (0, 0, 0) stays where it was.
    """
    p = protocol
    within = np.hypot(p.blur_mm, 0.25 * p.in_plane_mm if p.in_plane_mm > spacing else 0.0) / spacing
    blurred = ndimage.gaussian_filter(hu, (within, within, p.slice_mm / np.sqrt(12.0) / spacing))
    step = np.array([p.in_plane_mm, p.in_plane_mm, p.step_mm])
    if p.in_plane_mm < spacing:
        step[:2] = spacing
    image = resample(blurred, step / spacing)
    noise = ndimage.gaussian_filter(random.standard_normal(image.shape, np.float32), (p.grain, p.grain, 0.0))
    image += p.noise_hu * noise / max(float(noise.std()), 1e-6)
    if random.random() < 0.3:
        image += random.uniform(5.0, 25.0) * smooth_noise(random, image.shape, 40.0 / float(step.mean()))
    return np.clip(image, LOWEST, HIGHEST), step


def resample(volume: Singles, step: Reals, shape: tuple[int, ...] | None = None) -> Singles:
    """Sample a volume every `step` (3,) voxels from its first voxel, linearly."""
    if shape is None:
        shape = tuple(int((n - 1) // s) + 1 for n, s in zip(volume.shape, step, strict=True))
    out = ndimage.affine_transform(volume, np.asarray(step, np.float64), output_shape=shape, order=1, mode="nearest")
    return np.asarray(out, np.float32)
