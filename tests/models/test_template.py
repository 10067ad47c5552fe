"""The shipped template: size, soundness, surface, endplates, regions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from models.bundle import COORDINATE_STEP_MM
from models.template import REGIONS
from workers.geometry.closest_point import surface_distance
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio


def test_size_of_the_template(template):
    assert template.n_surface == 23_528  # the paper's
    assert len(template.nodes) == 120_913
    assert len(template.tets) == 675_249
    assert len(template.triangles) == 2 * 23_528  # V - E + F = 0 with 3 F = 2 E
    assert template.tets.dtype == template.triangles.dtype == np.int32


def test_coordinates_lie_on_their_grid(template):
    steps = template.nodes / COORDINATE_STEP_MM
    np.testing.assert_array_equal(steps, np.round(steps))


def test_every_tetrahedron_is_sound(template):
    quality, volume = mean_ratio(template.nodes, template.tets)
    assert volume.min() > 0.01
    assert quality.min() > 0.3
    assert np.median(quality) > 0.85
    edges = template.nodes[template.tets[:, [0, 0, 0, 1, 1, 2]]] - template.nodes[template.tets[:, [1, 2, 3, 2, 3, 3]]]
    length = np.linalg.norm(edges, axis=2)
    assert 0.8 < length.mean() < 1.0  # mm


def test_every_node_is_used(template):
    assert (np.bincount(template.tets.ravel(), minlength=len(template.nodes)) >= 1).all()
    np.testing.assert_array_equal(np.unique(template.triangles), np.arange(template.n_surface))


def test_the_surface_is_closed_manifold_of_genus_1(template):
    triangles = template.triangles
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = directed.astype(np.int64) @ [1 << 32, 1]
    assert len(np.unique(key)) == len(key)  # each edge once each way ...
    np.testing.assert_array_equal(np.sort(key), np.sort(directed[:, ::-1].astype(np.int64) @ [1 << 32, 1]))
    edges = len(key) // 2
    assert template.n_surface - edges + len(triangles) == 0  # Euler characteristic 2 - 2 g: one hole, the canal
    graph = scipy.sparse.csr_array((np.ones(len(key), np.int8), tuple(directed.T)), shape=(template.n_surface,) * 2)
    assert scipy.sparse.csgraph.connected_components(graph)[0] == 1
    corners = np.bincount(triangles.ravel())  # ... and each vertex has one closed fan: as many edges as triangles
    np.testing.assert_array_equal(np.bincount(directed[:, 0]), corners)


def test_the_surface_is_the_skin_of_the_tetrahedra(template, surface):
    tets = template.tets
    faces = np.concatenate([tets[:, f] for f in ([1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1])])
    key, first, count = np.unique(
        np.sort(faces, axis=1).astype(np.int64) @ [1 << 40, 1 << 20, 1], return_index=True, return_counts=True
    )
    assert set(count.tolist()) == {1, 2}
    skin = faces[first[count == 1]]
    assert np.isin(np.sort(template.triangles, axis=1).astype(np.int64) @ [1 << 40, 1 << 20, 1], key[count == 1]).all()
    assert len(skin) == len(template.triangles)
    volume = mean_ratio(template.nodes, tets)[1].sum()
    assert surface.volume == pytest.approx(volume, rel=1e-9)  # outward: positive
    assert Surface(template.nodes, skin).volume == pytest.approx(volume, rel=1e-9)
    assert volume == pytest.approx(57_578.0, rel=1e-4)  # mm^3


def test_endplates(template, surface):
    superior, inferior = template.loaded_nodes, template.fixed_nodes
    assert len(np.intersect1d(superior, inferior)) == 0
    assert superior.max() < template.n_surface
    assert inferior.max() < template.n_surface
    for triangles, area, up in ((template.superior, 1374.2, 1.0), (template.inferior, 1458.7, -1.0)):
        plate = Surface(template.nodes, triangles)
        assert plate.areas.sum() == pytest.approx(area, rel=1e-3)  # mm^2
        facing = plate.triangle_vectors.sum(axis=0) / plate.areas.sum()
        assert up * facing[2] > 0.9
        np.testing.assert_allclose(facing[:2], 0.0, atol=0.03)  # upright
        assert np.ptp(template.nodes[np.unique(triangles)], axis=0)[0] > 35.0  # spans the body
    above, below = template.nodes[superior, 2], template.nodes[inferior, 2]
    assert above.min() > below.max()
    assert above.mean() - below.mean() == pytest.approx(27.7, abs=0.2)  # mm, the height of the body


def test_regions(template):
    share = np.bincount(template.region, minlength=len(REGIONS)) / len(template.nodes)
    expected = [0.596, 0.022, 0.023, 0.028, 0.029, 0.302]
    np.testing.assert_allclose(share, expected, atol=0.002)
    centre = {name: template.nodes[template.region == i].mean(axis=0) for i, name in enumerate(REGIONS)}
    assert centre["left_pedicle"][0] == pytest.approx(-15.1, abs=0.2)  # RAS: +x is the patient's right
    assert centre["right_pedicle"][0] == pytest.approx(15.2, abs=0.2)
    assert centre["superior_endplate"][2] > 12.0
    assert centre["inferior_endplate"][2] < -12.0
    assert centre["posterior_elements"][1] < centre["left_pedicle"][1] < centre["body"][1]
    np.testing.assert_array_equal(np.flatnonzero(template.region == 1), template.loaded_nodes)
    np.testing.assert_array_equal(np.flatnonzero(template.region == 2), template.fixed_nodes)


def test_left_and_right_mirror_each_other(template, surface):
    """The mean is of every shape and its mirror image."""
    mirrored = Surface(surface.vertices * [-1.0, 1.0, 1.0], surface.triangles).orient_outward()
    assert surface_distance(surface, mirrored, 4000).mean() < 0.1  # mm
