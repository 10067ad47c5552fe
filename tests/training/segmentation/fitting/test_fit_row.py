"""The row's loss: the truth has the least, and what nobody knows or marked does not count; a training lowers it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import Tensor  # noqa: E402

from training.segmentation.data import row_batches  # noqa: E402
from training.segmentation.data.row_batches import HEAT_SD_MM, MARKS, RowBatches, RowWindows, encode_hu  # noqa: E402
from training.segmentation.fitting import fit_row as module  # noqa: E402
from training.segmentation.fitting import training_loop  # noqa: E402
from training.segmentation.fitting.fit_row import ONE_MARK, fit_row, row_loss  # noqa: E402
from training.segmentation.fitting.training_loop import TrainingSettings  # noqa: E402
from workers.locate.row_network import ROW_MM, ROW_OUTPUTS  # noqa: E402

SHAPE = (16, 16, 32)


def marks_at(*centres: tuple[float, float, float]) -> np.ndarray:
    """Return marks (MARKS, *SHAPE) from 0 to 1: bodies at voxels, a disc below each, a sacrum below all."""
    grid, marks = np.indices(SHAPE), np.zeros((MARKS, *SHAPE), np.float32)
    for centre in centres:
        away = np.square(grid - np.array(centre)[:, None, None, None]).sum(axis=0) * ROW_MM**2
        marks[0] = np.maximum(marks[0], np.exp(-away / (2.0 * HEAT_SD_MM**2)))
        low = int(centre[2]) - 6
        marks[1, 4:12, 4:12, low : low + 2] = 1.0
    marks[2, 4:12, 4:12, :3], marks[3] = 1.0, 1.0
    return marks


def batch() -> tuple[Tensor, Tensor]:
    """Return the marks of two windows (2, MARKS, *SHAPE), and whether they are drawn: only the first is."""
    return torch.from_numpy(np.stack([marks_at((8, 8, 12), (7, 8, 24)), marks_at((8, 9, 18))])), torch.tensor(
        [True, False]
    )


def logits_of(marks: Tensor) -> Tensor:
    return torch.logit(marks[:, : len(ROW_OUTPUTS)].clamp(1e-4, 1.0 - 1e-4))


def gradient(marks: Tensor, drawn: Tensor) -> Tensor:
    torch.manual_seed(0)
    logits = torch.randn(2, len(ROW_OUTPUTS), *SHAPE, requires_grad=True)
    row_loss(logits, marks, drawn).backward()
    assert logits.grad is not None
    return logits.grad


def test_the_loss_is_least_for_the_truth():
    marks, drawn = batch()
    best = float(row_loss(logits_of(marks), marks, drawn))
    for channel in range(len(ROW_OUTPUTS)):
        missed, moved = marks.clone(), marks.clone()
        missed[0, channel] = 0.0
        moved[0, channel] = marks[0, channel].roll(4, dims=2)
        assert best < float(row_loss(logits_of(missed), marks, drawn)) - 0.3
        assert best < float(row_loss(logits_of(moved), marks, drawn)) - 0.2


def test_bodies_do_not_count_where_they_are_unknown():
    marks, drawn = batch()
    marks[0, 3, :, :, 20:] = 0.0
    grad = gradient(marks, drawn)
    assert float(grad[0, 0, :, :, 20:].abs().max()) == 0.0
    assert float(grad[0, 0, :, :, :20].abs().min()) > 0.0
    assert float(grad[1, 0].abs().min()) > 0.0
    assert float(grad[0, 1:].abs().min()) > 0.0  # discs and sacrum are known there
    other = marks.clone()
    other[0, 0, :, :, 20:] = 0.0
    logits = logits_of(batch()[0])
    assert float(row_loss(logits, marks, drawn)) == pytest.approx(float(row_loss(logits, other, drawn)), abs=1e-6)


def test_discs_and_sacrum_count_in_drawn_windows_alone():
    marks, drawn = batch()
    grad = gradient(marks, drawn)
    assert float(grad[1, 1:].abs().max()) == 0.0
    assert float(grad[0, 1:].abs().min()) > 0.0
    assert float(grad[:, 0].abs().min()) > 0.0
    grad = gradient(marks, torch.tensor([False, False]))
    assert float(grad[:, 1:].abs().max()) == 0.0
    assert float(grad[:, 0].abs().min()) > 0.0


def test_one_mark_has_the_sum_that_the_loss_assumes():
    grid = np.indices((32, 32, 32)) - 15.5
    assert np.exp(-np.square(grid * ROW_MM).sum(axis=0) / (2.0 * HEAT_SD_MM**2)).sum() == pytest.approx(
        ONE_MARK, rel=0.01
    )


def write(path: Path, seed: int) -> Path:
    """Write four windows whose bodies are bright, at random heights."""
    random = np.random.default_rng(seed)
    marks = np.stack([marks_at((8, 8, 9 + random.integers(4)), (8, 8, 23 + random.integers(4))) for _ in range(4)])
    hu = 40.0 + 700.0 * marks[:, 0] - 100.0 * marks[:, 1] + 300.0 * marks[:, 2]
    RowWindows(encode_hu(hu), np.rint(255.0 * marks).astype(np.uint8), ("a",)).save(path)
    return path


def test_a_short_training_learns_bodies_and_sacrum(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(training_loop, "WARM_UP_STEPS", 5)
    monkeypatch.setattr(training_loop, "AVERAGE_DECAY", 0.9)  # fifty steps instead of thousands
    monkeypatch.setattr(row_batches, "END_SHARE", 0.0)
    paths = [write(tmp_path / f"{seed}.npz", seed) for seed in range(2)]
    held_out = RowBatches([write(tmp_path / "held_out.npz", 9)], 2, seed=9)
    settings = TrainingSettings(50, 3e-2, validate_every=10, progress=False)
    model = fit_row("tiny", RowBatches(paths, 2), held_out, tmp_path / "work", settings)
    first, *_, last = json.loads((tmp_path / "work" / "curves.json").read_text())
    assert last["held_out"] < 0.8 * first["held_out"]
    assert last["loss"] < 0.75 * first["loss"]
    assert last["sacrum"] > first["sacrum"] + 0.2
    images, marks, _ = held_out.batch(0)
    with torch.no_grad():
        heat = torch.sigmoid(model(images)[:, 0])
    assert float(heat[marks[:, 0] > 0.8].mean()) > 0.6
    assert float(heat[marks[:, 0] < 0.1].mean()) < 0.2
