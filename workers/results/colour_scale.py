"""The colour scale of von Mises stress that the preview and the viewer share."""

from __future__ import annotations

import matplotlib
import numpy as np

from models.types import Bytes
from workers.results.stressed_mesh import StressedMesh

PERCENTILE = 99.0
"""The scale ends at this percentile of the surface nodes, so that one hot node does not darken the rest."""
LEAST_END_MPA = 1e-6
"""The scale never ends below this, so that an unstressed vertebra still has one."""
COLOUR_MAP = "turbo"
MAP_RANGE = (0.07, 0.98)
"""The part of the map that is used: its ends are too dark to show the form of the bone."""
COLOURS = 256
"""Entries of the table; `viewer_page.js` counts on as many."""


def colour_table() -> Bytes:
    """Return the (256, 3) uint8 RGB table from low to high stress."""
    colours = matplotlib.colormaps[COLOUR_MAP](np.linspace(*MAP_RANGE, COLOURS))[:, :3]
    return (colours * 255 + 0.5).astype(np.uint8)


def scale_end(mesh: StressedMesh) -> float:
    """Return where the von Mises colour scale ends, MPa; it starts at 0."""
    return max(float(np.percentile(mesh.surface_von_mises, PERCENTILE)), LEAST_END_MPA)
