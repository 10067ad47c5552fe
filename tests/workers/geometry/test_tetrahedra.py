"""Mean ratio, volumes and dihedral angles in closed form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from workers.geometry.tetrahedra import mean_ratio, min_dihedral_degrees, nodal_volumes, tet_volumes

REGULAR = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
ONE = np.array([[0, 1, 2, 3]], np.int32)


def one(points):
    quality, volume = mean_ratio(np.asarray(points, float), ONE)
    return quality[0], volume[0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 40.0])
def test_regular_is_one(scale):
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    quality, volume = one(scale * REGULAR @ (turn * np.linalg.det(turn)).T + 7.0)
    edge = scale * np.sqrt(8.0)
    assert abs(quality) == pytest.approx(1.0, rel=1e-9)
    assert abs(volume) == pytest.approx(edge**3 / (6.0 * np.sqrt(2.0)), rel=1e-9)


def test_sign_is_the_orientation():
    for order in itertools.permutations(range(4)):
        parity = np.linalg.det(np.eye(4)[list(order)])
        quality, volume = one(REGULAR[list(order)])
        base, base_volume = one(REGULAR)
        assert quality == pytest.approx(parity * base, rel=1e-12)
        assert volume == pytest.approx(parity * base_volume, rel=1e-12)


def test_corner_of_a_cube():
    quality, volume = one([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert quality == pytest.approx(12.0 * 0.5 ** (2 / 3) / 9.0, rel=1e-12)
    assert volume == pytest.approx(1 / 6, rel=1e-12)


@pytest.mark.parametrize("height", [0.01, 0.3, np.sqrt(2 / 3), 5.0, 100.0])
def test_needles_and_slivers(height):
    """An apex over the centre of an equilateral triangle of side 1."""
    base = [[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(3) / 2, 0]]
    quality, volume = one([*base, [0.5, np.sqrt(3) / 6, height]])
    three_volumes = np.sqrt(3) / 4 * height
    assert volume == pytest.approx(three_volumes / 3, rel=1e-12)
    assert quality == pytest.approx(12 * three_volumes ** (2 / 3) / (3 + 3 * (1 / 3 + height**2)), rel=1e-9)
    assert one([*base, [0.5, np.sqrt(3) / 6, -height]])[0] == pytest.approx(-quality, rel=1e-12)


def test_flat_and_collapsed_are_zero():
    assert one([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]) == (0.0, 0.0)
    assert one(np.zeros((4, 3))) == (0.0, 0.0)


def test_volumes_of_a_tetrahedron_and_of_its_nodes():
    """The cube of edge 2 minus its four corners: a third of 8 mm^3; each node takes a quarter."""
    flipped = np.array([[0, 2, 1, 3]], np.int32)
    volume = tet_volumes(REGULAR, ONE)
    np.testing.assert_allclose(np.abs(volume), [8 / 3], rtol=1e-14)
    np.testing.assert_allclose(tet_volumes(REGULAR, flipped), -volume, rtol=1e-14)
    for tets in (ONE, flipped):
        np.testing.assert_allclose(nodal_volumes(REGULAR, tets), np.full(4, 2 / 3), rtol=1e-14)


def test_smallest_dihedral_angle():
    assert min_dihedral_degrees(REGULAR, ONE) == pytest.approx(np.degrees(np.arccos(1 / 3)))
    corner = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert min_dihedral_degrees(corner, ONE) == pytest.approx(np.degrees(np.arccos(1 / np.sqrt(3))))
