"""Repair of tangled meshes in the template's topology."""

from __future__ import annotations

import numpy as np
import pytest

from app.contract.errors import MeshQualityError
from workers.geometry.tetrahedra import mean_ratio
from workers.mesh.repair import SURFACE_LIMIT_MM


def test_repair_untangles_what_a_morph_leaves(engine, morpher):
    template = engine.template
    points = template.nodes.copy()
    rng = np.random.default_rng(0)
    victims = rng.choice(np.arange(template.n_surface, len(points)), 40, replace=False)
    points[victims] += rng.uniform(-1.5, 1.5, (40, 3))
    before = points.copy()
    assert (mean_ratio(points, template.tets)[1] <= 0.0).sum() >= 50
    assert morpher.repair(points) >= 50
    quality, volume = mean_ratio(points, template.tets)
    assert volume.min() > 0.0
    assert quality.min() >= 0.2
    surface = np.linalg.norm(points - before, axis=1)[: template.n_surface]
    assert surface.max() <= 3 * SURFACE_LIMIT_MM
    assert (points == before).all(axis=1).mean() > 0.9  # far from the tangles nothing moves


def test_repair_leaves_a_sound_mesh_alone(engine, morpher):
    points = engine.template.nodes.copy()
    assert morpher.repair(points) == 0
    np.testing.assert_array_equal(points, engine.template.nodes)


def test_a_hopeless_tangle_is_refused(engine, morpher):
    """The surface nodes of a patch of 3 mm, shuffled: they may not move as far as they would have to."""
    template = engine.template
    points = template.nodes.copy()
    centre = template.loaded_nodes[np.linalg.norm(points[template.loaded_nodes][:, :2], axis=1).argmin()]
    patch = np.flatnonzero(np.linalg.norm(points[: template.n_surface] - points[centre], axis=1) < 3.0)
    assert len(patch) > 20
    points[patch] = points[np.random.default_rng(0).permutation(patch)]
    with pytest.raises(MeshQualityError) as caught:
        morpher.repair(points)
    assert caught.value.expected == "every tetrahedron with a mean ratio of at least 0.03"
    assert int(caught.value.got.split()[0]) > 0
