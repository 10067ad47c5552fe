"""A CT phantom with its mask, made from the surface of one vertebra: ``python -m training.phantom --out DIR``.

Three levels (T12, L1, L2: scaled copies of the surface) with discs and canal stand in an abdomen with muscle, fat, an
enhanced aorta, bowel gas and air around it; then the scanner's blur and noise. Nothing of it is patient data. The
volumes are written in LAS order as dcm2niix does, so their affine is left-handed as in most hospital exports.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

LEVELS = ((19, 0.94), (20, 1.0), (21, 1.05))
"""VerSe label and size relative to the surface, from top to bottom."""
DISC_MM = 8.0
HU = {"air": -1000, "fat": -105, "muscle": 55, "organ": 45, "aorta": 160, "gas": -850, "disc": 90, "canal": 20}
TRABECULAR_HU = 170.0
CORTICAL_HU = 900.0
CORTEX_MM = 1.1
BLUR_MM = 0.6
NOISE_HU = 18.0
_HALF_WIDTH_MM = 110.0
_FRONT_MM = 105.0
_AIR_MM = 14.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Phantom:
    """A CT and its label map on one grid.

    Attributes
    ----------
    ct
        (i, j, k) int16, HU.
    mask
        (i, j, k) uint8, VerSe labels 19 (T12), 20 (L1), 21 (L2).
    affine
        (4, 4) float64, voxel index to RAS+ mm.
    """

    ct: NDArray[np.int16]
    mask: NDArray[np.uint8]
    affine: Floats


@dataclass(frozen=True)
class _Scene:
    """The grid, and where things stand on it.

    Attributes
    ----------
    x, y, z
        (ni, 1, 1), (1, nj, 1), (1, 1, nk) world coordinates in mm, RAS+.
    body
        (3,) centre of the L1 body in mm.
    radius
        Of the largest ball within the body in mm.
    pitch
        From one level to the next in mm.
    skin
        y of the skin of the back in mm.
    """

    x: Floats
    y: Floats
    z: Floats
    body: Floats
    radius: float
    pitch: float
    skin: float

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.x.size, self.y.size, self.z.size

    @property
    def spacing(self) -> float:
        return float(self.x[1, 0, 0] - self.x[0, 0, 0])


def make_phantom(
    vertices: NDArray[Any], triangles: NDArray[np.integer[Any]], *, spacing: float = 1.0, seed: int = 0
) -> Phantom:
    """Return the phantom of a vertebra.

    Parameters
    ----------
    vertices
        (n, 3) mm, RAS+, upright (cranio-caudal axis along z).
    triangles
        (m, 3) of a closed surface.
    spacing
        Voxel side in mm, the same along all axes.
    seed
        Of texture and noise; the same seed gives the same voxels.
    """
    rng = np.random.default_rng(seed)
    surface = pv.PolyData.from_regular_faces(np.asarray(vertices, np.float64), np.asarray(triangles, np.int64))
    scene = _lay_out(surface, spacing)
    mask = _label(surface, scene)
    hu = _soft_tissue(scene, rng)
    _add_spine(hu, mask, scene, rng)
    hu = ndimage.gaussian_filter(hu, BLUR_MM / spacing)
    hu += NOISE_HU * _texture(scene.shape, 0.6, rng)
    ct = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    affine = np.diag([-spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [scene.x[-1, 0, 0], scene.y[0, 0, 0], scene.z[0, 0, 0]]
    return Phantom(ct=ct[::-1], mask=mask[::-1], affine=affine)


def _lay_out(surface: pv.PolyData, spacing: float) -> _Scene:
    """Find the vertebral body and stretch the grid around the three levels."""
    low, high = np.array(surface.bounds).reshape(3, 2).T
    axes = [np.arange(a - 3.0, b + 3.0) for a, b in zip(low, high, strict=True)]
    solid = np.pad(_inside(surface, *axes), 1)
    depth = ndimage.distance_transform_edt(solid)
    centre = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1.0 + [a[0] for a in axes]
    front = np.asarray(surface.points)[:, 1] > centre[1]  # nothing but the body lies before its own centre
    pitch = float(np.ptp(np.asarray(surface.points)[front, 2])) + DISC_MM
    skin = float(low[1]) - 22.0
    x = np.arange(centre[0] - _HALF_WIDTH_MM, centre[0] + _HALF_WIDTH_MM, spacing)
    y = np.arange(skin - _AIR_MM, centre[1] + _FRONT_MM, spacing)
    z = np.arange(low[2] - pitch - 8.0, high[2] + pitch + 4.0, spacing)
    return _Scene(x[:, None, None], y[None, :, None], z[None, None, :], centre, float(depth.max()), pitch, skin)


def _inside(surface: pv.PolyData, x: Floats, y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Return (len(x), len(y), len(z)) bool: which points of a regular grid the closed surface encloses."""
    grid = pv.ImageData(
        dimensions=(x.size, y.size, z.size), spacing=[float(a[1] - a[0]) for a in (x, y, z)], origin=(x[0], y[0], z[0])
    )
    filled = surface.voxelize_binary_mask(reference_volume=grid)
    return np.asarray(filled["mask"]).reshape(grid.dimensions, order="F") > 0


def _label(surface: pv.PolyData, scene: _Scene) -> NDArray[np.uint8]:
    """Stack the levels; where facets would cross, L1 keeps the voxels and a joint space is left."""
    mask = np.zeros(scene.shape, np.uint8)
    joint = ndimage.generate_binary_structure(3, 1)
    for step, (label, scale) in sorted(enumerate(LEVELS), key=lambda item: item[1][0] != 20):
        copy = surface.copy()
        copy.points = scene.body + (surface.points - scene.body) * scale + [0.0, 0.0, (1 - step) * scene.pitch]
        solid = _inside(copy, scene.x.ravel(), scene.y.ravel(), scene.z.ravel())
        mask[solid & ~ndimage.binary_dilation(mask > 0, joint)] = label
    return mask


def _soft_tissue(scene: _Scene, rng: np.random.Generator) -> Floats:
    """Return (i, j, k) HU of the trunk without the spine: skin to viscera."""
    back, front = scene.skin, scene.skin + 220.0
    trunk = ((scene.x - scene.body[0]) / 165.0) ** 2 + ((scene.y - (back + front) / 2) / ((front - back) / 2)) ** 2
    trunk = np.broadcast_to(trunk, scene.shape)
    hu = np.where(trunk < 1.0, float(HU["fat"]), float(HU["air"]))
    hu[trunk < 0.80] = HU["muscle"]
    viscera = (trunk < 0.66) & (scene.y > scene.body[1] + 0.6 * scene.radius)
    blobs = _texture(scene.shape, 7.0 / scene.spacing, rng)
    hu[viscera] = np.where(blobs > -0.1, HU["organ"], HU["fat"])[viscera]
    hu[viscera & (blobs > 1.9) & (scene.y > scene.body[1] + 3.0 * scene.radius)] = HU["gas"]
    hu[_tube(scene, -0.8 * scene.radius, 2.0 * scene.radius, 10.0)] = HU["aorta"]
    hu[_tube(scene, 1.2 * scene.radius, 1.9 * scene.radius, 11.0)] = HU["muscle"]
    return hu


def _tube(scene: _Scene, x: float, y: float, radius: float, squeeze: float = 1.0) -> NDArray[np.bool_]:
    """Return (i, j, k) bool, an upright elliptic cylinder at an offset (mm) from the L1 body."""
    square = (scene.x - scene.body[0] - x) ** 2 + ((scene.y - scene.body[1] - y) / squeeze) ** 2
    return np.asarray(np.broadcast_to(square < radius**2, scene.shape), np.bool_)


def _add_spine(hu: Floats, mask: NDArray[np.uint8], scene: _Scene, rng: np.random.Generator) -> None:
    """Put discs, canal and bone into `hu`, in place."""
    r = scene.radius
    stack = np.abs(scene.z - scene.body[2]) < 1.5 * scene.pitch
    hu[_tube(scene, 0.0, 0.0, 1.35 * r, 0.82) & stack] = HU["disc"]
    hu[_tube(scene, 0.0, -1.1 * r - 8.0, 10.0, 0.75)] = HU["fat"]
    hu[_tube(scene, 0.0, -1.1 * r - 8.0, 8.0, 0.75)] = HU["canal"]
    marrow = TRABECULAR_HU + 35.0 * _texture(scene.shape, 1.2 / scene.spacing, rng)
    depth = np.zeros(scene.shape)
    for label, _ in LEVELS:
        depth += ndimage.distance_transform_edt(mask == label, sampling=scene.spacing)
    cortex = np.exp(-(((depth - 0.5 * scene.spacing) / CORTEX_MM) ** 2))
    bone = mask > 0
    hu[bone] = (marrow + (CORTICAL_HU - marrow) * cortex)[bone]


def _texture(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> Floats:
    """Return (i, j, k) Gaussian noise of zero mean and unit deviation, smoothed over `sigma` voxels."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma).astype(np.float64)
    return np.asarray((field - field.mean()) / field.std(), np.float64)


def write_phantom(phantom: Phantom, folder: Path) -> tuple[Path, Path]:
    """Write ``ct.nii.gz`` and ``mask.nii.gz`` into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ct.nii.gz", folder / "mask.nii.gz"
    for path, voxels in zip(paths, (phantom.ct, phantom.mask), strict=True):
        image = nib.Nifti1Image(voxels, phantom.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
    return paths


def main() -> None:
    """Write the phantom of the shipped template."""
    parser = argparse.ArgumentParser(description="Write a CT phantom and its mask, made from the template vertebra.")
    parser.add_argument("--out", type=Path, required=True, help="folder for ct.nii.gz and mask.nii.gz")
    parser.add_argument("--spacing", type=float, default=1.0, help="voxel side in mm")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from models.bundle import load_template  # the template is not needed to import this module

    template = load_template()
    phantom = make_phantom(
        template.nodes[: template.n_surface], template.triangles, spacing=args.spacing, seed=args.seed
    )
    print(*write_phantom(phantom, args.out), sep="\n")


if __name__ == "__main__":
    main()
