"""Diverging colour maps of two ends, computed as K. Moreland published them.

K. Moreland, Diverging Color Maps for Scientific Visualization, ISVC 2009, doi:10.1007/978-3-642-10520-3_9. Magnitude,
saturation and hue (Msh), the polar form of CIELAB, run linearly from each end to a grey in the middle. So equal steps
of a value look about equally large, and the lightness grows from both ends to the middle.
"""

from __future__ import annotations

import numpy as np

from models.types import Floats

GREY_MAGNITUDE = 88.0
"""Msh magnitude of the middle, at least (Moreland)."""
LEAST_HUE_TO_LIGHTER = -np.pi / 3
"""Above this hue the hue turns counter-clockwise on the way to the middle, below it clockwise (Moreland)."""
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to CIE XYZ, D65 (IEC 61966-2-1)."""
WHITE = TO_XYZ @ np.ones(3)
LINEAR_BELOW, LAB_CUBE_ABOVE = 0.0031308, 6 / 29
"""Where sRGB and CIELAB go over from a line to a power (IEC 61966-2-1; CIE 15)."""


def diverging_map(low: Floats, high: Floats, colours: int) -> Floats:
    """Return a table (`colours`, 3) of sRGB, 0 to 1, from `low` (3,) over grey to `high` (3,)."""
    ends = _msh(rgb_to_lab(low)), _msh(rgb_to_lab(high))
    middle = max(ends[0][0], ends[1][0], GREY_MAGNITUDE)
    table = []
    for share in np.linspace(-1.0, 1.0, colours):
        end = ends[0] if share < 0 else ends[1]
        grey = np.array([middle, 0.0, _hue_at_grey(end, middle)])
        table.append(_lab_to_rgb(_lab_of_msh((1 - abs(share)) * grey + abs(share) * end)))
    return np.array(table)


def rgb_to_lab(rgb: Floats) -> Floats:
    """Return the CIELAB coordinates (…, 3), D65, of sRGB colours (…, 3), 0 to 1."""
    encoded_below = 12.92 * LINEAR_BELOW
    linear = np.where(rgb <= encoded_below, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = linear @ TO_XYZ.T / WHITE
    f = np.where(t > LAB_CUBE_ABOVE**3, np.cbrt(t), t / (3 * LAB_CUBE_ABOVE**2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def _lab_to_rgb(lab: Floats) -> Floats:
    fy = (lab[0] + 16) / 116
    f = np.array([fy + lab[1] / 500, fy, fy - lab[2] / 200])
    t = np.where(f > LAB_CUBE_ABOVE, f**3, 3 * LAB_CUBE_ABOVE**2 * (f - 4 / 29))
    linear = np.clip(np.linalg.solve(TO_XYZ, t * WHITE), 0.0, 1.0)
    return np.where(linear <= LINEAR_BELOW, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _msh(lab: Floats) -> Floats:
    magnitude = np.linalg.norm(lab)
    return np.array([magnitude, np.arccos(lab[0] / magnitude), np.arctan2(lab[2], lab[1])])


def _lab_of_msh(msh: Floats) -> Floats:
    magnitude, saturation, hue = msh
    radius = magnitude * np.sin(saturation)
    return np.array([magnitude * np.cos(saturation), radius * np.cos(hue), radius * np.sin(hue)])


def _hue_at_grey(end: Floats, middle: float) -> float:
    """Return the hue with which a map reaches the grey, so that its steps look equal (Moreland's AdjustHue)."""
    magnitude, saturation, hue = end
    if magnitude >= middle:
        return float(hue)
    spin = saturation * np.sqrt(middle**2 - magnitude**2) / (magnitude * np.sin(saturation))
    return float(hue + spin if hue > LEAST_HUE_TO_LIGHTER else hue - spin)
