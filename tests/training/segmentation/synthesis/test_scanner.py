"""Plans of scans, and what thick slices show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthetic_ct.scanner import HIGHEST_HU, LOWEST_HU, Protocol
from training.segmentation.data.anatomy_crops import CENTRE
from training.segmentation.synthesis import scanner
from training.segmentation.synthesis.scanner import FIELD_HIGH, FIELD_LOW, LEAST_PIXEL_MM, ScanPlan, scan
from training.segmentation.synthesis.warp import Warp

THICK = Protocol(in_plane_mm=0.7, slice_mm=5.0, step_mm=5.0, blur_mm=0.0, noise_hu=0.0, grain=0.5)
STILL = Warp(np.eye(3), np.array([0.0, 0.0, 1.0]), (), ())
FIELD = (np.array([-10.0, -10.0, -10.0]), np.array([10.0, 10.0, 10.0]))


def test_the_plan_of_thick_slices():
    axial = ScanPlan.of(THICK, 2, 5.0, (FIELD_LOW, FIELD_HIGH))
    assert axial.step.tolist() == [LEAST_PIXEL_MM, LEAST_PIXEL_MM, 5.0]
    assert axial.shape == (186, 186, 28)
    assert axial.thickness_mm == 5.0
    sagittal = ScanPlan.of(THICK, 0, 3.0, (FIELD_LOW, FIELD_HIGH))
    assert sagittal.step.tolist() == [3.0, LEAST_PIXEL_MM, LEAST_PIXEL_MM]
    assert sagittal.thickness_mm == pytest.approx(3.0)


def test_plans_differ_and_stay_within_the_field():
    plans = [ScanPlan.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert {plan.thick_axis for plan in plans} == {0, 2}
    for plan in plans:
        last = plan.low + plan.step * (np.array(plan.shape) - 1)
        assert (plan.low >= FIELD_LOW).all()
        assert (last <= FIELD_HIGH + 1e-9).all()
        assert np.delete(plan.step, plan.thick_axis).min() >= LEAST_PIXEL_MM
    assert 0.02 < np.mean([plan.step[plan.thick_axis] > 4.0 for plan in plans]) < 0.4
    assert 0.05 < np.mean([(plan.low > FIELD_LOW).any() for plan in plans]) < 0.2


@pytest.fixture
def plain(monkeypatch) -> None:
    """Scans without drift, and without a window of stored HU."""
    monkeypatch.setattr(scanner, "DRIFT_SHARE", 0.0)
    monkeypatch.setattr(scanner, "WINDOW_SHARE", 0.0)


def test_a_thick_slice_shows_the_mean_over_its_thickness(plain, generator):
    """HU are 0 up to the body centre and 1000 above."""
    i, j, k = (int(n) + 16 for n in CENTRE)
    hu = torch.zeros(1, 1, i, j, k)
    hu[..., int(CENTRE[2]) + 1 :] = 1000.0
    hu[..., int(CENTRE[2])] = 500.0
    ct = scan(np.random.default_rng(0), generator, hu, STILL, ScanPlan.of(THICK, 2, 5.0, FIELD))
    assert ct.shape == (1, 1, 26, 26, 5)
    torch.testing.assert_close(ct[0, 0, 13, 13], torch.tensor([0.0, 0.0, 500.0, 1000.0, 1000.0]))
    flat = scan(np.random.default_rng(0), generator, hu, STILL, ScanPlan.of(THICK, 0, 5.0, FIELD))
    assert flat.shape == (1, 1, 5, 26, 26)
    assert float(flat[0, 0, 2, 13, 11]) == 0.0
    assert float(flat[0, 0, 2, 13, 14]) == 1000.0


def test_noise_has_its_deviation_and_hu_end_where_a_scanner_ends(plain, generator):
    noisy = Protocol(0.8, 1.0, 1.0, 0.5, 30.0, 0.8)
    shape = tuple(int(n) + 12 for n in CENTRE)
    for hu, deviation in ((100.0, 30.0), (1e5, 0.0), (-1e5, 0.0)):
        ct = scan(
            np.random.default_rng(0),
            generator,
            torch.full((1, 1, *shape), hu),
            STILL,
            ScanPlan.of(noisy, 2, 1.0, FIELD),
        )
        assert float(ct.std()) == pytest.approx(deviation, rel=0.02, abs=1e-3)
        assert LOWEST_HU <= float(ct.min()) <= float(ct.max()) <= HIGHEST_HU
