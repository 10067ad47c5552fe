"""Pictures of an outline slice by slice, to keep it or to throw it away by looking."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from models.types import Bools, Bytes, Singles
from training.segmentation.data.labelled_cts import LabelledCt
from workers.imaging.binary_mask import label_box

MARGIN_VOXELS = 8
"""Voxels that a picture shows beside the vertebra."""
SAGITTAL, AXIAL = 8, 16
"""Slices along a vertebra from left to right, and from bottom to top, that are shown, evenly spaced."""
COLUMNS, ENLARGED = 8, 2
"""Slices side by side, and pixels a millimetre."""
SHOWN_HU = (-150.0, 500.0)
"""HU shown as black and as white."""
OWN, OTHERS = (255, 70, 50), (80, 160, 255)
"""Colours of the vertebra and of its neighbours."""


def draw_outline(labelled: LabelledCt, label: int) -> Image.Image:
    """Return sagittal and axial slices through one vertebra (its bone label) with all outlines."""
    tight = label_box(labelled.bone, label)
    box = tuple(slice(max(side.start - MARGIN_VOXELS, 0), side.stop + MARGIN_VOXELS) for side in tight)
    hu, bone = labelled.ct[box].astype(np.float32), labelled.bone[box]
    steps = np.abs(np.diag(labelled.affine)[:3])
    across, up = (
        np.linspace(MARGIN_VOXELS, bone.shape[axis] - MARGIN_VOXELS - 1, count).astype(int)
        for axis, count in ((0, SAGITTAL), (2, AXIAL))
    )
    tiles = [_tile(hu[i], bone[i], label, (steps[1], steps[2])) for i in across]
    tiles += [_tile(hu[:, :, k], bone[:, :, k], label, (steps[0], steps[1])) for k in up]
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(tiles) // COLUMNS) * height))
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (n % COLUMNS * width, n // COLUMNS * height))
    return sheet


def _tile(hu: Singles, bone: Bytes, label: int, steps: tuple[float, float]) -> Image.Image:
    """Return one slice (u, v): u to the right, v upwards."""
    zoom = [ENLARGED * step for step in steps]
    low, high = SHOWN_HU
    grey = np.clip((ndimage.zoom(hu, zoom, order=1) - low) / (high - low), 0.0, 1.0)
    picture = np.repeat((255.0 * grey).astype(np.uint8)[..., None], 3, axis=2)
    for mask, colour in ((bone == label, OWN), ((bone > 0) & (bone != label), OTHERS)):
        picture[_edge(mask, zoom)] = colour
    return Image.fromarray(picture.swapaxes(0, 1)[::-1])


def _edge(mask: Bools, zoom: list[float]) -> Bools:
    filled = ndimage.zoom(mask.astype(np.float32), zoom, order=1) > 0.5
    return np.asarray(filled & ~ndimage.binary_erosion(filled))
