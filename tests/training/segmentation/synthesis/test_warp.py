"""A warp moves the crop under the scanner: where points go, thin discs, crushed bodies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.segmentation.small_anatomy import DISC_ABOVE, DISC_BELOW
from training.segmentation.data.anatomy_crops import CENTRE
from training.segmentation.synthesis.anatomy_tensors import OTHER
from training.segmentation.synthesis.fields import interpolate
from training.segmentation.synthesis.warp import HALF_BODY_MM, Warp, crush_body, thin_disc
from workers.imaging.network_input import STRUCTURES

UP = np.array([0.0, 0.0, 1.0])
STEP_MM = 0.1
FACE_MM = 0.125
"""Between voxels the share of a structure is a ramp of 1 mm: so much of the one beyond is seen within a face."""


def extents(anatomy, *squeezes) -> dict[str, float]:
    """Return how long each structure is along the axis through the body centre, mm."""
    heights = torch.arange(-33.0, 29.0, STEP_MM)
    points = torch.stack([torch.zeros_like(heights), torch.zeros_like(heights), heights], dim=-1)
    warp = Warp(np.eye(3), UP, (), squeezes)
    shares = interpolate(anatomy.structures(), warp(points))
    return {name: float(shares[k].sum() * STEP_MM) for k, name in enumerate(STRUCTURES) if k != OTHER}


def test_points_of_the_crop_are_found_again(anatomy, generator):
    for seed in range(10):
        warp = Warp.draw(np.random.default_rng(seed), generator, anatomy)
        assert np.linalg.norm(warp.up_in_scanner) == pytest.approx(1.0)
        point = np.array([5.0, -30.0, 8.0])
        rigid = replace(warp, elastic=(), squeezes=())
        there = torch.tensor(warp.to_scanner(point), dtype=torch.float32)
        np.testing.assert_allclose(rigid(there).numpy(), CENTRE + point, atol=1e-3)
        away = np.linalg.norm(warp(there).numpy() - CENTRE - point)
        assert away < 35.0  # elastic changes and squeezes alone


def test_the_axis_is_tilted_and_mirrored_now_and_then(anatomy, generator):
    warps = [Warp.draw(np.random.default_rng(seed), generator, anatomy) for seed in range(60)]
    tilts = [np.degrees(np.arccos(warp.up_in_scanner[2])) for warp in warps]
    assert 4.0 < np.median(tilts) < 14.0
    assert max(tilts) > 20.0
    assert 0.3 < np.mean([np.linalg.det(warp.matrix) < 0.0 for warp in warps]) < 0.7


@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])
def test_a_thin_disc_loses_exactly_its_share(anatomy, part):
    whole = extents(anatomy)
    both = extents(anatomy, thin_disc(1.0, DISC_ABOVE, part), thin_disc(-1.0, DISC_BELOW, part))
    thickness = sum(high - low - 2.0 * FACE_MM for low, high in (DISC_ABOVE, DISC_BELOW))
    assert whole["disc"] - both["disc"] == pytest.approx(part * thickness, abs=0.1)
    bone = whole["vertebra"] - 2.0 * FACE_MM * part  # what of it is seen within the discs shrinks with them
    assert both["vertebra"] == pytest.approx(bone, abs=0.1)


def test_a_thin_disc_moves_its_ends_together():
    squeeze = thin_disc(1.0, (13.0, 22.0), 0.5)
    heights = torch.tensor([-20.0, 0.0, 13.0, 17.5, 30.0])
    shifts = squeeze(heights, torch.zeros(5))
    torch.testing.assert_close(heights + shifts, torch.tensor([-20.0, 0.0, 13.0, 22.0, 34.5]))
    below = thin_disc(-1.0, (13.0, 22.0), 0.5)(-heights, torch.zeros(5))
    torch.testing.assert_close(below, -shifts)


def test_facets_are_brought_together_over_a_longer_way():
    """Behind the body nothing may be squeezed flat: the steepest change is milder there."""
    squeeze, heights = thin_disc(1.0, (13.0, 22.0), 0.8), torch.arange(-30.0, 60.0, 0.1)
    steepest = [float(squeeze(heights, torch.full_like(heights, y)).diff().max()) / 0.1 for y in (0.0, -40.0)]
    assert steepest[0] == pytest.approx(7.2 / 1.8, rel=0.05)
    assert steepest[1] == pytest.approx(7.2 / (1.8 + 25.0), rel=0.05)


def test_a_crushed_body_is_lower_and_a_wedged_one_in_front_only():
    heights = torch.tensor([-30.0, -0.6 * HALF_BODY_MM, 0.0, 0.6 * HALF_BODY_MM, 30.0])
    crushed = heights + crush_body(0.4, wedged=False)(heights, torch.zeros(5))
    part = HALF_BODY_MM * 0.4
    torch.testing.assert_close(crushed, torch.tensor([-30.0 - part, -HALF_BODY_MM, 0.0, HALF_BODY_MM, 30.0 + part]))
    wedge = crush_body(0.4, wedged=True)
    assert wedge(heights, torch.full((5,), -20.0)).abs().max() == 0.0
    torch.testing.assert_close(heights + wedge(heights, torch.full((5,), 20.0)), crushed)
