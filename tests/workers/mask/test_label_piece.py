"""The piece of a label that may be the vertebra is cut out in bounded memory, and is the vertebra."""

import numpy as np
import pytest

from app.contract import errors
from tests.workers.mask.real_masks import TS, label_map, reoriented, whole_vertebrae
from tests.workers.traced_memory import traced_memory
from workers.imaging.volume import Volume
from workers.mask import label_piece
from workers.mask.cleaning import clean_mask
from workers.mask.label_piece import cut_out


def cube(side: int, mm: float = 1.0) -> Volume:
    return Volume(np.ones((side,) * 3, np.uint8), np.diag([mm, mm, mm, 1.0]))


def test_a_whole_vertebra_is_the_same_vertebra(data_dir):
    n = 0
    for name, clean, mask, label in whole_vertebrae(data_dir):
        n += 1
        again = clean_mask(cut_out(mask, label), 1)
        np.testing.assert_array_equal(again.voxels, clean.voxels, name)
        np.testing.assert_allclose(again.affine, clean.affine, atol=1e-9)
    assert n == 33


def test_every_orientation_gives_the_same_piece(data_dir):
    mask = label_map(data_dir, TS)
    piece = cut_out(mask, 31)
    for axes, flips in [((2, 0, 1), (-1, 1, 1)), ((1, 2, 0), (1, -1, -1)), ((0, 1, 2), (-1, -1, 1))]:
        again = cut_out(reoriented(mask, axes, flips), 31)
        np.testing.assert_array_equal(again.voxels, piece.voxels)
        np.testing.assert_allclose(again.affine, piece.affine, atol=1e-9)


def test_fine_voxels_are_merged_to_the_same_vertebra(data_dir):
    """Each voxel of 1 mm as 8 x 8 x 8 of 0.125 mm: merged to 0.375 mm, the volume and its middle stay."""
    mask = label_map(data_dir, "shapes/verse010")
    coarse = cut_out(mask, 20)
    fine = Volume(np.kron(coarse.voxels, np.ones((8, 8, 8), np.uint8)), coarse.affine @ np.diag([0.125] * 3 + [1.0]))
    fine.affine[:3, 3] -= coarse.affine[:3, :3] @ np.full(3, 7 / 16)
    merged = cut_out(fine, 1)
    assert merged.spacing == pytest.approx([0.375, 0.375, 0.375])
    assert merged.voxels.sum() * merged.voxel_mm3 == pytest.approx(coarse.voxels.sum() * coarse.voxel_mm3, rel=5e-3)
    middles = [(np.argwhere(v.voxels) @ v.affine[:3, :3].T + v.affine[:3, 3]).mean(axis=0) for v in (coarse, merged)]
    np.testing.assert_allclose(*middles, atol=0.05)


def test_too_many_voxels_are_merged(monkeypatch):
    monkeypatch.setattr(label_piece, "MOST_VOXELS", 10_000)
    merged = cut_out(cube(40), 1)
    assert merged.voxels.shape == (14, 14, 40)
    assert merged.voxels[:13, :13].all()
    np.testing.assert_allclose(merged.affine, [[3, 0, 0, 1], [0, 3, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_what_lies_elsewhere_is_left_out():
    voxels = np.zeros((120, 60, 60), np.uint8)
    voxels[10:50, 10:50, 10:50] = 7
    voxels[52, 52, 52] = 7  # noise within a cell of it
    voxels[100:110, 10:20, 10:20] = 7
    piece = cut_out(Volume(voxels, np.eye(4)), 7)
    assert piece.voxels.sum() == 40**3 + 1
    np.testing.assert_allclose(piece.affine[:3, 3], 10.0)


def test_a_label_that_is_too_large_is_refused_before_memory_grows():
    mask = cube(300)
    with traced_memory() as traced, pytest.raises(errors.NotAVertebra) as caught:
        cut_out(mask, 1)
    assert (caught.value.expected, caught.value.got) == ("at most 280 cm³", "27000 cm³")
    assert traced.peak < 4e6  # the mask has 27 MB


def test_a_label_that_is_too_long_is_refused():
    voxels = np.zeros((30, 30, 400), np.uint8)
    voxels[12:18, 12:18] = 1
    with pytest.raises(errors.NotAVertebra, match="label for each vertebra") as caught:
        cut_out(Volume(voxels, np.eye(4)), 1)
    assert caught.value.expected == "at most 160 mm along each axis"


def test_two_pieces_of_similar_size_are_refused():
    voxels = np.zeros((40, 40, 120), np.uint8)
    voxels[5:35, 5:35, 5:35] = voxels[5:35, 5:35, 80:110] = 1
    with pytest.raises(errors.NotAVertebra, match="54 cm³ together") as caught:
        cut_out(Volume(voxels, np.eye(4)), 1)
    assert caught.value.got == "a second of 100%"
    with pytest.raises(errors.VertebraeFused, match="volume of two vertebrae"):
        cut_out(Volume(voxels, np.diag([1.2, 1.2, 1.2, 1.0])), 1)


def test_scattered_voxels_are_no_piece():
    voxels = np.zeros((40, 40, 40), np.uint8)
    voxels[::4, ::4, ::4] = 1
    with pytest.raises(errors.NotAVertebra) as caught:
        cut_out(Volume(voxels, np.diag([0.1, 0.1, 0.1, 1.0])), 1)
    assert caught.value.expected == "one solid piece"
