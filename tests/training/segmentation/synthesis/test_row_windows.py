"""Windows of synthesised CTs: which bodies a crop holds, and marks that lie where the warped bodies are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthetic_ct.bone_labels import SACRUM
from synthetic_ct.scanner import Protocol
from synthetic_ct.tissue import Tissue
from tests.training.segmentation.small_anatomy import OWN, SHAPE, draw_labels, make_crop
from training.segmentation.data.anatomy_crops import CENTRE, AnatomyCrop, encode_anatomy
from training.segmentation.data.row_batches import HEAT_SD_MM, WINDOW_SLICES
from training.segmentation.synthesis import row_windows as module
from training.segmentation.synthesis import scanner
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.row_windows import HALF_PITCH_MM, Bodies, draw_row_windows
from training.segmentation.synthesis.scanner import FIELD_HIGH, FIELD_LOW, ScanPlan
from training.segmentation.synthesis.warp import Warp
from workers.imaging.network_input import HIGH_HU, LOW_HU
from workers.locate.row_network import ROW_LOW, ROW_MM, ROW_SHAPE

UP = np.array([0.0, 0.0, 1.0])
PLAIN = Protocol(in_plane_mm=2.0, slice_mm=2.0, step_mm=2.0, blur_mm=0.0, noise_hu=0.0, grain=0.5)


def crop_of(balls: dict[int, tuple[float, float, float]], up: np.ndarray = UP) -> AnatomyCrop:
    """Return a crop with a ball of bone, 9.5 mm in radius, for each label at its centre, mm from the body centre."""
    bone = np.zeros(SHAPE, np.uint8)
    points = np.moveaxis(np.indices(SHAPE), 0, -1) - CENTRE
    for label, centre in balls.items():
        bone[np.linalg.norm(points - np.array(centre), axis=-1) < 9.5] = label
    nothing = np.zeros(SHAPE, bool)
    return AnatomyCrop(encode_anatomy(bone, np.zeros(SHAPE, np.uint8), nothing, nothing), "L3", ("a",), up)


def test_whole_bodies_are_found_where_they_are():
    balls = {
        OWN: (0.0, 0.0, 0.0),
        OWN + 1: (-4.0, 6.0, -34.0),
        OWN + 2: (2.0, -8.0, -66.0),
        SACRUM: (-40.0, -60.0, 0.0),
    }
    bodies = Bodies.of(crop_of(balls))
    np.testing.assert_allclose(bodies.centres, [balls[OWN], balls[OWN + 1], balls[OWN + 2]], atol=0.05)
    assert (bodies.low, bodies.high) == (-np.inf, np.inf)  # no bone is cut: there is no other body


def test_a_cut_bone_bounds_what_is_known():
    above, below = {OWN - 1: (0.0, 0.0, 27.0)}, {OWN + 1: (0.0, 0.0, -30.0), OWN + 2: (0.0, 0.0, -72.0)}
    bodies = Bodies.of(crop_of({OWN: (0.0, 0.0, -4.0)} | above))
    np.testing.assert_allclose(bodies.centres, [[0.0, 0.0, -4.0]], atol=0.05)
    assert bodies.high == pytest.approx(-4.0 + HALF_PITCH_MM, abs=0.05)
    assert bodies.low == -np.inf
    bodies = Bodies.of(crop_of({OWN: (0.0, 0.0, -4.0)} | below))
    assert (len(bodies.centres), bodies.high) == (2, np.inf)
    assert bodies.low == pytest.approx(-30.0 - HALF_PITCH_MM, abs=0.05)


def test_bounds_lie_along_the_bodys_axis():
    up = np.array([0.0, 0.6, 0.8])
    bodies = Bodies.of(crop_of({OWN: (0.0, 5.0, -5.0), OWN - 1: (0.0, 8.0, 27.0)}, up))
    assert bodies.high == pytest.approx(5.0 * 0.6 - 5.0 * 0.8 + HALF_PITCH_MM, abs=0.05)


def test_processes_hardly_move_the_centre():
    """`make_crop`: boxes of 24 x 20 x 27 and 24 x 20 x 9 mm, the upper with a process behind; another box is cut."""
    bodies = Bodies.of(make_crop())
    np.testing.assert_allclose(bodies.centres, [[-0.5, -0.5, -1.0], [-0.5, -0.5, -26.0]], atol=1.5)
    assert bodies.high == pytest.approx(-1.0 + HALF_PITCH_MM, abs=1.0)
    assert bodies.low == -np.inf


@pytest.fixture
def plain(monkeypatch) -> pytest.MonkeyPatch:
    """Scans of 2 mm voxels without noise, drift or a window of stored HU."""
    monkeypatch.setattr(scanner, "DRIFT_SHARE", 0.0)
    monkeypatch.setattr(scanner, "WINDOW_SHARE", 0.0)
    monkeypatch.setattr(ScanPlan, "draw", lambda _: ScanPlan.of(PLAIN, 2, 2.0, (FIELD_LOW, FIELD_HIGH)))
    return monkeypatch


@pytest.fixture
def still(plain) -> pytest.MonkeyPatch:
    """The same without any warp, and with the true axis: the window's voxels are known."""
    plain.setattr(Warp, "draw", lambda *_: Warp(np.eye(3), UP, (), ()))
    for name, value in (("AXIS_ERROR_MM", (0.0, 0.0)), ("SLOPE_ERROR", 0.0), ("HEIGHT_ERROR_MM", 0.0)):
        plain.setattr(module, name, value)
    return plain


def places() -> np.ndarray:
    """Return the points (*ROW_SHAPE, WINDOW_SLICES, 3) mm of a still window."""
    voxels = np.moveaxis(np.indices((*ROW_SHAPE, WINDOW_SLICES)), 0, -1)
    return voxels * ROW_MM + np.array([*ROW_LOW, -ROW_MM * WINDOW_SLICES / 2])


def in_crop(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the crop's values at points, 0 outside the crop."""
    voxels = np.rint(points + CENTRE).astype(int)
    inside = ((voxels >= 0) & (voxels < volume.shape)).all(axis=-1)
    clipped = np.clip(voxels, 0, np.array(volume.shape) - 1)
    return np.where(inside, volume[tuple(np.moveaxis(clipped, -1, 0))], 0)


def test_marks_of_a_still_window(still, generator, anatomy):
    bodies = Bodies(np.array([[0.0, 2.0, -1.0], [4.0, 0.0, -26.0]]), -40.0, 13.0)
    windows = draw_row_windows(np.random.default_rng(0), generator, anatomy, bodies, 1)
    points, marks = places(), windows.marks[0]
    assert (windows.people, windows.drawn) == (anatomy.people, True)
    shown = (points > FIELD_LOW - 1.0).all(axis=-1) & (points < FIELD_HIGH + 1.0).all(axis=-1)
    heat = np.max([np.exp(-np.square(points - c).sum(axis=-1) / (2.0 * HEAT_SD_MM**2)) for c in bodies.centres], axis=0)
    np.testing.assert_allclose(marks[0] / 255.0, heat * shown, atol=0.003)
    assert marks[0].max() > 240
    bone, tissue = draw_labels()
    np.testing.assert_array_equal(marks[1] > 0, shown & (in_crop(tissue * (bone == 0), points) == Tissue.DISC))
    np.testing.assert_array_equal(marks[2] > 0, shown & (in_crop(bone, points) == SACRUM))
    assert marks[1:3].any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(marks[3] > 0, (points[..., 2] > -40.0) & (points[..., 2] < 13.0))


def test_nothing_is_marked_where_the_scan_shows_nothing(still, generator, anatomy):
    low = FIELD_LOW.copy()
    low[2] = -13.0
    still.setattr(ScanPlan, "draw", lambda _: ScanPlan.of(PLAIN, 2, 2.0, (low, FIELD_HIGH)))
    bodies = Bodies.of(make_crop())
    windows = draw_row_windows(np.random.default_rng(0), generator, anatomy, bodies, 1)
    unseen = places()[..., 2] < low[2] - 1.0
    assert not windows.marks[0, :3][:, unseen].any()
    assert (windows.image[0][unseen] == 0).all()
    assert windows.marks[0, 0].max() > 200  # the upper body is still in view
    assert (windows.marks[0, 3][unseen] == 255).all()  # and it is known that the lower one is not to be seen


def test_marks_lie_where_the_warped_body_is(plain, generator):
    """The crop is as bright as its mark, so that image and mark must be one, however the crop is moved."""
    crop = make_crop()
    anatomy, bodies = AnatomyTensors.of(crop, torch.device("cpu")), Bodies.of(crop)
    bodies = replace(bodies, centres=bodies.centres[:1])
    points = np.moveaxis(np.indices(SHAPE), 0, -1) - CENTRE
    heat = np.exp(-np.square(points - bodies.centres[0]).sum(axis=-1) / (2.0 * HEAT_SD_MM**2))
    hu = torch.tensor(1000.0 * heat, dtype=torch.float32)[None, None]
    plain.setattr(module, "synthesise_hu", lambda *_: hu)
    middles = []
    for seed in range(4):
        windows = draw_row_windows(np.random.default_rng(seed), generator, anatomy, bodies, 2)
        seen = (windows.image * ((HIGH_HU - LOW_HU) / 255.0) + LOW_HU).clip(0.0) / 1000.0
        mark = windows.marks[:, 0] / 255.0
        for image, expected in zip(seen, mark, strict=True):
            assert expected.max() > 0.85
            assert np.corrcoef(image.ravel(), expected.ravel())[0, 1] > 0.97
            at, should = (np.array([(v**2 * grid).sum() for grid in np.indices(v.shape)]) for v in (image, expected))
            at, should = at / (image**2).sum(), should / (expected**2).sum()
            np.testing.assert_allclose(at, should, atol=0.3)
            middles.append(should)
    assert np.std(middles, axis=0).min() > 1.0  # every window guesses another axis
