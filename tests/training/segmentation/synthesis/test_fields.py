"""Noise, blur and interpolation of volumes."""

from __future__ import annotations

import pytest
import torch

from training.segmentation.synthesis.fields import blur, interpolate, smooth_noise


def test_noise_has_unit_deviation_and_the_width_asked_for(generator):
    steps = []
    for width in (1.0, 3.0, 8.0):
        noise = smooth_noise((32, 30, 28), width, generator)
        assert noise.shape == (1, 1, 32, 30, 28)
        assert float(noise.std()) == pytest.approx(1.0, abs=0.02)
        steps.append(float(noise.diff(dim=2).std()))
    assert steps[0] > 1.3  # white: the square root of 2
    assert steps[0] > 2.0 * steps[1] > 4.0 * steps[2]


def test_a_blur_keeps_the_sum_and_has_its_deviation():
    volume = torch.zeros(1, 1, 24, 24, 24)
    volume[0, 0, 12, 12, 12] = 1.0
    blurred = blur(volume, (1.5, 0.0, 2.5))[0, 0]
    assert float(blurred.sum()) == pytest.approx(1.0, abs=1e-5)
    away = (torch.arange(24.0) - 12.0).square()
    deviations = [float((blurred.sum(dim=axes) @ away).sqrt()) for axes in ((1, 2), (0, 2), (0, 1))]
    assert deviations == pytest.approx([1.5, 0.0, 2.5], rel=0.06, abs=1e-6)


def test_a_blur_leaves_a_constant_as_it_is():
    volume = torch.full((1, 2, 9, 8, 7), 40.0)
    torch.testing.assert_close(blur(volume, (1.0, 2.0, 0.5)), volume)


def test_interpolation_is_linear_and_fills_what_lies_beyond():
    ramp = torch.arange(24.0).reshape(1, 1, 4, 3, 2)
    points = torch.tensor([[0.0, 0.0, 0.0], [3.0, 2.0, 1.0], [1.5, 0.5, 0.5], [-7.0, 0.0, 0.0], [9.0, 2.0, 1.0]])
    expected = 6.0 * points[:3, 0] + 2.0 * points[:3, 1] + points[:3, 2]
    torch.testing.assert_close(interpolate(ramp, points)[0, :3], expected)
    assert interpolate(ramp, points)[0, 3:].tolist() == [0.0, 23.0]  # the nearest voxel's
    assert interpolate(ramp, points, -1024.0)[0, 3:].tolist() == [-1024.0, -1024.0]
    torch.testing.assert_close(interpolate(ramp, points, -1024.0)[0, :3], expected, atol=1e-3, rtol=0.0)
