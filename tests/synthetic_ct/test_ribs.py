"""Ribs: on thoracic vertebrae only, on their own side, beside the bodies."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.bone_labels import RIB
from synthetic_ct.ribs import make_ribs
from synthetic_ct.spine import make_spine
from synthetic_ct.torso import make_torso
from tests.synthetic_ct.surfaces_and_voxels import points_of


@pytest.mark.parametrize("seed", [0, 1, 2, 3])  # 2 and 3 are mirror images
def test_ribs_stay_on_their_side(base, seed):
    random = np.random.default_rng(seed)
    spine = make_spine(random, [base], top="T9")
    vertebra = spine.vertebrae[0]
    for rib in make_ribs(random, spine.vertebrae, make_torso(random, spine))[:2]:
        along = (rib.points - vertebra.centre) @ vertebra.superior.axes[0]
        assert np.ptp(np.sign(along[:50])) == 0.0  # 100 mm


def test_ribs_only_in_the_chest(base):
    quiet = np.random.default_rng(0)
    assert make_ribs(quiet, base.vertebrae, make_torso(quiet, base)) == ()
    counts = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        spine = make_spine(random, [base], top="T9")
        ribs = make_ribs(random, spine.vertebrae, make_torso(random, spine))
        counts.append(len(ribs))
        heads = [min(spine.vertebrae, key=lambda v: np.linalg.norm(v.centre - rib.points[0])) for rib in ribs]
        assert all(v.level.startswith("T") for v in heads)
        for v in spine.vertebrae[:3]:  # T9 to T11: one a side; T12's may be missing
            own = [rib.points[0] for rib, head in zip(ribs, heads, strict=True) if head is v]
            assert len(own) == 2, v.level
            sides = sorted((point - v.centre) @ v.superior.axes[0] / v.superior.half_width for point in own)
            np.testing.assert_allclose(sides, [-0.92, 0.92], atol=0.25)
    assert max(counts) == 8
    assert min(counts) >= 6


def test_ribs_are_drawn_beside_the_chests_bodies(person, drawn):
    ribs = points_of(drawn, RIB)
    centres = {v.level: v.centre for v in person.spine.vertebrae}
    assert np.linalg.norm(ribs - centres["L1"], axis=1).min() > 25.0
    assert np.linalg.norm(ribs - centres["T11"], axis=1).min() < 25.0
