"""A painted CT of a torso about the template."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from models.template import REGIONS
from tests.workers.template_vertebra import template_vertebra
from workers.engine import Engine
from workers.imaging.volume import Volume


def painted_body(
    engine: Engine,
    step: tuple[float, float, float] = (2.5, 2.5, 2.5),
    noise: float = 10.0,
    blood: float = 42.0,
    vena_cava: float | None = None,
) -> Volume:
    """A torso about the template: fat below the skin, muscle behind, an aorta before, organs' fat, bone, a table."""
    template = engine.template
    centre = template.nodes[template.region == REGIONS.index("body")].mean(axis=0)
    low, high = np.array([-190.0, -130.0, -40.0]), np.array([190.0, 190.0, 40.0])
    shape = np.ceil((high - low) / step).astype(int)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = centre + low
    x, y, z = np.moveaxis(np.stack(np.indices(shape), axis=-1) * step + low, -1, 0)
    radius = np.sqrt((x / 160.0) ** 2 + ((y - 20.0) / 115.0) ** 2)
    hu = np.full(tuple(shape), -1000.0)
    hu[radius < 1.0] = 30.0  # skin
    hu[radius < 0.97] = -105.0
    hu[radius < 0.82] = -95.0  # around the organs
    for side in (-32.0, 32.0):
        hu[((x - side) / 27.0) ** 2 + ((y + 55.0) / 24.0) ** 2 < 1.0] = 50.0
    hu[((x + 8.0) ** 2 + (y - 34.0) ** 2) < 11.0**2] = blood
    if vena_cava is not None:
        hu[((x - 17.0) ** 2 + (y - 30.0) ** 2) < 10.0**2] = vena_cava
    hu[(x - 45.0) ** 2 + (y - 60.0) ** 2 < 30.0**2] = 60.0  # liver
    hu[(y < -115.0) & (y > -123.0)] = -60.0  # table
    mask = template_vertebra(2.0)
    inverse = np.linalg.inv(mask.affine)
    at = np.stack([x, y, z]) + centre[:, None, None, None]
    index = np.einsum("ab,bijk->aijk", inverse[:3, :3], at) + inverse[:3, 3][:, None, None, None]
    hu[ndimage.map_coordinates(mask.voxels.astype(np.float32), index, order=1) > 0.5] = 250.0
    hu += np.random.default_rng(0).normal(0.0, noise, hu.shape)
    return Volume(np.rint(hu).astype(np.int16), affine)
