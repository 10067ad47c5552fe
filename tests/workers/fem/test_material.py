"""Elastic constants."""

from __future__ import annotations

import pytest

from workers.fem.material import Material

BONE = Material()


@pytest.mark.parametrize(
    ("young", "poisson", "lam", "mu"),
    [(500.0, 0.3, 288.46153846153845, 192.30769230769232), (3.0, 0.0, 0.0, 1.5), (200.0, 0.25, 80.0, 80.0)],
)
def test_lame_constants(young, poisson, lam, mu):
    assert Material(young, poisson).lame == pytest.approx((lam, mu), rel=1e-14, abs=1e-14)


def test_the_default_is_the_papers_bone():
    assert (BONE.young_mpa, BONE.poisson) == (500.0, 0.3)
