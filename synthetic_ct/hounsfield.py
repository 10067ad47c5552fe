"""The HU of a drawn person."""

from __future__ import annotations

import numpy as np

from models.types import Singles
from synthetic_ct.anatomy import Anatomy
from synthetic_ct.bone_labels import PELVIS, RIB
from synthetic_ct.noise import smooth_noise
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


def assign_hu(random: np.random.Generator, anatomy: Anatomy) -> Singles:
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
