"""Real vertebrae for the tests of the mask and plausibility stages."""

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pyvista as pv
from scipy import ndimage

from workers.imaging.volume import Volume, read_mask
from workers.mask.cleaning import CleanMask, clean_mask

TS = "ct/totalsegmentator_example"
TPTBOX = "ct/tptbox_L3"
LABEL_MAPS = {"shapes/verse004": range(18, 25), "shapes/verse010": range(20, 25), TS: range(27, 32), TPTBOX: [22]}


def label_map(data_dir: Path, folder: str) -> Volume:
    return read_mask(data_dir / folder / "vertebrae.nii.gz")


def whole_vertebrae(data_dir: Path) -> Iterator[tuple[str, CleanMask, Volume, int]]:
    """Yield name, cleaned vertebra, mask and label of the 33 whole ones."""
    for folder, labels in LABEL_MAPS.items():
        mask = label_map(data_dir, folder)
        for label in labels:
            yield f"{folder} {label}", clean_mask(mask, label), mask, label
    for level in range(1, 6):
        mask = read_mask(data_dir / f"shapes/verse005/L{level}.nii.gz")
        yield f"verse005 L{level}", clean_mask(mask, 1), mask, 1
    parts = read_mask(data_dir / "ct/spinefe_verse004_L2/subregions.nii.gz")
    mask = Volume(np.isin(parts.voxels, [1, 2, 3, 4]).astype(np.uint8), parts.affine)
    yield "spinefe L2", clean_mask(mask, 1), mask, 1
    for path in sorted(data_dir.glob("shapes/*/L?.ply")):
        mask = voxelised(pv.read(path))
        yield f"{path.parent.name} {path.stem}", clean_mask(mask, 1), mask, 1


def voxelised(surface: pv.PolyData, spacing: float = 1.0) -> Volume:
    grid = surface.voxelize_binary_mask(spacing=(spacing,) * 3)
    voxels = np.asarray(grid["mask"]).reshape(grid.dimensions, order="F") > 0
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.array(grid.origin) - 4 * spacing
    return Volume(np.pad(voxels, 4).astype(np.uint8), affine)


def fused(mask: Volume, labels: tuple[int, int], close_mm: float = 0.0) -> Volume:
    """Return a mask in which two labels are one (1), gaps up to twice `close_mm` closed."""
    both = np.isin(mask.voxels, labels)
    index = np.argwhere(both)
    pad = int(np.ceil(close_mm / mask.spacing.min())) + 4
    crop = np.pad(both[tuple(slice(a, b + 1) for a, b in zip(index.min(0), index.max(0), strict=True))], pad)
    affine = mask.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (index.min(0) - pad)
    if close_mm:
        grown = ndimage.distance_transform_edt(~crop, sampling=mask.spacing) <= close_mm
        crop |= ndimage.distance_transform_edt(grown, sampling=mask.spacing) > close_mm
    return Volume(crop.astype(np.uint8), affine)


def reoriented(volume: Volume, axes: tuple[int, ...], flips: tuple[int, ...]) -> Volume:
    turned = nib.Nifti1Image(volume.voxels, volume.affine).as_reoriented(np.column_stack([axes, flips]))
    return Volume(np.asarray(turned.dataobj), turned.affine)
