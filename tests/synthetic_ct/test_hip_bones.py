"""The hip bones meet the sacrum at its joints."""

from __future__ import annotations

import numpy as np

from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import PELVIS, SACRUM
from synthetic_ct.grid import Grid
from tests.synthetic_ct.surfaces_and_voxels import points_of


def test_the_hips_meet_the_sacrum_at_its_joints(person):
    sacrum = person.skeleton.sacrum
    grid = Grid.around(sacrum.bodies[0] - [90.0, 70.0, 60.0], sacrum.bodies[0] + [90.0, 40.0, 40.0], 1.5)
    pelvis = draw_anatomy(np.random.default_rng(0), person, grid)
    points = {label: points_of(pelvis, label) for label in (SACRUM, PELVIS)}
    for side in (-1.0, 1.0):
        joint = sacrum.joint_corners(side, 0.0)[:3].mean(axis=0)
        distance = {label: np.linalg.norm(own - joint, axis=1).min() for label, own in points.items()}
        assert distance[SACRUM] < 4.0, side
        assert distance[PELVIS] < 14.0, side
        lateral = side * (points[PELVIS] - sacrum.bodies[0]) @ sacrum.axes[0]
        assert lateral[lateral > 0.0].min() > 20.0, side
