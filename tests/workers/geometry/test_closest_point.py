"""Closest points on a surface against brute force, and distances between spheres."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.geometry.spheres import icosphere
from workers.geometry.closest_point import ClosestPoint, surface_distance
from workers.geometry.surface import Surface


def to_segment(p, a, b):
    t = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
    return a + t * (b - a)


def brute_force(p, surface):
    """Every triangle in turn: the foot of the perpendicular if inside, else the nearest point of the three edges."""
    best, at = np.inf, None
    for triangle in surface.triangles:
        a, b, c = surface.vertices[triangle]
        plane = np.column_stack([b - a, c - a])
        (v, w), *_ = np.linalg.lstsq(plane, p - a, rcond=None)
        inside = v >= 0 and w >= 0 and v + w <= 1
        feet = [a + plane @ [v, w]] if inside else [to_segment(p, *e) for e in ((a, b), (b, c), (c, a))]
        for foot in feet:
            distance = np.linalg.norm(p - foot)
            if distance < best:
                best, at = distance, foot
    return best, at


def test_closest_point_against_brute_force():
    """Triangles at random, some of them needles; points beyond every edge and corner."""
    rng = np.random.default_rng(0)
    vertices = rng.uniform(-5, 5, (36, 3))
    vertices[1] = vertices[0] + 1e-3
    surface = Surface(vertices, np.arange(36, dtype=np.int32).reshape(12, 3))
    points = rng.uniform(-9, 9, (300, 3))
    found, triangle, distance = ClosestPoint(surface)(points, candidates=12)
    for i, p in enumerate(points):
        best, at = brute_force(p, surface)
        assert distance[i] == pytest.approx(best, rel=1e-9)
        np.testing.assert_allclose(found[i], at, atol=1e-8)
        own = Surface(vertices, surface.triangles[triangle[i]][None])
        assert brute_force(p, own)[0] == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("candidates", [4, 8])
def test_few_candidates_are_exact_on_an_even_mesh(candidates):
    surface = icosphere(20.0, 2)
    points = np.random.default_rng(1).uniform(-30, 30, (60, 3))
    _, _, distance = ClosestPoint(surface)(points, candidates=candidates)
    np.testing.assert_allclose(distance, [brute_force(p, surface)[0] for p in points], rtol=1e-9)


@pytest.mark.parametrize(
    ("point", "foot"),
    [
        ((1, 1, 3), (1, 1, 0)),  # face
        ((-2, 2, 1), (0, 2, 0)),  # edge a-c
        ((2, -3, -1), (2, 0, 0)),  # edge a-b
        ((5, 5, 0), (3, 3, 0)),  # edge b-c
        ((-1, -2, 0), (0, 0, 0)),  # the three corners
        ((9, -1, 2), (6, 0, 0)),
        ((-1, 9, 0), (0, 6, 0)),
    ],
)
def test_every_feature_of_a_triangle(point, foot):
    surface = Surface(np.array([[0.0, 0, 0], [6, 0, 0], [0, 6, 0]]), np.array([[0, 1, 2]], np.int32))
    found, _, distance = ClosestPoint(surface)(np.array([point], float))
    np.testing.assert_allclose(found, [foot], atol=1e-12)
    assert distance[0] == pytest.approx(np.linalg.norm(np.subtract(point, foot)), rel=1e-12)


@pytest.mark.parametrize(("inner", "outer"), [(20.0, 22.0), (20.0, 20.5)])
def test_distance_of_concentric_spheres(inner, outer):
    distance = surface_distance(icosphere(inner), icosphere(outer))
    assert len(distance) == 40_000
    np.testing.assert_allclose(distance, outer - inner, rtol=0.01)
    assert distance.mean() == pytest.approx(outer - inner, rel=0.002)


def test_distance_is_symmetric_and_sees_what_one_side_lacks():
    """A ball against itself plus a second one, 40 mm off: only the second's samples are far."""
    one, two = icosphere(10.0, 3), icosphere(10.0, 3, (40.0, 0.0, 0.0))
    both = Surface(np.concatenate([one.vertices, two.vertices]), np.concatenate([one.triangles, two.triangles + 642]))
    assert len(one.vertices) == 642
    for distance in (surface_distance(one, both), surface_distance(both, one)):
        assert (distance > 15.0).mean() == pytest.approx(0.25, abs=0.01)
        assert (distance < 1e-9).mean() == pytest.approx(0.75, abs=0.01)
        assert distance.max() == pytest.approx(40.0, rel=0.01)
