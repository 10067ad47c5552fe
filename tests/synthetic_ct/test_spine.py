"""Spines: vertebrae stand where they should, in order, and differ between people."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_ct.bone_labels import THORACOLUMBAR_LEVELS
from synthetic_ct.spine import make_spine


def test_the_template_spine_is_lumbar(base):
    assert [v.level for v in base.vertebrae] == ["L1", "L2", "L3", "L4", "L5"]
    for v in base.vertebrae:
        x, y, z = v.centre - v.canal
        assert abs(x) < 4.0  # the canal lies behind the body
        assert 12.0 < y < 30.0
        assert abs(z) < 8.0
        assert v.transverse_tip(-1)[0] < v.centre[0] - 25.0 < v.centre[0] + 25.0 < v.transverse_tip(1)[0]
        assert v.spinous_tip[1] < v.canal[1] - 15.0
        for endplate, sign in ((v.superior, 1.0), (v.inferior, -1.0)):
            np.testing.assert_allclose(endplate.axes @ endplate.axes.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(endplate.axes) > 0.0  # right, forward, up
            assert (np.diag(endplate.axes) > 0.85).all()
            assert 8.0 < sign * (endplate.centre - v.centre) @ endplate.axes[2] < 20.0


@pytest.mark.parametrize("top", ["T4", "T9", "L1"])
def test_levels_stand_in_order(base, top):
    for seed in range(12):
        spine = make_spine(np.random.default_rng(seed), [base], top=top)
        expected = THORACOLUMBAR_LEVELS[THORACOLUMBAR_LEVELS.index(top) :]
        assert tuple(v.level for v in spine.vertebrae) == expected
        steps = -np.diff([v.centre for v in spine.vertebrae], axis=0)
        assert (steps[:, 2] > 12.0).all()
        length = np.linalg.norm(steps, axis=1)
        assert 15.0 < length.min() < length.max() < 60.0


def test_people_differ(base):
    one, same, other = (make_spine(np.random.default_rng(s), [base], top="T10") for s in (3, 3, 4))
    for a, b, c in zip(one.vertebrae, same.vertebrae, other.vertebrae, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
        assert np.abs(a.points - c.points).max() > 3.0
