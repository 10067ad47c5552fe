"""Parts of `bench.bone` with answers in closed form: lattices of points, the offset line, a column of voxels."""

from __future__ import annotations

import numpy as np
import pytest

from bench.bone_sampling import LATTICES, lattice
from bench.bone_strains import ELASTIC, STRAINS, offset_yield
from bench.voxel_model import CAP_MPA, voxel_stiffness


@pytest.mark.parametrize(("name", "order"), LATTICES.items())
def test_a_lattice_has_its_number_of_points_inside_and_integrates_what_is_linear(name, order):
    points = np.stack(list(lattice(order)))
    assert len(points) == int(name)
    np.testing.assert_allclose(points.sum(axis=1), 1.0)
    assert points.min() > 0.0
    np.testing.assert_allclose(points.mean(axis=0), 0.25)


def test_the_offset_line_meets_a_bar_that_yields_at_its_plateau():
    forces = [min(100.0 * strain / ELASTIC, 1000.0) for strain in STRAINS]
    assert offset_yield(forces) == pytest.approx(1000.0)


def test_the_offset_line_meets_a_curve_that_bends():
    """F = k e / (1 + e / c) and F = k (e - 0.2 %): e from the quadratic; the curve is drawn by straight pieces."""
    stiffness, bend = 1e5, 0.01
    forces = [stiffness * strain / (1.0 + strain / bend) for strain in STRAINS]
    strain = (0.002 + np.sqrt(0.002**2 + 4.0 * 0.002 * bend)) / 2.0
    assert offset_yield(forces) == pytest.approx(stiffness * (strain - 0.002), rel=0.1)


def test_a_column_of_voxels_is_springs_in_a_row():
    """Bone and caps widen by different amounts where they meet: nearly bars."""
    parts = np.zeros((3, 3, 30), np.uint8)
    parts[:, :, 2:-2], parts[:, :, :2], parts[:, :, -2:] = 1, 5, 6
    compliance = 26.0 / (2980.0 * 0.1**1.05) + 4.0 / CAP_MPA
    assert voxel_stiffness(np.full(parts.shape, 100.0), parts, 1.0) == pytest.approx(9.0 / compliance, rel=0.02)
