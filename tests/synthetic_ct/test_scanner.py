"""The scanner: blur where a protocol says so, noise as strong as asked, 12 bits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from synthetic_ct.scanner import HIGHEST_HU, LOWEST_HU, Protocol, resample, scan

SHARP = Protocol(in_plane_mm=1.0, slice_mm=1e-3, step_mm=1.0, blur_mm=0.0, noise_hu=0.0, grain=0.5)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def still(image: np.ndarray, protocol: Protocol, spacing: float = 1.0) -> np.ndarray:
    """A scan without the slow drift that a part of them gets."""
    nothing = np.zeros(image.shape, np.float32)
    seed = next(s for s in range(50) if not scan(generator(s), nothing, spacing, protocol)[0].any())
    return scan(generator(seed), image.astype(np.float32), spacing, protocol)[0]


def test_protocols_stay_within_what_scanners_do():
    drawn = [Protocol.draw(generator(seed)) for seed in range(3000)]
    pixel, step, thick, blur, noise, grain = (
        np.array([getattr(p, name) for p in drawn])
        for name in ("in_plane_mm", "step_mm", "slice_mm", "blur_mm", "noise_hu", "grain")
    )
    fine = pixel <= 1.0
    assert 0.6 <= pixel.min() < pixel.max() <= 3.0
    assert fine.mean() == pytest.approx(0.8, abs=0.03)
    assert 0.7 <= step[fine].min() < step[fine].max() <= 5.0
    assert (step[fine] < 2.0).mean() == pytest.approx(0.55, abs=0.04)
    coarse = pixel > 1.2
    assert (step[coarse] / pixel[coarse]).min() >= 0.8  # coarse all over
    assert (step[coarse] / pixel[coarse]).max() <= 1.3
    assert 0.9 <= (thick / step).min() < (thick / step).max() <= 1.3
    assert 0.25 <= blur.min() < blur.max() <= 0.9
    assert 4.0 <= noise.min() < noise.max() <= 70.0
    assert np.median(noise) == pytest.approx(np.sqrt(4.0 * 70.0), rel=0.1)  # as often halved as doubled
    assert 0.3 <= grain.min() < grain.max() <= 1.3


def test_without_blur_and_noise_a_scan_is_what_is_scanned():
    hu = generator(1).uniform(-900.0, 2000.0, (12, 13, 14)).astype(np.float32)
    np.testing.assert_allclose(still(hu, SHARP), hu, rtol=1e-6)


@pytest.mark.parametrize("thick", [3.0, 4.5, 6.0])
def test_thick_slices_blur_along_z_only(thick):
    """An edge across the slices becomes the integral of a Gaussian of a slice's own deviation; one along them stays."""
    protocol = Protocol(1.0, thick, 1.0, 0.0, 0.0, 0.5)
    edge = np.zeros((20, 20, 41))
    edge[:, :, 20:] = 1000.0
    profile = still(edge, protocol)[10, 10]
    z = np.arange(41) - 19.5
    expected = 1000.0 * special.ndtr(z * np.sqrt(12.0) / thick)
    np.testing.assert_allclose(profile, expected, atol=20.0)
    assert np.abs(profile - edge[10, 10]).max() > 100.0
    for axes in ((2, 0, 1), (0, 2, 1)):
        along = edge.transpose(axes)
        np.testing.assert_allclose(still(along, protocol), along, atol=1e-2)


@pytest.mark.parametrize("blur", [0.6, 1.5])
def test_the_kernel_blurs_within_the_slice_only(blur):
    point = np.zeros((31, 31, 9))
    point[15, 15, 4] = 2000.0
    image = still(point, Protocol(1.0, 1e-3, 1.0, blur, 0.0, 0.5)).astype(float)
    assert np.abs(image[:, :, [0, 1, 2, 3, 5, 6, 7, 8]]).max() < 1e-3
    assert image.sum() == pytest.approx(2000.0, rel=1e-4)
    x = np.arange(31) - 15
    for axis in (0, 1):
        spread = (image.sum(axis=(1 - axis, 2)) * x**2).sum() / image.sum()
        assert np.sqrt(spread) == pytest.approx(blur, rel=0.05)


def test_pixels_are_as_large_as_asked_but_not_finer_than_the_drawing():
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None] * 10.0, (40, 30, 30))
    large, small = Protocol(2.0, 3.0, 3.0, 0.0, 0.0, 0.5), Protocol(0.6, 1.0, 0.7, 0.5, 0.0, 0.5)
    image = still(ramp, large)
    assert image.shape == (20, 15, 10)
    np.testing.assert_allclose(image[3:-3, 7, 5], 20.0 * np.arange(3, 17), atol=0.01)  # the first voxel stays
    assert still(ramp, small).shape == (40, 30, 42)
    for protocol, expected in ((large, [2.0, 2.0, 3.0]), (small, [1.0, 1.0, 0.7])):
        np.testing.assert_array_equal(scan(generator(), ramp.astype(np.float32), 1.0, protocol)[1], expected)


@pytest.mark.parametrize("grain", [0.3, 1.2])
@pytest.mark.parametrize("noise", [5.0, 60.0])
def test_noise_is_as_strong_as_asked(noise, grain):
    flat = np.full((60, 60, 30), 100.0, np.float32)
    for seed in range(6):
        image = scan(generator(seed), flat, 1.0, Protocol(1.0, 1.0, 1.0, 0.5, noise, grain))[0].astype(float)
        between = np.diff(image, axis=2).std() / np.sqrt(2.0)  # a slow drift, where there is one, cancels
        assert between == pytest.approx(noise, rel=0.1)
        rough = np.diff(image, axis=2)
        along = np.corrcoef(rough[:-1].ravel(), rough[1:].ravel())[0, 1]
        assert (along > 0.5) if grain > 1.0 else (along < 0.1)


def test_a_scanner_stores_12_bits():
    assert (LOWEST_HU, HIGHEST_HU) == (-1024.0, 3071.0)
    hu = np.full((10, 10, 10), -5000.0)
    hu[5:] = 8000.0
    image = still(hu, SHARP)
    assert (image.min(), image.max()) == (-1024.0, 3071.0)


def test_resampling_starts_at_the_first_voxel():
    ramp = (np.arange(10.0)[:, None, None] + np.zeros((10, 4, 4))).astype(np.float32)
    out = resample(ramp, np.array([1.5, 1.0, 3.0]))
    assert out.shape == (7, 4, 2)
    np.testing.assert_allclose(out[:, 0, 0], 1.5 * np.arange(7))
