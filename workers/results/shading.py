"""The colours of the surface in ``preview.png``: those of a scale, lit so that the form of the bone shows."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from models.types import Bytes, Floats, Singles
from workers.results.colour_scale import ColourScale
from workers.results.panels import Projection
from workers.results.rasteriser import Hits

LAMP = np.array([-0.35, 0.55, 0.76])
"""Unit vector to the lamp in (right, up, toward) coordinates: over the viewer's left shoulder."""
AMBIENT, DIFFUSE, FACING = 0.62, 0.28, 0.13
"""Light from everywhere, from the lamp, and on what faces the viewer. Together just above 1, so a face lit by all keeps
the colour of the scale."""
GLOSS, GLOSS_EXPONENT = 26, 12
"""Strength (of 255) and sharpness of the highlight (Phong): a faint one, so that it does not pass for high stress."""
SHADOW_SIGMA, SHADOW_TRUNCATE = 12, 2
"""Gaussian blur of the depth for shadows, drawing pixels (about 1 mm of bone), cut off at 2 sigma for speed."""
SHADOW_DEPTH_MM, SHADOW_PER_MM = 6, 0.075
"""A pixel is darkened in proportion to how far it lies behind its surroundings, up to 45 % at 6 mm."""
LEAST_NORMAL = 1e-12
"""Keeps a normal that interpolates to nothing from dividing by zero."""


def shade(hits: Hits, projection: Projection, values: Floats, scale: ColourScale) -> Bytes:
    """Return the colours (p, 3) uint8 of the hit pixels.

    Parameters
    ----------
    hits
        The p pixels that show the surface.
    projection
        The surface on its panel.
    values
        (n,) of the surface nodes, MPa.
    scale
        Their colours.
    """
    seen = hits.interpolate(projection.surface.triangles, values)
    normals = _normals(hits, projection)
    lamp = np.clip(normals @ LAMP.astype(np.float32), 0, 1)
    light = (AMBIENT + DIFFUSE * lamp + FACING * np.clip(normals[:, 2], 0, 1)) * _shadow(hits, projection)
    highlight = GLOSS * np.clip(2 * lamp * normals[:, 2] - LAMP[2], 0, 1) ** GLOSS_EXPONENT
    base = scale.colours(seen).astype(np.float32)
    return np.clip(base * light[:, None] + highlight[:, None], 0, 255).astype(np.uint8)


def _normals(hits: Hits, projection: Projection) -> Singles:
    """Return the unit normals (p, 3) float32 in (right, up, toward) coordinates."""
    surface, view = projection.surface, projection.panel.view
    normals = hits.interpolate(surface.triangles, view.project(surface.normals))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), LEAST_NORMAL)
    return normals


def _shadow(hits: Hits, projection: Projection) -> Singles:
    """Return the share of light (p,) float32 that is left to each pixel by the surface around it."""
    if not len(hits.rows):
        return np.ones(0, np.float32)
    depth_mm = projection.nodes[:, 2] / projection.pixels_per_mm
    seen = hits.interpolate(projection.surface.triangles, depth_mm)
    room = SHADOW_SIGMA * SHADOW_TRUNCATE  # beyond it nothing darkens the surface
    rows, cols = hits.rows - hits.rows.min() + room, hits.cols - hits.cols.min() + room
    depth = np.full((rows.max() + room + 1, cols.max() + room + 1), depth_mm.min(), np.float32)
    depth[rows, cols] = seen
    surroundings = gaussian_filter(depth, SHADOW_SIGMA, truncate=SHADOW_TRUNCATE)[rows, cols]
    return 1 - SHADOW_PER_MM * np.clip(surroundings - seen, 0, SHADOW_DEPTH_MM)
