"""The colours of the surface in ``preview.png``: those of a scale, lit so that the form of the bone shows."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from models.compiled import compiled
from models.types import Bytes, Floats, Singles
from workers.results.colour_scale import ColourScale
from workers.results.panels import Projection
from workers.results.pen import SCALE
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
    normals = hits.interpolate(projection.surface.triangles, projection.panel.view.project(projection.surface.normals))
    lit: Bytes = _light(scale.colours(seen), normals, _shadow(hits, projection), LAMP.astype(np.float32))
    return lit


@compiled("(u1[:,::1], f4[:,::1], f4[::1], f4[::1])", parallel=False, fastmath=True)
def _light(base, normals, shadow, lamp):  # type: ignore[no-untyped-def]
    """Colours (p, 3) in the light of the lamp: `normals` (p, 3) in (right, up, toward), `shadow` (p,) as light left."""
    out = np.empty(base.shape, np.uint8)
    for p in range(len(base)):
        x, y, z = normals[p]
        length = max(np.sqrt(x * x + y * y + z * z), np.float32(LEAST_NORMAL))
        toward = z / length
        lit = min(max((x * lamp[0] + y * lamp[1] + z * lamp[2]) / length, 0.0), 1.0)
        light = (AMBIENT + DIFFUSE * lit + FACING * min(max(toward, 0.0), 1.0)) * shadow[p]
        highlight = GLOSS * min(max(2.0 * lit * toward - lamp[2], 0.0), 1.0) ** GLOSS_EXPONENT
        for c in range(3):
            out[p, c] = np.uint8(min(max(base[p, c] * light + highlight, 0.0), 255.0))
    return out


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
    blurred = gaussian_filter(depth[::SCALE, ::SCALE], SHADOW_SIGMA / SCALE, truncate=SHADOW_TRUNCATE)
    surroundings = blurred[rows // SCALE, cols // SCALE]  # as finely as the finished picture shows it
    return 1 - SHADOW_PER_MM * np.clip(surroundings - seen, 0, SHADOW_DEPTH_MM)
