"""The kernel that interpolates gives what SciPy gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from workers.imaging.linear_samples import interpolate

TURNED = Rotation.from_euler("xyz", [12.0, 5.0, -170.0], degrees=True).as_matrix() * [0.8, 0.9, 1.1]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("matrix", [TURNED, np.diag([1.2, -0.8, 0.5])])
@pytest.mark.parametrize(("fill", "mode"), [(None, "nearest"), (-1024.0, "grid-constant")])
def test_the_same_as_scipy_within_the_volume_and_beyond(order, matrix, fill, mode):
    voxels = np.asarray(300.0 * np.random.default_rng(0).standard_normal((30, 25, 18)), np.float32, order=order)
    shape = (40, 32, 30)
    offset = np.array([15.0, 12.0, 9.0]) - matrix @ np.array([20.0, 16.0, 15.0])
    expected = ndimage.affine_transform(voxels, matrix, offset, shape, order=1, mode=mode, cval=fill or 0.0)
    found = interpolate(voxels, matrix, offset, shape, fill)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-3)
