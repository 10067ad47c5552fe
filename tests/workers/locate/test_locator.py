"""A long scan is looked at in tiles; what the network says of them is put together again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.locate.locator import CLASSES, DIVISOR, OVERLAP, TILE, Locator, tiles


class VoxelByVoxel:
    """A network that sees one voxel at a time, so how a scan is cut into tiles cannot show."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert names == ["classes", "mark"]
        volume = inputs["volume"]
        assert all(n % DIVISOR == 0 for n in volume.shape[2:])
        assert all(n <= most for n, most in zip(volume.shape[2:], TILE, strict=True))
        classes = np.concatenate([volume * (c + 1) for c in range(len(CLASSES))], axis=1)
        return [classes, -volume]


@pytest.mark.parametrize("shape", [(10, 11, 9), (10, 11, 111), (10, 11, 113), (10, 11, 300), (150, 130, 20)])
def test_tiles_are_joined_where_they_were_cut(shape):
    hu = np.random.default_rng(0).uniform(-240.0, 1200.0, shape).astype(np.float32)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [3.0, 4.0, 5.0]
    framed = np.pad(hu, ((2, 0), (0, 1), (1, 1)), constant_values=-1000.0)  # air about the body is left out
    maps = Locator(VoxelByVoxel()).maps(Volume(framed, affine))
    expected = (hu - 150.0) / 300.0
    np.testing.assert_allclose(maps.mark, -expected, atol=1e-5)
    np.testing.assert_allclose(maps.classes[4], 5.0 * expected, rtol=1e-3)
    np.testing.assert_allclose(maps.affine[:3, 3], [11.0, 4.0, 9.0])


class Nearsighted:
    """A network that tells how many slices it sees on either side of a voxel: few at the ends of a tile."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        shape = inputs["volume"].shape
        z = np.arange(shape[4])
        seen = np.broadcast_to(np.minimum(z, z[::-1]), shape).astype(np.float32)
        return [np.repeat(seen, len(CLASSES), axis=1), seen]


@pytest.mark.parametrize("slices", [113, 300, 500])
def test_no_voxel_is_taken_from_the_end_of_a_tile(slices):
    maps = Locator(Nearsighted()).maps(Volume(np.zeros((8, 8, slices), np.float32), np.diag([4.0, 4.0, 4.0, 1.0])))
    for seen in (maps.mark, maps.classes[3]):
        assert seen.shape == (8, 8, slices)
        assert seen[:, :, OVERLAP // 2 : -OVERLAP // 2].min() >= OVERLAP // 2 - 1


@pytest.mark.parametrize("n", [1, 112, 113, 192, 224, 500])
def test_every_tile_of_a_long_scan_is_full(n):
    found = list(tiles(n, 112))
    assert found[0].start == found[0].first == 0
    assert found[-1].stop == n
    assert len(found) == 1 or all(tile.stop - tile.start == 112 for tile in found)
    for a, b in pairwise(found):
        assert a.stop - b.start >= OVERLAP
        assert b.start + OVERLAP // 2 <= b.first <= a.stop - OVERLAP // 2
    assert len(found) <= max(1, -(-(n - OVERLAP) // (112 - OVERLAP)))
