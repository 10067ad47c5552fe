"""The CT of the viewer lies where the mesh lies, whatever the orientation of its file."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.results.ct_slices import ROOM_MM, CtSlices

ORIGIN = np.array([10.0, -20.0, 300.0])


def slices(flip: float) -> CtSlices:
    """A CT whose HU is 10 x + z, world mm, and a mask of 20 x 30 x 16 mm in it; the file's x runs right or left."""
    affine = np.diag([flip * 1.5, 1.5, 2.0, 1.0])
    affine[:3, 3] = [-60.0 * flip, -80.0, 260.0]
    i, _, k = np.indices((80, 80, 40))
    ct = Volume((10.0 * (affine[0, 0] * i + affine[0, 3]) + (2.0 * k + 260.0)).astype(np.float32), affine)
    held = np.zeros((34, 44, 30), bool)
    held[7:27, 7:37, 7:23] = True
    place = np.eye(4)
    place[:3, 3] = ORIGIN - [10.0 + 6.5, 15.0 + 6.5, 8.0 + 6.5]  # its middle is the origin
    return CtSlices(ct, CleanMask(held, place, 1, 0, 0, 0.0))


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_grey_values_and_mask_lie_where_they_are_in_the_world(flip):
    data = slices(flip).page_data(ORIGIN)
    i, j, k = data["shape"]
    grey = np.frombuffer(base64.b64decode(data["grey"]), "u1").reshape(k, j, i).astype(float)
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data["inside"]), "u1"), bitorder="little")
    inside = bits[: i * j * k].reshape(k, j, i).astype(bool)
    assert (i, j, k) == tuple(np.array([20, 30, 16]) + 2 * int(ROOM_MM))
    z, y, x = (data["first"][a] + data["spacing"] * n for a, n in zip((2, 1, 0), np.indices((k, j, i)), strict=True))
    hu = 10.0 * (x + ORIGIN[0]) + (z + ORIGIN[2])
    expected = np.clip((hu + 250.0) / 1500.0 * 255, 0, 255)
    middle = (slice(2, -2),) * 3
    np.testing.assert_allclose(grey[middle], expected[middle], atol=1.5)
    np.testing.assert_array_equal(inside, (np.abs(x) < 10) & (np.abs(y) < 15) & (np.abs(z) < 8))
