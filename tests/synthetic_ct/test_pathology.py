"""Fractures take the height that they are asked to take; osteophytes grow at the rims."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from synthetic_ct.deformity import DEFORMITIES
from synthetic_ct.pathology import add_osteophytes, fracture
from synthetic_ct.vertebra import Vertebra


class Always:
    """Fractures every vertebra, as far as possible, in one way."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def random(self):
        return 0.0

    def integers(self, n):
        return self.kind

    def uniform(self, low, high):
        return high


@pytest.mark.parametrize(("kind", "middle", "front"), [(0, 0.78, 0.55), (1, 0.88, 0.95), (2, 0.55, 0.55)])
def test_what_is_above_a_fractured_vertebra_sinks(base, kind, middle, front):
    """Wedged, biconcave, crushed by 45 %: the discs stay as thick as they were at the rim."""
    before, after = list(base.vertebrae), fracture(Always(kind), list(base.vertebrae))
    for old, new in zip(before, after, strict=True):
        height = np.linalg.norm(new.superior.centre - new.inferior.centre)
        assert height / np.linalg.norm(old.superior.centre - old.inferior.centre) == pytest.approx(middle, abs=0.12)
        node = old.surface.superior[foremost(old)]
        ahead = [v.points[node] - v.points[v.surface.inferior].mean(axis=0) for v in (old, new)]
        ratio = (ahead[1] @ new.inferior.axes[2]) / (ahead[0] @ old.inferior.axes[2])
        assert ratio == pytest.approx(front, abs=0.12)
    if DEFORMITIES[kind] != "biconcave":
        for (a, b), (c, d) in zip(pairwise(before), pairwise(after), strict=True):
            gaps = [np.linalg.norm(u.inferior.centre - v.superior.centre) for u, v in ((a, b), (c, d))]
            assert gaps[1] == pytest.approx(gaps[0], rel=0.1)


def foremost(vertebra: Vertebra) -> int:
    """Position of the foremost node of the upper endplate."""
    endplate = vertebra.superior
    return int(((vertebra.points[vertebra.surface.superior] - endplate.centre) @ endplate.axes[1]).argmax())


def test_osteophytes_stand_out_at_the_rims_and_leave_the_arch_alone(base):
    l3 = base.vertebrae[2]
    after = add_osteophytes(np.random.default_rng(1), l3, 3.0)
    moved = np.linalg.norm(after.points - l3.points, axis=1)
    assert moved.max() > 4.0
    assert moved[l3.surface.tips].max() < 0.5
    far = moved > 2.0
    for endplate in (l3.superior, l3.inferior):  # outwards
        near = far & (np.abs((l3.points - endplate.centre) @ endplate.axes[2]) < 5.0)
        out = l3.points[near] - endplate.centre
        assert (np.einsum("ij,ij->i", after.points[near] - l3.points[near], out) > 0.0).mean() > 0.95
    np.testing.assert_array_equal(add_osteophytes(np.random.default_rng(1), l3, 0.0).points, l3.points)
