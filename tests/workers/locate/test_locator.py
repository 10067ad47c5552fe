"""A long scan is looked at in tiles; what the network says of them is put together again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.locate.locator import CLASSES, DIVISOR, OVERLAP, TILE, Locator, tile_starts


class VoxelByVoxel:
    """A network that sees one voxel at a time, so how a scan is cut into tiles cannot show."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert names == ["classes", "mark"]
        volume = inputs["volume"]
        assert all(n % DIVISOR == 0 for n in volume.shape[2:])
        assert volume.shape[4] <= TILE
        classes = np.concatenate([volume * (c + 1) for c in range(len(CLASSES))], axis=1)
        return [classes, -volume]


@pytest.mark.parametrize("slices", [9, 111, 113, 300])
def test_tiles_are_joined_where_they_were_cut(slices):
    hu = np.random.default_rng(0).uniform(-240.0, 1200.0, (10, 11, slices)).astype(np.float32)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [3.0, 4.0, 5.0]
    framed = np.pad(hu, ((2, 0), (0, 1), (1, 1)), constant_values=-1000.0)  # air about the body is left out
    maps = Locator(VoxelByVoxel()).maps(Volume(framed, affine))
    expected = (hu - 150.0) / 300.0
    np.testing.assert_allclose(maps.mark, -expected, atol=1e-5)
    np.testing.assert_allclose(maps.classes[4], 5.0 * expected, atol=1e-4)
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


@pytest.mark.parametrize("slices", [1, TILE, TILE + 1, 2 * TILE - OVERLAP, 2 * TILE, 500])
def test_every_tile_of_a_long_scan_is_full(slices):
    starts = tile_starts(slices)
    assert starts[0] == 0
    assert starts[-1] == max(slices - TILE, 0)
    assert all(b - a <= TILE - OVERLAP for a, b in pairwise(starts))
    assert len(starts) <= max(1, -(-(slices - OVERLAP) // (TILE - OVERLAP)))
