"""Assign HU to the tissues of a drawn person (after SynthSeg, Billot et al., Med Image Anal 2023).

SynthSeg draws intensities at random. HU have a physical meaning, so they are drawn from a range around the values of
each tissue instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.types import Reals, Singles
from synthetic_ct.bone_labels import N_LABELS, PELVIS, RIB
from synthetic_ct.noise import smooth_noise
from synthetic_ct.tissue import Tissue

if TYPE_CHECKING:  # drawing needs PyVista; the ranges serve programs without it
    from synthetic_ct.anatomy import Anatomy

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
    Tissue.COUCH: (-950.0, 100.0),
    Tissue.ORGAN: (10.0, 70.0),
    Tissue.CARTILAGE: (20.0, 220.0),
    Tissue.SKIN: (0.0, 80.0),
    Tissue.CALCIUM: (300.0, 1100.0),
}
"""HU without contrast medium. Textbook values: fat -100 to -50, kidney 20 to 40, spleen 35 to 55, blood and liver 45 to
65, lung about -850 in inspiration (Prokop and Galanski, Spiral and Multislice Computed Tomography of the Body, Thieme,
2003). Calcium counts as plaque from 130 HU (Agatston et al., J Am Coll Cardiol 15(4), 1990). The ranges are wide on
purpose, for a fatty liver, anaemia, expiration, stool and other tube voltages. `assign_hu` draws in this order."""
CONTRAST: dict[Tissue, tuple[float, float]] = {
    Tissue.AORTA: (60.0, 350.0),
    Tissue.VEIN: (20.0, 180.0),
    Tissue.KIDNEY: (60.0, 220.0),
    Tissue.LIVER: (20.0, 70.0),
    Tissue.ORGAN: (10.0, 100.0),
    Tissue.MUSCLE: (0.0, 20.0),
}
"""HU that intravenous contrast medium adds, from a late to an arterial phase. Chosen by eye on real CTs."""
CONTRAST_SHARE = 0.55
"""Share of scans with intravenous contrast medium. Chosen by eye."""
PHASE_SD = 0.3
"""Deviation of a tissue's phase from that of the scan, where 0 is the late and 1 the arterial phase."""
ORAL_CONTRAST_SHARE, ORAL_CONTRAST_HU = 0.15, (100.0, 600.0)
"""Share of scans with oral contrast medium, and the HU of the bowel then. Wide on purpose."""
VACUUM_SHARE, VACUUM_HU = 0.05, (-300.0, 0.0)
"""Share of scans with gas in the discs (vacuum phenomenon), and the mean HU of the discs then. Wide on purpose."""

TEXTURE_WIDTH_MM, TEXTURE_HU = 4.0, (3.0, 15.0)
"""Width and deviation of the texture of soft tissue. Chosen by eye on real CTs."""

MARROW_HU = (30.0, 300.0)
"""Mean of a person's trabecular bone. L1 has 226 ± 44 HU below 30 years and 89 ± 38 HU from 90 years on (Jang et al.,
Radiology 291(2), 2019)."""
LEVEL_SD_HU = 15.0
"""Deviation of a level's mean from that of the person. Chosen by eye."""
OTHER_BONES_FACTOR, OTHER_BONES_HU = (0.5, 1.3), (0.0, 150.0)
"""The mean in ribs and hip bones is the person's times the first, plus the second. Wide on purpose."""
TRABECULAE_HU, TRABECULAE_WIDTH_MM, LEAST_WIDTH_VOXELS = (5.0, 60.0), 1.2, 0.6
"""Deviation and width of the trabecular texture, and its least width on a coarse grid. Chosen by eye on real CTs."""
COARSE_TEXTURE_HU = (0.0, 40.0)
"""Deviation of the coarser texture that marrow shares with soft tissue. Chosen by eye on real CTs."""
NEAR_CORTEX_HU, NEAR_CORTEX_MM = (0.0, 150.0), (2.0, 5.0)
"""Excess of marrow at the surface, and the depth at which it has fallen to 1/e. Chosen by eye on real CTs."""
POSTERIOR_HU = (0.0, 200.0)
"""Excess of marrow behind the bodies. Chosen by eye on real CTs."""
LESION_SHARE, LESION_HU = 0.12, (80.0, 500.0)
"""Share of scans with lesions, and how much denser (sclerotic) or less dense (lytic) they are. Wide on purpose."""
LESION_WIDTH_MM, LESION_LEVEL = (5.0, 10.0), 1.8
"""Lesions lie where smooth noise of this width exceeds this many standard deviations: in 4 % of the bone."""
LEAST_MARROW_HU = -60.0
"""Lower limit of marrow's HU: that of fat with some bone."""

CORTEX_HU, CORTEX_MM = (350.0, 1300.0), (0.4, 1.5)
"""HU of the cortex, and the depth at which its excess over marrow has fallen to 1/e. A body's cortex is 0.24 to 0.29 mm
thick (Ritzel et al., J Bone Miner Res 12(1), 1997), but a grid of 1 mm or more cannot show it thinner than this."""
POSTERIOR_CORTEX = (1.0, 2.5)
"""Thickness of the cortex behind the bodies, over that of the bodies. Chosen by eye on real CTs."""
UNEVENNESS, UNEVENNESS_WIDTH_MM, UNEVENNESS_LIMITS = 0.35, 6.0, (0.3, 2.0)
"""Deviation, width and limits of the random factor of the cortex' thickness. Chosen by eye on real CTs."""
JOINT_SHARE = 0.9
"""Share of scans that show cartilage between two bones. In the others bones are fused or slices thick."""


def assign_hu(random: np.random.Generator, anatomy: Anatomy) -> Singles:
    """Return the HU of an anatomy on its grid, (i, j, k) float32, without noise or blur."""
    table = draw_tissue_hu(random)
    hu = table[anatomy.tissue]
    texture = smooth_noise(random, anatomy.bone.shape, TEXTURE_WIDTH_MM / anatomy.grid.spacing)
    hu += (anatomy.tissue > Tissue.AIR) * random.uniform(*TEXTURE_HU) * texture
    bone = _bone_hu(random, anatomy, _marrow_hu(random, anatomy, texture))
    if random.random() < JOINT_SHARE:
        bone[(anatomy.tissue == Tissue.CARTILAGE) & (anatomy.bone > 0)] = table[Tissue.CARTILAGE]
    return np.where(anatomy.bone > 0, bone, hu).astype(np.float32)


def draw_tissue_hu(random: np.random.Generator) -> Singles:
    """Return the HU of every `Tissue` (17,) float32 in one scan."""
    table = np.zeros(len(Tissue), np.float32)
    enhanced = random.random() < CONTRAST_SHARE
    phase = random.random()
    for kind, span in HU_RANGE.items():
        table[kind] = random.uniform(*span)
        if enhanced and kind in CONTRAST:
            low, high = CONTRAST[kind]
            table[kind] += low + (high - low) * np.clip(phase + random.normal(0.0, PHASE_SD), 0.0, 1.0)
    if random.random() < ORAL_CONTRAST_SHARE:
        table[Tissue.BOWEL] = random.uniform(*ORAL_CONTRAST_HU)
    if random.random() < VACUUM_SHARE:
        table[Tissue.DISC] = random.uniform(*VACUUM_HU)
    return table


def _marrow_hu(random: np.random.Generator, anatomy: Anatomy, texture: Singles) -> Singles:
    """Return the HU of trabecular bone (i, j, k): a mean by label, texture, more near the surface, lesions."""
    bone, h = anatomy.bone, anatomy.grid.spacing
    person = np.float32(random.uniform(*MARROW_HU))
    of_label = person + random.normal(0.0, LEVEL_SD_HU, N_LABELS).astype(np.float32)
    of_label[RIB] = of_label[PELVIS] = person * random.uniform(*OTHER_BONES_FACTOR) + random.uniform(*OTHER_BONES_HU)
    marrow = of_label[bone]
    width = max(TRABECULAE_WIDTH_MM / h, LEAST_WIDTH_VOXELS)
    marrow += random.uniform(*TRABECULAE_HU) * smooth_noise(random, bone.shape, width)
    marrow += random.uniform(*COARSE_TEXTURE_HU) * texture
    near_cortex = np.float32(random.uniform(*NEAR_CORTEX_HU))
    marrow += near_cortex * np.exp(-anatomy.depth / random.uniform(*NEAR_CORTEX_MM))
    if random.random() < LESION_SHARE:
        lesion = smooth_noise(random, bone.shape, random.uniform(*LESION_WIDTH_MM) / h) > LESION_LEVEL
        marrow[lesion] += random.choice([-1.0, 1.0]) * random.uniform(*LESION_HU)
    return np.maximum(marrow, LEAST_MARROW_HU)


def _bone_hu(random: np.random.Generator, anatomy: Anatomy, marrow: Singles) -> Reals:
    """Return the HU of bone (i, j, k): `marrow` (i, j, k), which is changed, inside a cortex of uneven thickness."""
    h = anatomy.grid.spacing
    cortex_hu = np.float32(random.uniform(*CORTEX_HU))
    body = np.float32(random.uniform(*CORTEX_MM))
    thickness = body * np.where(anatomy.posterior, random.uniform(*POSTERIOR_CORTEX), 1.0)
    uneven = 1.0 + UNEVENNESS * smooth_noise(random, anatomy.bone.shape, UNEVENNESS_WIDTH_MM / h)
    marrow += anatomy.posterior * np.float32(random.uniform(*POSTERIOR_HU))
    depth = np.maximum(anatomy.depth - 0.5 * h, 0.0)  # the outermost voxel's centre lies half a voxel deep
    cortex = np.exp(-np.square(depth / (thickness * np.clip(uneven, *UNEVENNESS_LIMITS))))
    return marrow + (cortex_hu - marrow) * cortex
