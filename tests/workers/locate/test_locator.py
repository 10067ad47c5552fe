"""A long scan is looked at in tiles; what the network says of them is put together again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workers.imaging.volume import Volume
from workers.locate.locator import BLOCK, CLASSES, DIVISOR, OVERLAP, TILE, Locator, tiles


def mark(logit: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logit))


class BlockByBlock:
    """A network that sees one block at a time, so how a scan is cut into tiles cannot show."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert names == ["head"]
        volume = inputs["volume"]
        assert all(n % DIVISOR == 0 for n in volume.shape[2:])
        assert all(n <= most for n, most in zip(volume.shape[2:], TILE, strict=True))
        i, j, k = (n // BLOCK for n in volume.shape[2:])
        blocks = volume.reshape(1, 1, i, BLOCK, j, BLOCK, k, BLOCK).mean(axis=(3, 5, 7))
        return [np.concatenate([0.1 * c * blocks for c in range(len(CLASSES))] + [-blocks], axis=1)]


@pytest.mark.parametrize("shape", [(10, 11, 9), (10, 11, 111), (10, 11, 113), (10, 11, 300), (150, 130, 20)])
def test_tiles_are_joined_where_they_were_cut(shape):
    slope = np.array([3.0, -2.0, 5.0])
    hu = (np.moveaxis(np.indices(shape), 0, -1) @ slope).astype(np.float32)  # what is linear stays so between blocks
    hu -= hu.min() + 240.0
    hu = np.minimum(hu, 1200.0)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [3.0, 4.0, 5.0]
    framed = np.pad(hu, ((2, 0), (0, 1), (1, 1)), constant_values=-1000.0)  # air about the body is left out
    maps = Locator(BlockByBlock()).maps(Volume(framed, affine))
    inner = tuple(slice(1, n - 1 - n % 2 - 1) for n in shape)  # at its ends the scan mixes with air
    expected = (hu - 150.0) / 300.0
    np.testing.assert_allclose(maps.mark[inner], mark(-expected)[inner], atol=2e-3)
    odds = np.exp(0.1 * np.arange(len(CLASSES))[:, None, None, None] * expected)
    low, high = np.array([2, 2, 3]), np.array([6, 5, shape[2] - 4])
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    np.testing.assert_allclose(maps.classes(low, high), (odds / odds.sum(axis=0))[(slice(None), *box)], atol=2e-3)
    np.testing.assert_allclose(maps.affine[:3, 3], [11.0, 4.0, 9.0])


class Nearsighted:
    """A network that tells how many blocks it sees on either side of one: few at the ends of a tile."""

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        shape = (1, 1, *(n // BLOCK for n in inputs["volume"].shape[2:]))
        z = np.arange(shape[4])
        seen = np.broadcast_to(np.minimum(z, z[::-1]), shape).astype(np.float32)
        return [np.repeat(seen, len(CLASSES) + 1, axis=1)]


@pytest.mark.parametrize("slices", [113, 300, 500])
def test_no_block_is_taken_from_the_end_of_a_tile(slices):
    maps = Locator(Nearsighted()).maps(Volume(np.zeros((8, 8, slices), np.float32), np.diag([4.0, 4.0, 4.0, 1.0])))
    assert maps.mark.shape == (8, 8, slices)
    seen, ends = maps.head[3], OVERLAP // 2 // BLOCK
    assert seen[:, :, ends : slices // BLOCK - ends].min() >= ends - 1


@pytest.mark.parametrize("n", [16, 112, 128, 166, 192, 224, 512])
def test_every_tile_of_a_long_scan_is_full(n):
    found = list(tiles(n, 112))
    assert found[0].start == found[0].first == 0
    assert found[-1].stop == n
    assert len(found) == 1 or all(tile.stop - tile.start == 112 for tile in found)
    assert all(tile.start % BLOCK == tile.first % BLOCK == 0 for tile in found)
    for a, b in pairwise(found):
        assert a.stop - b.start >= OVERLAP
        assert b.start + OVERLAP // 2 <= b.first <= a.stop - OVERLAP // 2
    assert len(found) <= max(1, -(-(n - OVERLAP) // (112 - OVERLAP)))


class Recorder:
    """A network that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.shown.append(inputs["volume"][0, 0])
        return [np.zeros((1, len(CLASSES) + 1, *(n // BLOCK for n in self.shown[-1].shape)), np.float32)]


@pytest.mark.parametrize(("slices", "air"), [(166, 0), (167, 1)])
def test_the_last_tile_of_a_long_scan_ends_with_the_scan(slices, air):
    network = Recorder()
    Locator(network).maps(Volume(np.zeros((8, 8, slices), np.float32), np.diag([4.0, 4.0, 4.0, 1.0])))
    middle = network.shown[-1][4, 4]
    assert (middle != middle[0]).sum() == air
