"""A sagittal picture of a CT along the row of bodies: bone window, a mark on each body, letters, a scale bar below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from scipy.spatial import cKDTree

from models.types import Bytes, Floats, Singles
from workers.imaging.sagittal_surface import SagittalWindow, sample_sagittal
from workers.imaging.volume import Volume
from workers.results.lettering import draw_scale_bar
from workers.results.pen import SCALE, Pen, Point, TextStyle

BONE_WINDOW_HU = (-150.0, 700.0)
"""Black and white: fat is dark, discs and muscle grey, trabecular bone light, cortex nearly white."""
STEP_MM = 0.75
"""Side of a sample: about a voxel of most CTs of the spine."""
FOOT = 56
"""Height of the white strip below the CT, pixels of the finished picture, as all sizes here."""
SCALE_BAR_AT = (16, 20)
"""From the strip's left and upper edge."""

BODY_COLOUR, CHOSEN_COLOUR = "#8fd3ff", "#ffc02e"
"""Of the mark and name of a body, and of the one that is meant."""
RIM_COLOUR = "#10151c"
"""Keeps marks and words readable on bone."""
NAME = TextStyle(16, BODY_COLOUR, bold=True, rim=RIM_COLOUR)
CHOSEN_NAME = TextStyle(19, CHOSEN_COLOUR, bold=True, rim=RIM_COLOUR)
NAME_AT_MM = 26.0
"""How far in front of a body's centre its name ends: a lumbar body is 35 mm deep."""
NAME_INSET = 11
"""No name comes nearer to an edge: half its height."""
ARM, CHOSEN_ARM, CHOSEN_RING = 5, 8, 15
"""Arms of a mark, and the ring around the chosen one."""

LETTER = TextStyle(16, "white", bold=True, rim=RIM_COLOUR)
LETTER_INSET = 15
"""From the edges of the picture to the middle of an orientation letter."""

GREYS, TINTS = 64, 24
"""Shades of the file's palette: from black to white, and from the rim to each colour of a mark."""


@dataclass(frozen=True)
class BodyMark:
    """A vertebral body to mark: its centre (3,) mm RAS, its name, and whether it is the one that is meant."""

    centre: Floats
    name: str
    chosen: bool


@dataclass(frozen=True)
class SagittalPanel:
    """What a picture shows and how large; anterior is at its left, superior at its top."""

    window: SagittalWindow
    pixels_per_mm: float

    @property
    def width(self) -> int:
        """Of the picture, pixels."""
        return max(round(self.window.depth * self.pixels_per_mm), 1)

    @property
    def height(self) -> int:
        """Of the part that shows the CT, pixels; the strip below is `FOOT` high."""
        return max(round(self.window.height * self.pixels_per_mm), 1)

    def at(self, point: Floats) -> Point:
        """Return where a point (3,) mm RAS lies in the picture, pixels to the right and down."""
        y, z = float(point[1]), float(point[2])
        return (self.window.front - y) * self.pixels_per_mm, (self.window.top - z) * self.pixels_per_mm


def paint(ct: Volume, curve: Floats, panel: SagittalPanel) -> Image.Image:
    """Return a picture, `SCALE` times too large, of the CT along a curve above a white strip; see `sample_sagittal`."""
    image = Image.new("RGB", (panel.width * SCALE, (panel.height + FOOT) * SCALE), "white")
    shades = Image.fromarray(bone_shades(sample_sagittal(ct, curve, panel.window, STEP_MM)))
    size = (panel.width * SCALE, panel.height * SCALE)
    image.paste(shades.resize(size, Image.Resampling.BICUBIC), (0, 0))
    return image


def bone_shades(hu: Singles) -> Bytes:
    """Return the grey values of HU, any shape, in the bone window."""
    black, white = BONE_WINDOW_HU
    return np.asarray(np.clip((hu - black) * (255.0 / (white - black)), 0.0, 255.0), np.uint8)


def mark_bodies(pen: Pen, panel: SagittalPanel, marks: list[BodyMark]) -> None:
    """Draw a cross on each body that lies in the panel, and its name in front of it; the chosen one last and larger."""
    for mark in sorted(marks, key=lambda mark: mark.chosen):
        x, y = panel.at(mark.centre)
        if not (0 <= x < panel.width and 0 <= y < panel.height):
            continue
        _draw_cross(pen, (x, y), mark.chosen)
        style = CHOSEN_NAME if mark.chosen else NAME
        end = max(x - NAME_AT_MM * panel.pixels_per_mm, NAME_INSET + pen.width_of(mark.name, style))
        pen.write((end, min(max(y, NAME_INSET), panel.height - NAME_INSET)), mark.name, style, anchor="rm")


def _draw_cross(pen: Pen, at: Point, chosen: bool) -> None:
    """Draw the mark of a body, with a rim; around the chosen one a ring too."""
    x, y = at
    arm, colour = (CHOSEN_ARM, CHOSEN_COLOUR) if chosen else (ARM, BODY_COLOUR)
    for pen_colour, width in ((RIM_COLOUR, 4), (colour, 2)):
        pen.line([(x - arm, y), (x + arm, y)], pen_colour, width)
        pen.line([(x, y - arm), (x, y + arm)], pen_colour, width)
        if chosen:
            pen.arc(at, CHOSEN_RING, (0, 360), pen_colour, width)


def letter(pen: Pen, panel: SagittalPanel) -> None:
    """Write the orientation letters at the edges, clear of the names, and draw the scale bar in the strip."""
    width, height = panel.width, panel.height
    for at, name in (
        ((LETTER_INSET, height / 2), "A"),
        ((width - LETTER_INSET, height / 2), "P"),
        ((width - LETTER_INSET, LETTER_INSET), "S"),
        ((width - LETTER_INSET, height - LETTER_INSET), "I"),
    ):
        pen.write(at, name, LETTER, anchor="mm")
    draw_scale_bar(pen, (SCALE_BAR_AT[0], height + SCALE_BAR_AT[1]), panel.pixels_per_mm)


def save(image: Image.Image, path: Path) -> None:
    """Write a picture that is `SCALE` times too large as PNG; a palette makes the file a third as large."""
    pixels, shades = np.asarray(image.reduce(SCALE)), _palette()
    nearest = np.rint(pixels[..., 0] * ((GREYS - 1) / 255.0)).astype(np.uint8)
    coloured = (pixels != pixels[..., :1]).any(axis=2)
    nearest[coloured] = cKDTree(shades).query(pixels[coloured])[1]
    picture = Image.fromarray(nearest)
    picture.putpalette(shades.tobytes())
    picture.save(path, format="PNG", optimize=True)


@cache
def _palette() -> Bytes:
    """Return every shade of the pictures (n, 3): the greys first."""
    greys = np.linspace(0.0, 255.0, GREYS)[:, None] * np.ones(3)
    rim, *colours = (np.array(ImageColor.getrgb(name)) for name in (RIM_COLOUR, BODY_COLOUR, CHOSEN_COLOUR))
    return np.rint([*greys, *(shade for colour in colours for shade in np.linspace(rim, colour, TINTS))]).astype(
        np.uint8
    )
