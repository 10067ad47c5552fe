"""Edges at the endplates, the height of a body against its neighbours, cement."""

from __future__ import annotations

import numpy as np
import pytest

from workers.engine import engine
from workers.imaging.volume import Volume
from workers.outline.endplates import dense_share, edge_share, height_ratio


@pytest.fixture(scope="module")
def template():
    return engine().template


def ct_with(hu: dict[str, float], template) -> Volume:
    """HU above, within and below the template's endplates, in voxels of 1 mm."""
    low = template.nodes.min(axis=0) - 10.0
    shape = tuple(int(n) for n in np.ptp(template.nodes, axis=0) + 20.0)
    affine = np.eye(4)
    affine[:3, 3] = low
    z = low[2] + np.arange(shape[2])
    top = template.nodes[np.unique(template.superior), 2].mean()
    bottom = template.nodes[np.unique(template.inferior), 2].mean()
    column = np.where(z > top, hu["above"], np.where(z < bottom, hu["below"], hu["within"]))
    return Volume(np.broadcast_to(column, shape).copy(), affine)


def test_an_edge_is_a_fall_from_bone_to_disc(template):
    ct = ct_with({"above": 90.0, "within": 260.0, "below": 250.0}, template)
    assert edge_share(ct, template.nodes, template.superior) > 0.8
    assert edge_share(ct, template.nodes, template.inferior) < 0.2
    moved = Volume(ct.voxels, ct.affine + np.array([[0, 0, 0, 30.0], [0, 0, 0, 4.0], [0, 0, 0, -9.0], [0] * 4]))
    shifted = template.nodes + np.array([30.0, 4.0, -9.0])
    again = edge_share(moved, shifted, template.superior)
    assert again == pytest.approx(edge_share(ct, template.nodes, template.superior), abs=1e-6)


def test_the_height_is_measured_against_the_distance_of_the_bodies(template):
    upper, lower = (template.nodes[np.unique(t)].mean(axis=0) for t in (template.superior, template.inferior))
    height, middle = float(np.linalg.norm(upper - lower)), 0.5 * (upper + lower)
    row = np.array([middle + np.array([0.0, 0.0, 34.0]), middle, middle - np.array([0.0, 0.0, 38.0])])
    assert height_ratio(template.nodes, template, row, middle) == pytest.approx(height / 36.0)
    assert height_ratio(template.nodes, template, row[:2], middle) == pytest.approx(height / 34.0)
    assert 0.6 < height / 36.0 < 1.0
    assert height_ratio(template.nodes, template, row[1:2], middle) is None
    far = np.array([middle + np.array([0.0, 0.0, 80.0]), middle])
    assert height_ratio(template.nodes, template, far, middle) is None


def test_cement_fills_a_share_of_the_body(template):
    ct = ct_with({"above": 90.0, "within": 200.0, "below": 90.0}, template)
    assert dense_share(ct, template.nodes, template) == 0.0
    ct.voxels[: ct.voxels.shape[0] // 2] = 2000.0
    assert dense_share(ct, template.nodes, template) == pytest.approx(0.5, abs=0.1)
