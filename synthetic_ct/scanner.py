"""Scan a drawn person: HU, blur, slices, noise, metal (after SynthSeg, Billot et al., Med Image Anal 2023).

CT intensities mean something, so they are drawn from ranges about what each tissue has instead of at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from models.types import Floats, Reals, Singles
from synthetic_ct.anatomy import PELVIS, RIB, Anatomy
from synthetic_ct.grid import smooth_noise
from synthetic_ct.soft_tissue import Tissue

HU_RANGE: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (-1024.0, -980.0),
    Tissue.FAT: (-125.0, -75.0),
    Tissue.MUSCLE: (20.0, 80.0),
    Tissue.DISC: (50.0, 140.0),
    Tissue.CANAL: (0.0, 60.0),
    Tissue.LUNG: (-930.0, -650.0),
    Tissue.AORTA: (30.0, 60.0),
    Tissue.VEIN: (25.0, 60.0),
    Tissue.KIDNEY: (20.0, 50.0),
    Tissue.LIVER: (10.0, 75.0),
    Tissue.GAS: (-1000.0, -700.0),
    Tissue.BOWEL: (-20.0, 70.0),
    Tissue.TABLE: (-950.0, 100.0),
    Tissue.ORGAN: (10.0, 70.0),
    Tissue.CARTILAGE: (20.0, 220.0),
    Tissue.SKIN: (0.0, 80.0),
    Tissue.CALCIUM: (300.0, 1100.0),
}
CONTRAST: dict[Tissue, tuple[float, float]] = {
    Tissue.AORTA: (60.0, 350.0),
    Tissue.VEIN: (20.0, 180.0),
    Tissue.KIDNEY: (60.0, 220.0),
    Tissue.LIVER: (20.0, 70.0),
    Tissue.ORGAN: (10.0, 100.0),
    Tissue.MUSCLE: (0.0, 20.0),
}
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


def hounsfield(random: np.random.Generator, anatomy: Anatomy) -> Singles:
    """Return the HU of an anatomy on its grid, float32, without noise or blur."""
    bone, depth, tissue, h = anatomy.bone, anatomy.depth, anatomy.tissue, anatomy.grid.spacing
    table = np.zeros(len(Tissue), np.float32)
    enhanced = random.random() < 0.55
    phase = random.random()
    for kind, span in HU_RANGE.items():
        table[kind] = random.uniform(*span)
        if enhanced and kind in CONTRAST:
            low, high = CONTRAST[kind]
            table[kind] += low + (high - low) * np.clip(phase + random.normal(0.0, 0.3), 0.0, 1.0)
    if random.random() < 0.15:
        table[Tissue.BOWEL] = random.uniform(100.0, 600.0)  # oral contrast
    if random.random() < 0.05:
        table[Tissue.DISC] = random.uniform(-300.0, 0.0)  # vacuum
    hu = table[tissue]
    soft = smooth_noise(random, bone.shape, 4.0 / h)
    hu += (tissue > Tissue.AIR) * random.uniform(3.0, 15.0) * soft
    marrow = _marrow(random, anatomy, soft)
    hard = np.float32(random.uniform(350.0, 1300.0))
    shell = np.float32(random.uniform(0.4, 1.5)) * np.where(anatomy.behind, random.uniform(1.0, 2.5), 1.0)
    patchy = 1.0 + 0.35 * smooth_noise(random, bone.shape, 6.0 / h)
    marrow += anatomy.behind * np.float32(random.uniform(0.0, 200.0))
    cortex = np.exp(-np.square(np.maximum(depth - 0.5 * h, 0.0) / (shell * np.clip(patchy, 0.3, 2.0))))
    inside = marrow + (hard - marrow) * cortex
    if random.random() < 0.9:
        joint = (tissue == Tissue.CARTILAGE) & (bone > 0)
        inside[joint] = table[Tissue.CARTILAGE]
    return np.where(bone > 0, inside, hu).astype(np.float32)


def _marrow(random: np.random.Generator, anatomy: Anatomy, soft: Singles) -> Singles:
    """Trabecular bone: a level's own density, texture, denser near the surface, lesions."""
    bone, h = anatomy.bone, anatomy.grid.spacing
    level = np.float32(random.uniform(30.0, 300.0))
    own = level + random.normal(0.0, 15.0, 256).astype(np.float32)
    own[RIB] = own[PELVIS] = level * random.uniform(0.5, 1.3) + random.uniform(0.0, 150.0)
    marrow = own[bone]
    marrow += random.uniform(5.0, 60.0) * smooth_noise(random, bone.shape, max(1.2 / h, 0.6))
    marrow += random.uniform(0.0, 40.0) * soft
    marrow += np.float32(random.uniform(0.0, 150.0)) * np.exp(-anatomy.depth / random.uniform(2.0, 5.0))
    if random.random() < 0.12:
        lesion = smooth_noise(random, bone.shape, random.uniform(5.0, 10.0) / h) > 1.8
        marrow[lesion] += random.choice([-1.0, 1.0]) * random.uniform(80.0, 500.0)
    return np.maximum(marrow, -60.0)


def add_metal(random: np.random.Generator, hu: Singles, anatomy: Anatomy, share: float = 0.04) -> None:
    """Now and then add screws or cement within bone, with streaks through the slices they lie in, in place."""
    if random.random() > share:
        return
    spots = np.argwhere((anatomy.depth > 2.0) & (anatomy.bone > 0))
    if not len(spots):
        return
    h = anatomy.grid.spacing
    axes = [np.arange(n, dtype=np.float32) for n in hu.shape]
    for _ in range(random.integers(1, 5)):
        at = spots[random.integers(len(spots))]
        direction = np.array([random.normal(0.0, 0.4), 1.0, random.normal(0.0, 0.2)])
        direction /= np.linalg.norm(direction)
        offset = [a.reshape([-1 if i == j else 1 for i in range(3)]) - at[j] for j, a in enumerate(axes)]
        along = sum(o * d for o, d in zip(offset, direction, strict=True))
        square = sum(o * o for o in offset) - along**2
        screw = (square < (random.uniform(2.0, 4.0) / h) ** 2) & (np.abs(along) < random.uniform(10.0, 28.0) / h)
        hu[screw] = random.uniform(1800.0, 8000.0)
        angle = np.arctan2(offset[1], offset[0])[:, :, 0]
        away = np.hypot(offset[0], offset[1])[:, :, 0] * h
        rays = np.cos(random.integers(3, 9) * angle + random.uniform(0.0, 6.3)) ** 3
        streak = random.uniform(50.0, 400.0) * rays * np.exp(-away / random.uniform(20.0, 60.0))
        touched = np.flatnonzero(screw.any(axis=(0, 1)))
        hu[:, :, touched] += np.where(screw[:, :, touched], 0.0, streak[:, :, None]).astype(np.float32)


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
