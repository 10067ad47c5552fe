"""Drawn people: bones carry their own labels, discs lie between the bodies, the canal is open."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS, label_of
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.skeleton import Skeleton
from synthetic_ct.tissue import Tissue
from synthetic_ct.torso import make_torso
from synthetic_ct.vertebra import Spine
from synthetic_ct.voxelise import voxelise
from tests.synthetic_ct.surfaces_and_voxels import surface_of, voxel_at


def test_a_vertebra_alone(base):
    v = base.vertebrae[2]
    grid = Grid.around(v.points.min(axis=0) - 3.0, v.points.max(axis=0) + 3.0, 1.0)
    random = np.random.default_rng(0)
    spine = Spine("one", (v,))
    alone = Person(spine, make_torso(random, spine), Skeleton((), None, (), (), np.array([v.canal])))
    anatomy = draw_anatomy(random, alone, grid)
    assert set(np.unique(anatomy.bone)) == {0, label_of("L3")}
    assert np.count_nonzero(anatomy.bone) == pytest.approx(surface_of(v).volume, rel=0.01)
    np.testing.assert_array_equal(anatomy.depth > 0.0, anatomy.bone > 0)
    centre = np.argwhere(anatomy.bone).mean(axis=0) + grid.origin
    surface = surface_of(v)
    corners = surface.vertices[surface.triangles] - v.centre
    weight = np.linalg.det(corners)
    np.testing.assert_allclose(
        centre, v.centre + (corners.mean(1) * 0.75 * weight[:, None]).sum(0) / weight.sum(), atol=0.1
    )
    assert 10.0 < anatomy.depth.max() < 25.0  # mm, in the body
    x, y, z = voxel_at(anatomy, v.centre)
    bone, posterior = anatomy.bone[:, :, z] > 0, anatomy.posterior[:, :, z]
    assert not posterior[x, y]
    assert posterior[voxel_at(anatomy, v.canal)[:2]]
    assert 0.1 < (bone & posterior).sum() / bone.sum() < 0.7


def test_bones_do_not_swap(person, drawn):
    inside = np.zeros(drawn.bone.shape, np.uint8)
    for v in person.spine.vertebrae:
        label = label_of(v.level)
        assert drawn.bone[voxel_at(drawn, v.centre)] == label
        voxels = voxelise(v.points, v.surface.triangles, drawn.grid)
        assert voxels is not None
        box, own = voxels
        assert not (drawn.bone == label)[box][~own].any()
        inside[box] += own
        assert (drawn.bone[box][own] == label).mean() > 0.97, v.level
    vertebra = (drawn.bone > 0) & (drawn.bone <= len(THORACOLUMBAR_LEVELS))
    np.testing.assert_array_equal(vertebra, inside > 0)
    assert (inside > 1).sum() < 0.02 * vertebra.sum()  # bending makes few voxels overlap


def test_the_canal_is_open(person, drawn):
    for v in person.spine.vertebrae:
        assert drawn.bone[voxel_at(drawn, v.canal)] == 0, v.level
        assert drawn.tissue[voxel_at(drawn, v.canal)] == Tissue.CANAL, v.level


def test_discs_lie_between_the_bodies(person, drawn):
    for upper, lower in pairwise(person.spine.vertebrae):
        between = voxel_at(drawn, 0.5 * (upper.inferior.centre + lower.superior.centre))
        assert drawn.tissue[between] == Tissue.DISC, upper.level
        assert drawn.bone[between] == 0, upper.level
