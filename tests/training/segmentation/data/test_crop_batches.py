"""Training slices: every change of a slice changes image, target and mark alike."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("joblib", reason="joblib is not installed (make training)")

from training.segmentation.data.crop_batches import SLICE_SCANS, SLICES_A_SCAN, CropBatches, draw_slices  # noqa: E402
from training.segmentation.data.scan_files import CropScan, read_crop  # noqa: E402
from workers.imaging.network_input import CHANNELS, HEIGHT_MM, NEIGHBOURS, normalise  # noqa: E402
from workers.imaging.resampling import CROP_STEP_MM  # noqa: E402
from workers.locate.segmenter import CROP_SHAPE  # noqa: E402

MIDDLE = NEIGHBOURS.index(0)
AIR = float(normalise(np.full(1, -1024.0, np.float32))[0])
CENTRE = np.array([84.0, 112.0, 56.0])
"""Voxels; not the middle of the scan."""


def crop_of(image: np.ndarray, inside: np.ndarray, centre: np.ndarray) -> CropScan:
    centre = np.asarray(centre, np.float32)
    return CropScan(image, inside, centre, "L1", centre[None], ("L1",), ("a",))


def sphere(radius_mm: float = 20.0, shape: tuple[int, int, int] = (176, 190, 108)) -> CropScan:
    """A ball about the centre, its edge 2 mm wide, whose HU follow the share: -1024 + 8 HU for each of 255 steps."""
    away = np.linalg.norm((np.moveaxis(np.indices(shape), 0, -1) - CENTRE) * CROP_STEP_MM, axis=-1)
    inside = np.rint(255.0 * np.clip(0.5 * (radius_mm + 1.0 - away), 0.0, 1.0)).astype(np.uint8)
    return crop_of((-1024 + 8 * inside.astype(int)).astype(np.int16), inside, CENTRE)


def drawn(seed: int, crop: CropScan) -> tuple[np.ndarray, np.ndarray]:
    image, target = draw_slices(np.random.default_rng(seed), crop)
    return image.numpy(), target.numpy()


def hounsfield(channel: np.ndarray) -> np.ndarray:
    return 150.0 + 300.0 * channel


@pytest.fixture(scope="module")
def ball() -> CropScan:
    return sphere()


def test_shapes_and_ranges(ball):
    for seed in range(20):
        image, target = drawn(seed, ball)
        assert image.shape == (SLICES_A_SCAN, CHANNELS, *CROP_SHAPE[:2])
        assert target.shape == (SLICES_A_SCAN, 1, *CROP_SHAPE[:2])
        assert image.dtype == target.dtype == np.float32
        assert 0.0 <= target.min() <= target.max() <= 1.0 + 1e-6
        assert np.isfinite(image).all()


def test_the_target_is_where_the_image_shows_it(ball):
    """With noise, blur, turns, stretches and cuts, the middle slice shows bone inside the target and air elsewhere."""
    full = empty = 0
    for seed in range(120):
        image, target = drawn(seed, ball)
        for channel, share in zip(image[:, MIDDLE], target[:, 0], strict=True):
            outside = ndimage.maximum_filter(share, 9) == 0.0
            np.testing.assert_allclose(channel[outside], AIR, atol=1e-6)
            inner = ndimage.minimum_filter(share, 9) > 0.999
            empty += int(outside.all())
            if inner.sum() < 50:
                continue
            full += 1
            bone = hounsfield(channel[inner])
            assert 700.0 < np.median(bone) <= 1250.0  # 1016 HU, times and plus a little
            edge = channel[(share > 0.45) & (share < 0.55)]
            assert hounsfield(edge).mean() < np.median(bone) - 200.0
    assert full > 100
    assert empty > 20


def test_a_cut_takes_image_and_target_alike():
    """In a scan of bone alone, image and target are air and 0 beyond a cut, and bone and 1 within."""
    shape = (176, 190, 108)
    solid = crop_of(np.full(shape, 1016, np.int16), np.full(shape, 255, np.uint8), CENTRE)
    cut = whole = 0
    for seed in range(120):
        image, target = drawn(seed, solid)
        for channel, share in zip(image[:, MIDDLE], target[:, 0], strict=True):
            air = ndimage.minimum_filter(channel, 9) <= AIR + 1e-6
            air &= ndimage.maximum_filter(channel, 9) <= AIR + 1e-6
            bone = hounsfield(ndimage.minimum_filter(channel, 9)) > 500.0
            assert (share[air] == 0.0).all()
            assert (share[bone] > 0.7).all()
            cut += int(air.mean() > 0.2)
            whole += int((~air).all())
    assert cut > 15
    assert whole > 100


def test_the_mark_is_near_the_centre_of_the_body(ball):
    apart = []
    for seed in range(200):
        image, target = drawn(seed, ball)
        marks, heights = image[:, -2], image[:, -1] * HEIGHT_MM
        assert np.ptp(marks, axis=0).max() == 0.0  # the same pixel in every slice
        assert np.ptp(heights, axis=(1, 2)).max() == 0.0
        for share, height in zip(target[:, 0], heights[:, 0, 0], strict=True):
            if abs(height) < 8.0 and (share > 0.5).sum() > 600:
                peak = np.array(np.unravel_index(marks[0].argmax(), marks[0].shape))
                apart.append(np.linalg.norm(np.argwhere(share > 0.5).mean(axis=0) - peak))
                assert marks.max() > 0.99 or apart[-1] > 20.0
    assert len(apart) > 50
    assert 2.0 < np.median(apart) < 7.0  # an error of 3.5 mm along both axes: 4.1 mm
    assert np.mean(np.array(apart) < 14.0) > 0.8  # but for seeds that may lie anywhere


def test_neighbours_and_heights_are_on_one_scale():
    """Where HU grow with z, channels and slices differ by steps of 1.5 mm, all stretched alike."""
    shape = (240, 240, 121)
    ramp = np.broadcast_to(500.0 + 6.0 * np.arange(-60, 61), shape).astype(np.int16)  # 4 HU a mm
    centre = np.array([120.0, 120.0, 60.0], np.float32)
    tall = crop_of(ramp, np.full(shape, 255, np.uint8), centre)
    slopes = []
    for seed in range(40):
        image, target = drawn(seed, tall)
        if target.min() < 0.999:  # cut, or marked far off
            continue
        hu = np.median(hounsfield(image[:, : len(NEIGHBOURS)]), axis=(2, 3))
        heights = image[:, -1, 0, 0] * HEIGHT_MM
        slope = (hu[:, -1] - hu[:, 0]) / (1.5 * (NEIGHBOURS[-1] - NEIGHBOURS[0]))
        inner = (np.abs(hu - 500.0).max(axis=1) < 400.0) & (np.abs(heights) < 79.0)  # where neither is clipped
        if inner.sum() < 2:
            continue
        for steps in hu[inner]:
            expected = np.array(NEIGHBOURS) * 1.5 * slope[inner].mean()
            np.testing.assert_allclose(steps - steps[MIDDLE], expected, atol=3.0)
        order = np.flatnonzero(inner)[np.argsort(heights[inner])]
        for low, high in pairwise(order):
            change = (heights[high] - heights[low]) * slope[inner].mean()
            assert hu[high, MIDDLE] - hu[low, MIDDLE] == pytest.approx(change, abs=8.0)
        slopes.append(slope[inner].mean())
    assert len(slopes) > 20
    assert 3.0 < min(slopes) < 3.8 < 4.2 < max(slopes) < 5.8  # stretched and squeezed


def test_front_stays_front_and_sides_are_mirrored():
    """A second ball lies behind the first, and a third at its right."""
    shape = (176, 190, 108)
    points = (np.moveaxis(np.indices(shape), 0, -1) - CENTRE) * CROP_STEP_MM
    inside = np.zeros(shape, np.uint8)
    for at, radius in (((0, 0, 0), 14.0), ((0, -30, 0), 10.0), ((24, -4, 0), 7.0)):
        inside[np.linalg.norm(points - at, axis=-1) < radius] = 255
    three = crop_of(np.full(shape, 40, np.int16), inside, CENTRE)
    sides = []
    for seed in range(150):
        _, target = drawn(seed, three)
        for share in target[:, 0]:
            labels, n = ndimage.label(share > 0.5)
            if n != 3:
                continue
            area = ndimage.sum_labels(share > 0.5, labels, [1, 2, 3])
            centres = np.array(ndimage.center_of_mass(share > 0.5, labels, [1, 2, 3]))[np.argsort(-area)]
            body, back, right = centres
            if area.min() < 40 or area.max() < 400:
                continue
            assert back[1] < body[1] - 15.0
            assert abs(back[0] - body[0]) < 15.0
            sides.append(right[0] > body[0])
    assert len(sides) > 40
    assert 0.3 < np.mean(sides) < 0.7


@pytest.fixture
def files(tmp_path) -> list[Path]:
    paths = [tmp_path / f"{i}.npz" for i in range(3)]
    for path, radius in zip(paths, (8.0, 14.0, 20.0), strict=True):
        sphere(radius).save(path)
    return paths


def test_a_scan_is_read_as_it_was_written(files):
    back, made = read_crop(files[2]), sphere()
    np.testing.assert_array_equal(back.image, made.image)
    np.testing.assert_array_equal(back.inside, made.inside)
    np.testing.assert_array_equal(back.centre, made.centre)
    np.testing.assert_array_equal(back.centres, made.centres)
    assert (back.level, back.levels, back.people) == ("L1", ("L1",), ("a",))


def test_a_batch_depends_on_its_number_and_the_seed(files):
    batches = CropBatches(files)
    image, target = batches.batch(4)
    assert image.shape == (SLICE_SCANS * SLICES_A_SCAN, CHANNELS, *CROP_SHAPE[:2])
    again = CropBatches(files).batch(4)
    assert torch.equal(image, again[0])
    assert torch.equal(target, again[1])
    for other in (batches.batch(5), CropBatches(files, seed=1).batch(4)):
        assert not torch.equal(image, other[0])


def test_real_scans_are_taken_as_often_as_asked(files):
    """The real scan has hardly a voxel of bone; the others have many."""
    empty = sphere(1.0)
    empty.save(files[0])
    count = 0
    for number in range(25):
        target = CropBatches(files[2:], files[:1], real_share=0.6).batch(number)[1]
        count += int((target.reshape(SLICE_SCANS, -1).sum(dim=1) < 60.0).sum())
    assert count / (25 * SLICE_SCANS) == pytest.approx(0.6, abs=0.15)
