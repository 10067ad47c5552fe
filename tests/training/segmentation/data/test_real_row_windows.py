"""Windows of a real CT: the marks lie on its bodies, whatever the guess of the axis and the size."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.data import real_row_windows as module
from training.segmentation.data.real_row_windows import real_row_windows
from training.segmentation.data.row_batches import HEAT_SD_MM, MARKS, WINDOW_SLICES
from workers.imaging.network_input import HIGH_HU, LOW_HU
from workers.imaging.volume import Volume
from workers.locate.row_network import ROW_SHAPE, peaks

CENTRES = np.array([[4.0, 12.0 * np.cos(z / 60.0), float(z)] for z in range(140, -1, -35)])
TISSUE_HU, BODY_HU = 0.0, 900.0


@pytest.fixture(scope="module")
def ct() -> Volume:
    """Soft tissue in which each body is as bright as its mark: a Gaussian about the centre. Air is 30 mm beyond."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-80.0, -80.0, -30.0]
    points = np.moveaxis(np.indices((80, 80, 101)), 0, -1) * 2.0 + affine[:3, 3]
    heat = np.zeros(points.shape[:3])
    for body in CENTRES:
        heat = np.maximum(heat, np.exp(-np.square(points - body).sum(axis=-1) / (2.0 * HEAT_SD_MM**2)))
    return Volume((TISSUE_HU + BODY_HU * heat).astype(np.float32), affine)


def brightness(image: np.ndarray) -> np.ndarray:
    """Return what mark the brightness of windows stands for: 0 in soft tissue, 1 in the middle of a body."""
    hu = image.astype(np.float32) * ((HIGH_HU - LOW_HU) / 255.0) + LOW_HU
    return (hu - TISSUE_HU) / BODY_HU


def test_marks_are_where_the_bodies_are(ct, monkeypatch):
    monkeypatch.setattr(module, "SIZE_SD", 0.0)
    windows = real_row_windows(np.random.default_rng(0), ct, CENTRES, ("somebody",), 6)
    assert windows.image.shape == (6, *ROW_SHAPE, WINDOW_SLICES)
    assert windows.marks.shape == (6, MARKS, *ROW_SHAPE, WINDOW_SLICES)
    assert (windows.people, windows.drawn) == (("somebody",), False)
    heat = windows.marks[:, 0] / 255.0
    assert heat.max() > 0.9
    np.testing.assert_allclose(np.maximum(brightness(windows.image), 0.0), heat, atol=0.12)
    assert np.abs(np.maximum(brightness(windows.image), 0.0) - heat).mean() < 2e-3
    assert not windows.marks[:, 1:3].any()  # nobody marked discs and sacrum
    assert (windows.marks[:, 3] == 255).all()


def test_larger_and_smaller_people_have_their_marks_too(ct, monkeypatch):
    monkeypatch.setattr(module, "SIZE_SD", 0.2)
    windows = real_row_windows(np.random.default_rng(1), ct, CENTRES, ("somebody",), 8)
    pitches = []
    for image, marks in zip(windows.image, windows.marks, strict=True):
        found = peaks(np.maximum(brightness(image), 0.0), 0.5, 6.5)
        expected = peaks((marks[0] / 255.0).astype(np.float32), 0.5, 6.5)
        order, same = np.argsort(found[:, 2]), np.argsort(expected[:, 2])
        np.testing.assert_allclose(found[order], expected[same], atol=0.6)
        pitches += np.diff(found[order][:, 2]).tolist()
    assert min(pitches) < 15.0 < 20.0 < max(pitches)  # 17.5 voxels in the CT itself


def test_windows_run_along_guesses_of_the_axis_and_beyond_its_ends(ct, monkeypatch):
    monkeypatch.setattr(module, "SIZE_SD", 0.0)
    windows = real_row_windows(np.random.default_rng(2), ct, CENTRES, ("somebody",), 16)
    places = [peaks((marks[0] / 255.0).astype(np.float32), 0.5, 6.5) for marks in windows.marks]
    assert {len(found) for found in places} <= {2, 3, 4}
    off = np.concatenate(places)[:, :2] - [16.0, 28.0]  # the axis' own voxel in each slice
    assert 1.0 < off.std() < 5.0
    ends = (windows.image == 0).all(axis=(1, 2))  # beyond the CT
    assert ends.sum(axis=1).max() > 5
    assert (ends.sum(axis=1) == 0).any()
    assert not windows.marks[:, 0].max(axis=(1, 2))[ends].any()


def test_windows_depend_on_their_generator_alone(ct):
    one, same, other = (real_row_windows(np.random.default_rng(seed), ct, CENTRES, ("a",), 1) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.marks, same.marks)
    assert not np.array_equal(one.image, other.image)
