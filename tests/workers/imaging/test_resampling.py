"""What the segmentation networks see of a CT does not depend on how the CT is stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.workers.mask.real_masks import reoriented
from tests.workers.traced_memory import traced_memory
from workers.imaging import resampling
from workers.imaging.resampling import AIR_HU, COARSE_MM, CROP_STEP_MM, canonical, coarse, crop, sample
from workers.imaging.volume import Volume

SLOPE = np.array([3.0, -2.0, 1.5])
"""HU a mm."""


def placed(voxels: NDArray, spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> Volume:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Volume(voxels, affine)


def smooth_ct() -> Volume:
    field = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((20, 24, 28)), 1.5)
    hu = (100.0 + 300.0 * field / field.std()).astype(np.float32)
    return placed(hu, (0.9, 1.1, 2.5), (-31.0, 12.0, 440.0))


def oblique(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Turned by 20, 10 and 5 degrees, stored left to right."""
    a, b, c = np.radians([20.0, 10.0, 5.0])
    x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(x) @ y @ z @ np.diag(spacing) @ np.diag([-1.0, 1.0, 1.0])
    affine[:3, 3] = [40.0, -25.0, 310.0]
    return affine


def points_of(volume: Volume) -> NDArray[np.float64]:
    index = np.moveaxis(np.indices(volume.voxels.shape), 0, -1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def ramp(spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> tuple[Volume, NDArray[np.float64]]:
    """HU that grow linearly through the world, 400 HU at the returned middle."""
    affine = oblique(spacing)
    middle = affine[:3, :3] @ (0.5 * (np.array(shape) - 1.0)) + affine[:3, 3]
    blank = Volume(np.zeros(shape, np.float32), affine)
    return Volume(((points_of(blank) - middle) @ SLOPE + 400.0).astype(np.float32), affine), middle


def test_all_48_orientations_give_the_same_samples():
    ct = smooth_ct()
    low, shape = np.array([-27.0, 15.0, 445.0]), (12, 16, 30)
    small, window = coarse(ct), crop(ct, low, shape)
    assert small.voxels.std() > 50.0
    assert window.voxels.std() > 100.0
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product([1, -1], repeat=3):
            turned = reoriented(ct, axes, flips)
            for ours, reference in ((coarse(turned), small), (crop(turned, low, shape), window)):
                np.testing.assert_allclose(ours.affine, reference.affine, atol=1e-9)
                np.testing.assert_allclose(ours.voxels, reference.voxels, atol=1e-3, rtol=0)


def test_canonical_is_a_view():
    turned = reoriented(smooth_ct(), (2, 0, 1), (-1, 1, -1))
    upright = canonical(turned)
    assert np.shares_memory(upright.voxels, turned.voxels)
    assert (np.diag(upright.affine[:3, :3]) > 0.0).all()


@pytest.mark.parametrize("spacing", [(0.6, 0.7, 0.8), (0.9, 1.1, 2.5), (3.0, 3.0, 3.0)])
def test_a_ramp_through_an_oblique_ct_is_cropped_exactly(spacing):
    ct, middle = ramp(spacing, (70, 70, 60))
    reach = np.array([9.0, 8.0, 7.5])
    window = crop(ct, middle - reach, (19, 17, 11))
    np.testing.assert_allclose(window.affine[:3, :3], np.diag(CROP_STEP_MM))
    expected = (points_of(window) - middle) @ SLOPE + 400.0
    assert np.ptp(expected) > 100.0
    np.testing.assert_allclose(window.voxels, expected, atol=0.01, rtol=0)


def test_a_ramp_through_an_oblique_ct_is_averaged_exactly():
    ct, middle = ramp((0.9, 1.1, 2.5), (90, 80, 40))
    small = coarse(ct)
    np.testing.assert_allclose(small.spacing, COARSE_MM)
    points = points_of(small)
    index = (points - ct.affine[:3, 3]) @ np.linalg.inv(ct.affine[:3, :3]).T
    inner = ((index > 6.0) & (index < np.array(ct.voxels.shape) - 7.0)).all(axis=-1)
    assert inner.sum() > 500
    np.testing.assert_allclose(small.voxels[inner], (points[inner] - middle) @ SLOPE + 400.0, atol=0.01, rtol=0)


def test_the_coarse_grid_starts_at_the_lowest_corner_and_holds_the_highest():
    for spacing, shape in (((1.0, 2.0, 4.0), (41, 21, 11)), ((0.9, 1.1, 2.5), (20, 24, 28))):
        ct = placed(np.zeros(shape, np.int16), spacing, (5.0, -6.0, 70.0))
        small = coarse(ct)
        np.testing.assert_allclose(small.affine[:3, 3], [5.0, -6.0, 70.0])
        length = (np.array(shape) - 1.0) * spacing
        np.testing.assert_array_equal(small.voxels.shape, np.ceil(length / COARSE_MM - 1e-6) + 1)


def test_a_ct_of_4_mm_stays_as_it_is():
    hu = np.random.default_rng(1).uniform(-500.0, 1500.0, (7, 8, 9)).astype(np.float32)
    np.testing.assert_allclose(coarse(placed(hu, (4.0, 4.0, 4.0), (1.0, 2.0, 3.0))).voxels, hu, rtol=1e-6)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 4.0), (0.5, 1.0, 2.0)])
def test_averaging_keeps_the_integral(spacing):
    """What is added to single voxels inside comes out again, over the same volume in mm³."""
    shape = tuple(int(48 / s) for s in spacing)
    hu = np.zeros(shape, np.float32)
    plain = coarse(placed(hu, spacing, (0.0, 0.0, 0.0))).voxels
    random = np.random.default_rng(2)
    inner = tuple(slice(int(12 / s), int(36 / s)) for s in spacing)
    added = random.uniform(0.0, 900.0, hu[inner].shape).astype(np.float32) * (random.random(hu[inner].shape) < 0.2)
    hu[inner] += added
    gained = coarse(placed(hu, spacing, (0.0, 0.0, 0.0))).voxels - plain
    assert gained.sum(dtype=float) * COARSE_MM**3 == pytest.approx(added.sum(dtype=float) * np.prod(spacing), rel=1e-5)
    assert gained.max() < 0.5 * added.max()  # averaged, not picked


def test_averaging_takes_the_mean_of_blocks():
    """1 mm voxels: blocks of four, whose middles lie 1.5 mm after every fourth voxel."""
    hu = np.random.default_rng(3).uniform(-900.0, 900.0, (32, 24, 28)).astype(np.float32)
    blocks = hu.reshape(8, 4, 6, 4, 7, 4).mean(axis=(1, 3, 5))
    expected = blocks
    for axis in range(3):
        n = expected.shape[axis]
        before, after = (expected.take(range(a, n - 1 + a), axis=axis) for a in (0, 1))
        expected = 0.375 * before + 0.625 * after
    small = coarse(placed(hu, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    np.testing.assert_allclose(small.voxels[1:8, 1:6, 1:7], expected, atol=0.01)


def test_outside_the_ct_is_air():
    ct = placed(np.full((20, 20, 20), 60, np.int16), (1.0, 1.0, 1.5), (0.0, 0.0, 0.0))
    window = crop(ct, np.array([-10.0, 5.0, 6.0]), (40, 5, 5)).voxels
    np.testing.assert_array_equal(window[:10], AIR_HU)
    np.testing.assert_allclose(window[10:30], 60.0, rtol=1e-6)
    np.testing.assert_array_equal(window[30:], AIR_HU)
    far = crop(ct, np.array([200.0, 5.0, 6.0]), (4, 5, 6))
    np.testing.assert_array_equal(far.voxels, np.full((4, 5, 6), AIR_HU, np.float32))
    np.testing.assert_array_equal(far.affine[:3, 3], [200.0, 5.0, 6.0])
    turned = Volume(np.full((20, 20, 20), 60, np.int16), oblique((4.0, 4.0, 4.0)))
    small = coarse(turned)
    index = (points_of(small) - turned.affine[:3, 3]) @ np.linalg.inv(turned.affine[:3, :3]).T
    beyond = ((index < -1.0) | (index > 20.0)).any(axis=-1)
    assert 0.2 < beyond.mean() < 0.8
    np.testing.assert_array_equal(small.voxels[beyond], AIR_HU)


@pytest.mark.parametrize("where", [16, 18])  # between two blocks, and within one
@pytest.mark.parametrize("padding", [-2048, -3024])
def test_padding_is_lifted_to_air(padding, where):
    hu = np.full((32, 32, 32), 40, np.int16)
    hu[where:] = padding
    ct, same = (placed(v, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)) for v in (hu, np.maximum(hu, int(AIR_HU))))
    low = np.array([4.0, 4.0, 4.0])
    np.testing.assert_array_equal(crop(ct, low, (24, 24, 16)).voxels, crop(same, low, (24, 24, 16)).voxels)
    np.testing.assert_array_equal(coarse(ct).voxels, coarse(same).voxels)
    assert coarse(ct).voxels.min() == AIR_HU


def test_a_crop_is_blurred_only_where_voxels_are_smaller_than_its_step():
    random = np.random.default_rng(4)

    def grain(spacing: tuple[float, float, float]) -> float:
        noise = (100.0 * random.standard_normal((64, 64, 64))).astype(np.float32)
        ct = placed(noise, spacing, (0.0, 0.0, 0.0))
        low = np.array(spacing) * 10.0
        n = [int(40 * s / step) for s, step in zip(spacing, CROP_STEP_MM, strict=True)]
        return float(crop(ct, low, (n[0], n[1], n[2])).voxels.std())

    assert grain((1.0, 1.0, 1.5)) == pytest.approx(100.0, rel=0.03)
    assert grain((0.5, 0.5, 0.75)) < 40.0


def test_interpolation_and_fill():
    ct = placed(np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 3, 3), np.float32), (2, 2, 2), (0, 0, 0))
    out = sample(ct, np.array([-6.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0]), (20, 2, 2), fill=-7.0).voxels[:, 0, 0]
    np.testing.assert_allclose(out[6:15], np.arange(9) / 2.0)
    np.testing.assert_array_equal(out[:5], -7.0)
    np.testing.assert_array_equal(out[16:], -7.0)


def test_a_crop_does_not_copy_the_ct():
    ct = placed(np.zeros((512, 512, 400), np.int16), (0.8, 0.8, 0.8), (0.0, 0.0, 0.0))
    for voxels in (ct.voxels, ct.voxels.transpose(2, 0, 1)[::-1]):
        with traced_memory() as traced:
            window = crop(Volume(voxels, ct.affine), np.array([150.0, 150.0, 120.0]), (112, 112, 64))
        assert (window.voxels == 0.0).all()
        assert traced.peak < 0.3 * ct.voxels.nbytes


def test_a_crop_of_a_very_fine_ct_averages_first(monkeypatch):
    """0.1 mm voxels: the crop would copy the whole CT. Averaged in blocks it shows the same ramp."""
    ct, middle = ramp((0.1, 0.1, 0.1), (120, 110, 100))
    low, shape = middle - 3.0, (6, 6, 4)
    plain = crop(ct, low, shape).voxels
    monkeypatch.setattr(resampling, "MOST_VOXELS", 50_000)
    np.testing.assert_allclose(crop(ct, low, shape).voxels, plain, atol=0.2)
    with traced_memory() as traced:
        crop(ct, low, shape)
    assert traced.peak < 0.3 * ct.voxels.nbytes


def test_the_coarse_ct_of_a_thin_slab_of_tiny_voxels_needs_a_plane_at_a_time():
    """All planes lie within one block."""
    ct = placed(np.zeros((800, 800, 35), np.int16), (0.1, 0.1, 0.1), (0.0, 0.0, 0.0))
    with traced_memory() as traced:
        coarse(ct)
    assert traced.peak < 0.4 * ct.voxels.nbytes


def test_the_coarse_ct_needs_a_slab_at_a_time():
    ct = placed(np.zeros((512, 400, 300), np.int16), (0.8, 0.8, 0.8), (0.0, 0.0, 0.0))
    with traced_memory() as traced:
        coarse(ct)
    assert traced.peak < 0.25 * ct.voxels.nbytes
