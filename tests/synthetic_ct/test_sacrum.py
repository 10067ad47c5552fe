"""The sacrum lies under L5, has holes and, in some people, remnants of discs."""

from __future__ import annotations

import numpy as np

from synthetic_ct.anatomy import draw_anatomy
from synthetic_ct.bone_labels import PELVIS, SACRUM
from synthetic_ct.grid import Grid
from synthetic_ct.person import Person
from synthetic_ct.sacrum import Sacrum
from synthetic_ct.spine import make_spine
from synthetic_ct.tissue import Tissue
from tests.synthetic_ct.surfaces_and_voxels import points_of, voxel_at


def test_the_sacrum_lies_under_l5(person, drawn):
    sacrum = points_of(drawn, SACRUM)
    l5 = person.spine.vertebrae[-1]
    assert len(sacrum) * drawn.grid.spacing**3 > 20_000.0
    assert sacrum[:, 2].mean() < l5.centre[2] - 20.0
    assert abs(np.quantile(sacrum[:, 2], 0.97) - l5.inferior.centre[2]) < 30.0
    assert (drawn.bone == PELVIS).any()


def test_foramina_and_remnants_of_discs_are_no_bone(base):
    with_remnants = {False: 0, True: 0}
    for seed in range(6):
        sacrum = Sacrum.below(np.random.default_rng(seed), base.vertebrae[-1])
        assert len(sacrum.holes) == 4
        with_remnants[bool(sacrum.discs)] += 1
        spine = make_spine(np.random.default_rng(seed), [base], top="L4")
        someone = Person.make(np.random.default_rng(seed), spine)
        own = someone.skeleton.sacrum
        middle = own.bodies[0]
        anatomy = draw_anatomy(np.random.default_rng(seed), someone, Grid.around(middle - 40.0, middle + 40.0, 1.0))
        for hole in own.holes[:1]:
            centre = hole.points[np.linalg.norm(hole.points - middle, axis=1).argmin()]
            assert anatomy.bone[voxel_at(anatomy, centre)] == 0
        assert anatomy.bone[voxel_at(anatomy, middle)] == SACRUM
        for disc in own.discs[:1]:
            assert anatomy.bone[voxel_at(anatomy, disc.points.mean(axis=0))] == 0
            assert anatomy.tissue[voxel_at(anatomy, disc.points.mean(axis=0))] == Tissue.DISC
    assert min(with_remnants.values()) > 0
