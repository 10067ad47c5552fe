"""A solid is drawn as large as it is."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.grid import Grid
from synthetic_ct.solids import Tube
from synthetic_ct.voxelise import draw_tube, voxelise
from tests.synthetic_ct.surfaces_and_voxels import surface_of


def test_a_drawn_vertebra_has_the_volume_of_its_surface(base, person):
    for v in (*base.vertebrae, *person.spine.vertebrae):
        grid = Grid.around(v.points.min(axis=0) - 3.0, v.points.max(axis=0) + 3.0, 1.0)
        voxels = voxelise(v.points, v.surface.triangles, grid)
        assert voxels is not None
        assert voxels[1].sum() == pytest.approx(surface_of(v).volume, rel=0.01)


def test_a_solid_off_the_grid_is_not_drawn(base):
    v = base.vertebrae[0]
    grid = Grid.around(v.points.max(axis=0) + 10.0, v.points.max(axis=0) + 20.0, 1.0)
    assert voxelise(v.points, v.surface.triangles, grid) is None


def test_a_tube_keeps_what_is_there_unless_it_clears():
    grid = Grid(np.zeros(3), (20, 20, 20), 1.0)
    tube = Tube(np.full((1, 3), 10.0), np.array([5.0]))
    volume = np.zeros(grid.shape, np.uint8)
    volume[:10] = 1
    draw_tube(tube, grid, volume, 2)
    assert volume[12, 10, 10] == 2
    assert volume[8, 10, 10] == 1
    assert (volume == 2).sum() == pytest.approx(0.5 * 4.0 / 3.0 * np.pi * 5.0**3, rel=0.15)
    draw_tube(tube, grid, volume, 0)
    assert volume[8, 10, 10] == volume[12, 10, 10] == 0
    assert volume[0, 0, 0] == 1
