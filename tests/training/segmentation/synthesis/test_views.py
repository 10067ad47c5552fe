"""The views of a CT: the vertebra's frame, the window about a seed, channels as the workers make them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.segmentation.synthesis import views
from training.segmentation.synthesis.anatomy_tensors import OTHER
from training.segmentation.synthesis.views import (
    MIDDLE,
    SEED_WINDOW_MM,
    WINDOW_LOW,
    WINDOW_SHAPE,
    WINDOW_STEP,
    View,
    channels,
    nothing_outside,
    outside_field,
)
from workers.imaging.frame import frame_of
from workers.imaging.network_input import CHANNELS, NEIGHBOURS, STRUCTURES, centre_channels, normalise
from workers.imaging.resampling import CROP_STEP_MM
from workers.locate.segmenter_crop import CROP_LOW, CROP_SHAPE

CPU = torch.device("cpu")


def test_the_window_is_that_of_the_workers():
    assert WINDOW_LOW == CROP_LOW
    assert WINDOW_SHAPE == CROP_SHAPE
    assert tuple(CROP_STEP_MM) == WINDOW_STEP


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.0, 0.5, 0.8), (0.3, -0.6, 0.7), (1.0, 0.0, 0.0)])
def test_the_third_axis_of_a_frame_is_up(up):
    up = np.array(up) / np.linalg.norm(up)
    turn = frame_of(up)
    np.testing.assert_allclose(turn[:, 2], up, atol=1e-9)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    angle = np.arccos(np.clip((np.trace(turn) - 1.0) / 2.0, -1.0, 1.0))
    assert angle == pytest.approx(np.arccos(up[2]), abs=1e-6)  # the least turn


def test_pixels_lie_on_the_views_axes():
    up = np.array([0.0, 0.6, 0.8])
    shift = np.array([1.0, 2.0, 3.0])
    points, heights = View(frame_of(up), shift, np.array([0, 40])).points(CPU)
    assert points.shape == (2, len(NEIGHBOURS), *WINDOW_SHAPE[:2], 3)
    assert heights.tolist() == pytest.approx([-58.0, 2.0])
    np.testing.assert_allclose(points[1, MIDDLE, 64, 88].numpy(), shift + 2.0 * up, atol=1e-4)
    for channel, neighbour in enumerate(NEIGHBOURS):
        step = points[0, channel] - points[0, MIDDLE]
        np.testing.assert_allclose(step.numpy(), np.broadcast_to(1.5 * neighbour * up, step.shape), atol=1e-4)
    beside = (points[0, MIDDLE, 65, 88] - points[0, MIDDLE, 64, 88]).numpy()
    np.testing.assert_allclose(beside, [1.0, 0.0, 0.0], atol=1e-5)


def test_views_are_near_the_scans_axes_or_the_vertebras_frame():
    up = np.array([0.0, np.sin(0.6), np.cos(0.6)])
    drawn = [View.draw(np.random.default_rng(seed), up, 4) for seed in range(100)]
    angles = np.degrees([np.arccos(np.clip(view.turn[:, 2] @ up, -1.0, 1.0)) for view in drawn])
    assert 0.4 < np.mean(angles < 17.0) < 0.8  # the others keep the scan's axes, 34 degrees away
    for view in drawn:
        assert len(view.slices) == 4
        assert 0 <= view.slices.min() <= view.slices.max() < WINDOW_SHAPE[2]
        assert np.abs(view.shift).max() < 12.0
        assert view.low == WINDOW_LOW


@pytest.mark.parametrize("height", [4.0, 18.0, -18.0])
def test_the_window_about_a_seed_holds_the_vertebra(monkeypatch, height):
    monkeypatch.setattr(views, "SEED_SHARE", 1.0)
    monkeypatch.setattr(views, "FRAME_SHARE", 0.0)
    monkeypatch.setattr(views, "TURN_SD_DEG", (0.0, 0.0, 0.0))
    seed = np.array([5.0, -40.0, height])
    lows = []
    for number in range(30):
        view = View.draw(np.random.default_rng(number), np.array([0.0, 0.0, 1.0]), 3, seed)
        np.testing.assert_array_equal(view.shift, seed)
        lows.append(np.array(view.low))
    strayed = np.array(lows) - WINDOW_LOW
    assert (strayed[:, :2] <= np.maximum(-seed[:2], 0.0) + SEED_WINDOW_MM).all()
    assert (strayed[:, :2] >= np.minimum(-seed[:2], 0.0) - SEED_WINDOW_MM).all()
    assert np.ptp(strayed[:, 1]) > 20.0
    np.testing.assert_array_equal(strayed[:, 2], -height if abs(height) > 10.0 else 0.0)


def test_channels_are_those_of_the_workers():
    random = np.random.default_rng(0)
    view = View(np.eye(3), np.zeros(3), np.array([3, 60]), (-60.0, -80.0, -50.0))
    hu = random.uniform(-1024.0, 2000.0, (2, len(NEIGHBOURS), *WINDOW_SHAPE[:2])).astype(np.float32)
    heights = np.array([-45.5, 90.0], np.float32)
    made = channels(view, torch.from_numpy(hu), torch.from_numpy(heights)).numpy()
    assert made.shape == (2, CHANNELS, *WINDOW_SHAPE[:2])
    x, y = (view.low[a] + np.arange(WINDOW_SHAPE[a], dtype=np.float32) for a in range(2))
    mark, height = centre_channels(x[None, :, None], y[None, None, :], heights[:, None, None])
    np.testing.assert_allclose(made[:, : len(NEIGHBOURS)], normalise(hu), atol=1e-5)
    np.testing.assert_allclose(made[:, -2], mark, atol=1e-6)
    np.testing.assert_allclose(made[:, -1], height, atol=1e-6)


def test_beyond_the_field_of_view_there_is_nothing():
    voxels = torch.tensor([[[0.0, 0.0, 0.0], [-0.6, 0.0, 0.0]], [[3.4, 4.4, 5.4], [0.0, 4.6, 0.0]]])
    outside = outside_field(voxels, (4, 5, 6))
    assert outside.tolist() == [[False, True], [False, True]]
    targets = torch.rand(1, len(STRUCTURES), 2, 2)
    left = nothing_outside(targets, outside[None])
    torch.testing.assert_close(left[..., 0], targets[..., 0])
    assert left[0, :, 0, 1].tolist() == [float(k == OTHER) for k in range(len(STRUCTURES))]
