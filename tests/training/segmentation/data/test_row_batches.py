"""Batches of the row network: bytes keep the HU, marks follow their image, and nothing is marked beyond the scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from training.segmentation.data import row_batches as module  # noqa: E402
from training.segmentation.data.row_batches import (  # noqa: E402
    GAIN,
    MARKS,
    MOST_CUT,
    NOISE_HU,
    OFFSET_HU,
    RowBatches,
    RowWindows,
    encode_hu,
    read_row_windows,
    vary_window,
)
from workers.imaging.network_input import HIGH_HU, LOW_HU, SCALE_HU, normalise  # noqa: E402
from workers.imaging.resampling import AIR_HU  # noqa: E402

SHAPE = (6, 8, 64)
STEP_HU = (HIGH_HU - LOW_HU) / 255.0


def window() -> tuple[np.ndarray, np.ndarray]:
    """Return an image that differs everywhere, and marks whose first channel is the image; half the window is known."""
    image = np.random.default_rng(0).integers(40, 216, SHAPE).astype(np.uint8)
    marks = np.zeros((MARKS, *SHAPE), np.uint8)
    marks[0], marks[1], marks[2], marks[3, :, :, 20:] = image, image // 2, image // 4, 255
    return image, marks


@pytest.fixture
def still(monkeypatch) -> pytest.MonkeyPatch:
    """Windows that are mirrored now and then, but not varied otherwise."""
    for name, value in (("GAIN", (1.0, 1.0)), ("OFFSET_HU", 0.0), ("NOISE_SHARE", 0.0), ("END_SHARE", 0.0)):
        monkeypatch.setattr(module, name, value)
    return monkeypatch


def shown(marks: np.ndarray) -> np.ndarray:
    """Return the image that belongs to the marks, of which the first channel is the image."""
    return normalise(marks[0] * (HIGH_HU - LOW_HU) + LOW_HU)


def test_hu_become_bytes_and_back_to_half_a_step():
    hu = np.linspace(LOW_HU, HIGH_HU, 997).astype(np.float32)
    back = encode_hu(hu) * STEP_HU + LOW_HU
    assert np.abs(back - hu).max() <= STEP_HU / 2 + 1e-3
    assert encode_hu(np.array([-3000.0, LOW_HU, HIGH_HU, 3000.0], np.float32)).tolist() == [0, 0, 255, 255]


def test_windows_are_read_as_they_were_written(tmp_path):
    image, marks = window()
    made = RowWindows(image[None], marks[None], ("a", "b"), drawn=False)
    made.save(tmp_path / "windows.npz")
    back = read_row_windows(tmp_path / "windows.npz")
    np.testing.assert_array_equal(back.image, made.image)
    np.testing.assert_array_equal(back.marks, made.marks)
    assert (back.people, back.drawn) == (("a", "b"), False)


def test_a_mirrored_window_has_mirrored_marks(still):
    image, marks = window()
    plain = normalise(image * np.float32(STEP_HU) + LOW_HU)
    mirrored = 0
    for seed in range(20):
        found, shares = vary_window(np.random.default_rng(seed), image, marks)
        turned = not np.allclose(found, plain, atol=1e-4)
        mirrored += turned
        np.testing.assert_allclose(found, plain[::-1] if turned else plain, atol=1e-4)
        expected = marks[:, ::-1] if turned else marks
        np.testing.assert_allclose(shares, expected / 255.0, atol=1e-6)
    assert 4 < mirrored < 16


def test_beyond_the_end_of_the_scan_is_air_without_marks_and_that_is_known(still):
    still.setattr(module, "END_SHARE", 1.0)
    image, marks = window()
    air = float(normalise(np.full(1, AIR_HU, np.float32))[0])
    cuts, above = [], 0
    for seed in range(40):
        found, shares = vary_window(np.random.default_rng(seed), image, marks)
        beyond = (found == air).all(axis=(0, 1))
        cuts.append(int(beyond.sum()))
        above += bool(beyond[-1])
        assert beyond[0] != beyond[-1]
        assert np.count_nonzero(np.diff(beyond)) == 1  # one end, without gaps
        assert not shares[:3][..., beyond].any()
        assert (shares[3][..., beyond] == 1.0).all()
        np.testing.assert_allclose(found[..., ~beyond], shown(shares)[..., ~beyond], atol=1e-4)
        np.testing.assert_array_equal(shares[3][..., ~beyond].max(axis=(0, 1)), (np.arange(64) >= 20)[~beyond])
    assert 1 <= min(cuts) < 8
    assert MOST_CUT - 8 < max(cuts) < MOST_CUT
    assert 8 < above < 32


def test_hu_are_scaled_and_shifted_within_their_ranges(still):
    still.setattr(module, "GAIN", GAIN)
    still.setattr(module, "OFFSET_HU", OFFSET_HU)
    image, marks = window()
    gains, offsets = [], []
    for seed in range(60):
        found, shares = vary_window(np.random.default_rng(seed), image, marks)
        hu = shares[0] * (HIGH_HU - LOW_HU) + LOW_HU
        gain, offset = np.polyfit(hu.ravel(), found.ravel() * SCALE_HU + 150.0, 1)
        gains.append(gain)
        offsets.append(offset)
    assert GAIN[0] - 1e-4 <= min(gains) < GAIN[0] + 0.02 < GAIN[1] - 0.02 < max(gains) <= GAIN[1] + 1e-4
    assert -OFFSET_HU - 0.1 <= min(offsets) < -20.0 < 20.0 < max(offsets) <= OFFSET_HU + 0.1


def test_noise_has_a_deviation_of_its_range(still):
    still.setattr(module, "NOISE_SHARE", 1.0)
    image, marks = window()
    deviations = []
    for seed in range(30):
        found, shares = vary_window(np.random.default_rng(seed), image, marks)
        deviations.append(float((found - shown(shares)).std()) * SCALE_HU)
    assert NOISE_HU[0] * 0.95 < min(deviations) < 8.0
    assert 25.0 < max(deviations) < NOISE_HU[1] * 1.05


def write(path: Path, value: int, drawn: bool) -> Path:
    """Write two windows of one HU, by which a batch's windows are told apart."""
    marks = np.zeros((2, MARKS, *SHAPE), np.uint8)
    RowWindows(np.full((2, *SHAPE), value, np.uint8), marks, ("a",), drawn).save(path)
    return path


def test_a_batch_depends_on_seed_and_number_alone(tmp_path):
    paths = [write(tmp_path / f"{value}.npz", value, True) for value in (60, 90, 120)]
    batches = RowBatches(paths, 3)
    images, marks, drawn = batches.batch(7)
    assert images.shape == (3, 1, *SHAPE)
    assert marks.shape == (3, MARKS, *SHAPE)
    assert (images.dtype, marks.dtype, drawn.dtype) == (torch.float32, torch.float32, torch.bool)
    again, *_ = RowBatches(paths, 3).batch(7)
    assert torch.equal(again, images)
    assert not torch.equal(batches.batch(8)[0], images)
    assert not torch.equal(RowBatches(paths, 3, seed=1).batch(7)[0], images)


def test_real_windows_are_taken_as_often_as_asked_and_say_that_nobody_marked_discs(still, tmp_path):
    drawn, real = write(tmp_path / "drawn.npz", 60, True), write(tmp_path / "real.npz", 180, False)
    batches = RowBatches([drawn], 20, [real], real_share=0.3)
    flags, bright = [], []
    for number in range(5):
        images, _, are_drawn = batches.batch(number)
        flags += are_drawn.tolist()
        bright += (images.mean(dim=(1, 2, 3, 4)) > 0.5).tolist()
    assert bright == [not flag for flag in flags]
    assert 0.2 < np.mean(bright) < 0.4
    assert RowBatches([drawn], 20).batch(0)[2].all()
