import itertools

import numpy as np
import pytest

from tests.workers.mask.real_masks import TPTBOX, TS, label_map, reoriented, whole_vertebrae
from workers.imaging.volume import Volume, read_ct
from workers.mask.cleaning import clean_mask
from workers.mask.ct_grid import onto_ct_grid
from workers.mask.label_choice import labels_present

EYE = np.eye(4)


def whole_grid(clean, ct):
    return np.stack(list(onto_ct_grid(clean, ct.grid).planes()), axis=2)


def ball(shape=(30, 32, 34), centre=(15, 16, 17), radius=9.0):
    return sum((g - c) ** 2 for g, c in zip(np.ogrid[tuple(map(slice, shape))], centre, strict=True)) <= radius**2


def volume(voxels, affine=EYE):
    return Volume(np.asarray(voxels, np.uint8), np.asarray(affine, float))


def shifted(by, scale=1.0):
    affine = np.diag([scale, scale, scale, 1.0])
    affine[:3, 3] = by
    return affine


def test_cleaning_removes_pieces_and_noise_and_fills_holes():
    clean = ball()
    dirty = clean.copy()
    dirty[15, 16, 15:18] = False  # a hole
    dirty[1:3, 1:3, 1:3] = True  # another piece
    dirty[15, 16, 27:31] = True  # a whisker
    result = clean_mask(volume(dirty * 20), 20)
    back = whole_grid(result, volume(dirty))
    assert (back.astype(bool) ^ clean).sum() <= 6  # the ball's own six poles
    assert result.filled_voxels == 3
    assert result.removed_voxels >= 8 + 4
    assert not back[1:3, 1:3, 1:3].any()
    assert not back[15, 16, 28:].any()
    assert back[15, 16, 15:18].all()
    assert result.second_fragment == pytest.approx(8 / dirty.sum(), rel=0.05)
    assert result.volume_mm3 == back.sum()
    assert not result.voxels[:3].any()
    assert not result.voxels[:, :, -3:].any()


def test_cleaning_touches_only_its_label():
    voxels = np.zeros((30, 32, 34), np.uint8)
    voxels[ball()] = 20
    voxels[:, :, :10] = 21
    assert not whole_grid(clean_mask(volume(voxels), 20), volume(voxels))[voxels != 20].any()


def test_all_48_orientations_give_the_same_crop():
    voxels = ball()
    voxels[16:24, 14:18, 15:20] = True
    mask = volume(voxels * 3, [[0.9, 0.1, 0, 5], [-0.1, 0.9, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]])
    reference = clean_mask(mask, 3)
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product([1, -1], repeat=3):
            turned = reoriented(mask, axes, flips)
            clean = clean_mask(turned, 3)
            np.testing.assert_array_equal(clean.voxels, reference.voxels)
            np.testing.assert_allclose(clean.affine, reference.affine, atol=1e-9)
            assert np.linalg.det(clean.affine[:3, :3]) > 0
            np.testing.assert_array_equal(whole_grid(clean, turned), place_on_again(clean, turned))


def place_on_again(clean, grid):
    """The slow way, voxel by voxel."""
    out = np.zeros(grid.voxels.shape, np.uint8)
    index = np.argwhere(clean.voxels) @ clean.affine[:3, :3].T + clean.affine[:3, 3]
    back = np.linalg.inv(grid.affine)
    i, j, k = np.rint(index @ back[:3, :3].T + back[:3, 3]).astype(int).T
    out[i, j, k] = 1
    return out


def test_a_mask_on_another_grid_is_placed_on_the_ct():
    mask = volume(ball(), shifted([10, 20, 30]))
    ct = volume(np.zeros((20, 20, 20)), shifted([8.3, 18.1, 29.2], 2.0))
    out = whole_grid(clean_mask(mask, 1), ct)
    assert out.shape == (20, 20, 20)
    assert np.count_nonzero(out) * 8 == pytest.approx(np.count_nonzero(mask.voxels), rel=0.06)
    for grid, vox in ((mask, mask.voxels), (ct, out)):
        centre = grid.affine[:3, :3] @ np.argwhere(vox).mean(0) + grid.affine[:3, 3]
        np.testing.assert_allclose(centre, [25, 36, 47], atol=0.5)  # half a voxel of the mask


def test_cleaning_does_not_eat_real_vertebrae(data_dir):
    for name, clean, mask, label in whole_vertebrae(data_dir):
        before = (mask.voxels == label).sum()
        volume_mm3 = before * abs(np.linalg.det(mask.affine[:3, :3]))
        assert clean.volume_mm3 == pytest.approx(volume_mm3, rel=0.0025), name
        assert clean.removed_voxels <= max(5, 0.002 * before), name


@pytest.mark.parametrize(("folder", "label"), [(TS, 31), (TPTBOX, 22)])
def test_real_mask_goes_back_onto_its_ct(data_dir, folder, label):
    ct, mask = read_ct(data_dir / folder / "ct.nii.gz"), label_map(data_dir, folder)
    assert label in labels_present(mask)
    back = whole_grid(clean_mask(mask, label), ct)
    assert ((back > 0) ^ (mask.voxels == label)).sum() <= 9
