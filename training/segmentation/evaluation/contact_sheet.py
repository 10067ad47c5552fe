"""One picture of every answered vertebra: three planes through its body with the outline, few enough bytes for git."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from models.types import Bytes, Floats, Singles
from workers.imaging.point_samples import sample_points
from workers.imaging.volume import Volume

PIXELS, STEP_MM, BEHIND_MM = 150, 0.7, 15.0
"""Side of one plane, the distance of its pixels, and how far its middle lies behind the body centre: 105 mm show a
vertebra from the front of its body to the spinous process."""
SHOWN_HU = (-100.0, 450.0)
"""HU shown as black and as white."""
FORWARD = 1
PLANES = ((FORWARD, 2), (0, 2), (0, FORWARD))
"""World axes of the columns and rows: sagittal, coronal, axial."""
OUTLINE_COLOUR = (255, 70, 50)
TITLE_PIXELS, COLUMNS, COLOURS = 14, 3, 64
"""Height of a title, tiles side by side, and colours of the sheet."""


def draw_tile(ct: Volume, mask: Volume, centre: Floats, title: str) -> Image.Image:
    """Return sagittal, coronal and axial plane through a point (3,) mm RAS with the outline of a mask (0 or 1)."""
    offsets = (np.arange(PIXELS) - PIXELS / 2) * STEP_MM
    tile = Image.new("RGB", (PIXELS * len(PLANES), PIXELS + TITLE_PIXELS))
    for i, (across, up) in enumerate(PLANES):
        world = np.empty((PIXELS, PIXELS, 3))
        world[:] = centre
        world[..., across] += offsets
        world[..., up] -= offsets[:, None]
        if FORWARD in (across, up):
            world[..., FORWARD] -= BEHIND_MM
        plane = _grey(sample_points(ct, world))
        filled = sample_points(mask, world) > 0.5
        plane[filled & ~ndimage.binary_erosion(filled)] = OUTLINE_COLOUR
        tile.paste(Image.fromarray(plane), (i * PIXELS, TITLE_PIXELS))
    ImageDraw.Draw(tile).text((3, 1), title, fill=(255, 255, 255))
    return tile


def _grey(hu: Singles) -> Bytes:
    """Return (rows, columns, 3) grey values of HU (rows, columns)."""
    low, high = SHOWN_HU
    grey = np.clip((hu - low) / (high - low), 0.0, 1.0)
    return np.repeat((255.0 * grey).astype(np.uint8)[..., None], 3, axis=2)


def write_sheet(path: Path, tiles: list[Path]) -> None:
    """Write the tiles' files, one at least, side by side into one PNG file of few colours."""
    rows = -(-len(tiles) // COLUMNS)
    with Image.open(tiles[0]) as first:
        width, height = first.size
    sheet = Image.new("RGB", (width * min(COLUMNS, len(tiles)), height * rows))
    for i, tile in enumerate(tiles):
        with Image.open(tile) as image:
            sheet.paste(image, (width * (i % COLUMNS), height * (i // COLUMNS)))
    sheet.quantize(COLOURS).save(path, optimize=True)
