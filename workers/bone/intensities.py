"""Whether the intensities in and around a vertebra can be turned into bone density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.contract.errors import DensityUnusable
from models.template import Template
from models.types import Floats, Reals
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume

AROUND_MM = (3.0, 5.0)
"""How far outside the surface the surroundings are looked at: beyond the partial volume, before other bones."""
MOST_ALIKE = 0.2
"""Share of the voxels around a vertebra that may have one value. Noise makes it 1 to 3 % in a CT; where everything but
the bone was set to one value, or the window cut all of it off, it is half and more."""
MOST_AT_TOP = 0.005
"""Share of the vertebra's voxels that may have the largest value. In a CT one voxel has it."""
SOFT_TISSUE_HU = (-150.0, 200.0)
"""Where the median of the surroundings lies: muscle, fat, discs and vessels, with contrast agent too."""
DENSE_PERCENTILE, LEAST_CONTRAST_HU = 95.0, 50.0
"""The shell makes the dense end of a vertebra's voxels: 400 to 840 HU beyond the soft tissue in the CTs at hand."""
METAL_HU, METAL_VOXELS = 2500.0, 5
"""Denser than any bone, and how many such voxels are no noise."""
CEMENT_HU, CEMENT_SHARE = 700.0, 0.01
"""Denser than trabecular bone inside the body, and the share of its interior that tells cement from a bone island."""


@dataclass(frozen=True)
class Intensities:
    """The CT at the voxels of one vertebra, each once, HU.

    Attributes
    ----------
    inside, around
        In the vertebra, and `AROUND_MM` outside its surface.
    """

    inside: Reals
    around: Reals


def intensities_of(points: Floats, template: Template, ct: Volume) -> Intensities:
    """Return the CT in and around a subject's mesh (n, 3), mm, world RAS+."""
    surface = Surface(points[: template.n_surface], template.triangles)
    shells = np.concatenate([surface.vertices + mm * surface.normals for mm in AROUND_MM])
    return Intensities(_voxels_at(ct, points[template.n_surface :]), _voxels_at(ct, shells))


def check_intensities(found: Intensities) -> None:
    """Refuse a CT that cannot give a density.

    Raises
    ------
    DensityUnusable
        Everything outside the bone has one value, values were cut off at a window, the soft tissue has not the
        Hounsfield units of soft tissue, or the bone is not denser than it.
    """
    alike = _commonest_share(found.around)
    if alike > MOST_ALIKE:
        raise _unusable(f"at most {MOST_ALIKE:.0%} of the voxels around the vertebra with one value", f"{alike:.0%}")
    top = float((found.inside == found.inside.max()).mean())
    if top > MOST_AT_TOP and found.inside.max() < METAL_HU and (found.inside == found.inside.max()).sum() > 3:
        largest = f"{top:.1%} of them at {found.inside.max():g} HU"
        raise _unusable("dense bone that is not cut off: one voxel of the vertebra at the largest value", largest)
    tissue = float(np.median(found.around))
    low, high = SOFT_TISSUE_HU
    if not low <= tissue <= high:
        raise _unusable(f"soft tissue of {low:g} to {high:g} HU around the vertebra", f"a median of {tissue:.0f} HU")
    dense = float(np.percentile(found.inside, DENSE_PERCENTILE))
    if dense < tissue + LEAST_CONTRAST_HU:
        raise _unusable(
            f"bone that is denser than the soft tissue around it, by {LEAST_CONTRAST_HU:g} HU at its dense end",
            f"{dense:.0f} HU in the bone and {tissue:.0f} HU around it (the image may be inverted)",
        )


def intensity_warnings(found: Intensities, interior: Reals) -> list[str]:
    """Name what is no bone: metal in the vertebra, cement in its body's interior, (k,) HU."""
    warnings = []
    if (found.inside > METAL_HU).sum() >= METAL_VOXELS:
        warnings.append("There is metal in the vertebra: density and stiffness near it are those of the metal.")
    if (interior > CEMENT_HU).mean() > CEMENT_SHARE:
        warnings.append(
            "Part of the body's interior is denser than bone (cement, metal, contrast agent): its density is no bone's."
        )
    return warnings


def _voxels_at(ct: Volume, world: Floats) -> Reals:
    """Return the values of the voxels nearest to world points (k, 3), each voxel once, without those outside the CT."""
    inverse = np.linalg.inv(ct.affine)
    index = np.floor(world @ inverse[:3, :3].T + inverse[:3, 3] + 0.5).astype(np.int64)
    index = index[((index >= 0) & (index < np.array(ct.voxels.shape))).all(axis=1)]
    flat = np.unique(np.ravel_multi_index(tuple(index.T), ct.voxels.shape))
    i, j, k = np.unravel_index(flat, ct.voxels.shape)
    return np.asarray(ct.voxels[i, j, k], np.float32)


def _commonest_share(values: Reals) -> float:
    return float(np.unique(values, return_counts=True)[1].max() / len(values)) if len(values) else 0.0


def _unusable(expected: str, got: str) -> DensityUnusable:
    return DensityUnusable(
        "This image gives no bone density. Send the CT itself with its Hounsfield units: not windowed, not rescaled, "
        'not masked, not a density image; or ask for `"material": "homogeneous"`.',
        expected=expected,
        got=got,
    )
