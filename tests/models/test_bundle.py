"""The shipped bundle: it is whole, it is what it says, and a changed file is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from models.bundle import (
    COORDINATE_STEP_MM,
    DEFAULT_BUNDLE,
    Bundle,
    BundleError,
    decode_rows,
    encode_rows,
    load_template,
)
from models.shape_model import AMPLITUDES_MM, LENGTH_MM, ShapeModel, kernel
from models.tangent import TangentModel
from models.template import REGIONS
from workers.geometry.closest_point import surface_distance
from workers.geometry.surface import Surface
from workers.geometry.tetrahedra import mean_ratio


@pytest.fixture(scope="module")
def bundle():
    return Bundle()


@pytest.fixture(scope="module")
def template(bundle):
    return bundle.template


@pytest.fixture(scope="module")
def surface(template):
    return Surface(template.nodes[: template.n_surface], template.triangles)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(DEFAULT_BUNDLE, tmp_path / "l1")


# --- files


@pytest.mark.parametrize("name", ["template.npz", "shape_model.npz"])
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_one_flipped_bit_is_refused(copy, name, where):
    data = bytearray((copy / name).read_bytes())
    data[int(where * len(data)) if isinstance(where, float) else where] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} was changed: expected sha256 [0-9a-f]{{64}}, got [0-9a-f]{{64}}"):
        _ = Bundle(copy).template if name == "template.npz" else Bundle(copy).shape_model


@pytest.mark.parametrize(
    "name", ["tangent.npz", "mapping.npz", "shape_encoder.onnx", "surface_decoder.onnx", "internal_decoder.onnx"]
)
def test_a_tampered_model_is_refused_before_it_is_opened(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    tampered = Bundle(copy)
    open_it = {"tangent.npz": lambda: tampered.tangent, "mapping.npz": lambda: tampered.read(name)}
    with pytest.raises(BundleError, match=f"{name} was changed"):
        open_it.get(name, lambda: tampered.session(name))()


def test_the_tangent_model_survives_storage(bundle, template):
    model = bundle.tangent
    again = TangentModel.from_arrays(model.arrays())
    np.testing.assert_array_equal(again.response, model.response)
    np.testing.assert_array_equal(again.coarse.host, model.coarse.host)
    assert model.tensor.shape == (len(template.nodes), 6)
    assert model.response.shape[:2] == (template.n_surface + len(model.coarse.nodes), 6)
    assert model.reduction.shape == (3 * bundle.shape_model.n_modes, model.response.shape[2])


def test_a_cut_file_is_refused(copy):
    data = (copy / "template.npz").read_bytes()
    (copy / "template.npz").write_bytes(data[:-1])
    with pytest.raises(BundleError, match="was changed"):
        _ = Bundle(copy).template


def test_a_missing_file_is_named(copy):
    (copy / "shape_model.npz").unlink()
    with pytest.raises(BundleError, match=r"has no file shape_model\.npz"):
        _ = Bundle(copy).shape_model


def test_a_file_the_manifest_does_not_list_is_not_read(copy):
    (copy / "extra.npz").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"has no file extra\.npz"):
        Bundle(copy).read("extra.npz")


def test_no_bundle_at_all(tmp_path):
    with pytest.raises(BundleError, match="python -m training template"):
        Bundle(tmp_path)


def test_the_manifest_describes_the_files(bundle, template):
    for name, entry in bundle.manifest["files"].items():
        assert (DEFAULT_BUNDLE / name).stat().st_size == entry["size"]
    assert sum(entry["size"] for entry in bundle.manifest["files"].values()) < 48e6  # of the 96 MB it may ever take
    told = bundle.manifest["template"]
    assert (told["nodes"], told["surface_nodes"], told["tets"]) == (len(template.nodes), 23_528, len(template.tets))
    assert told["modes"] == bundle.shape_model.n_modes
    assert bundle.version == bundle.manifest["version"] == "0.6.0"


def test_an_untouched_copy_loads(copy, template):
    np.testing.assert_array_equal(Bundle(copy).template.tets, template.tets)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"version": "9.9.9"}))
    assert Bundle(copy).version == "9.9.9"


# --- rows


@settings(max_examples=200, deadline=None, database=None)
@given(
    hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 40), st.integers(1, 5)),
        elements=st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 9)),
    )
)
def test_rows_come_back(rows: NDArray[np.int32]):
    stored = encode_rows(rows)
    assert stored.dtype == np.uint8
    back = decode_rows(stored)
    assert back.dtype == np.int32
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, rows)


def test_the_bytes_of_rows():
    """Zigzag of the differences, little-endian bytes in planes: first column down the rows, the rest along a row."""
    stored = encode_rows(np.array([[5, 3], [2, 302]], np.int32))
    np.testing.assert_array_equal(stored[:, 0], [[10, 5], [3, 600 % 256]])
    np.testing.assert_array_equal(stored[:, 1], [[0, 0], [0, 600 // 256]])
    assert stored.shape == (2, 4, 2)
    assert not stored[:, 2:].any()


# --- the template


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


def test_load_template_is_the_shipped_one(template):
    np.testing.assert_array_equal(load_template().nodes, template.nodes)


# --- the shape model


def test_kernel_in_closed_form():
    x = np.array([[0.0, 0, 0], [3.0, -4.0, 12.0]])  # 13 mm apart
    lengths = LENGTH_MM / np.array([1, 2, 4, 8])
    squared = np.square(AMPLITUDES_MM)
    near, far = squared.sum(), (squared * np.exp(-(13.0**2) / (2 * lengths**2))).sum()
    np.testing.assert_allclose(kernel(x, x), [[near, far], [far, near]], rtol=1e-5)


def test_basis_at_the_landmarks_is_the_kernels_own_eigenbasis(bundle):
    """Nyström is exact on the landmarks: columns are orthogonal and as long as the roots of the eigenvalues."""
    model: ShapeModel = bundle.shape_model
    assert model.weights.shape == (2000, 600)
    basis = model.basis(model.landmarks).astype(float)
    matrix = kernel(model.landmarks, model.landmarks).astype(float)
    values = scipy.linalg.eigvalsh(matrix)[::-1]
    gram = basis.T @ basis
    norms = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(norms**2, values[:600], rtol=2e-3)
    cosine = gram / np.outer(norms, norms) - np.eye(600)
    assert np.abs(cosine).max() <= 0.01
    assert np.abs(cosine[:300, :300]).max() <= 1e-3
    left_out = np.abs(scipy.linalg.eigvalsh(matrix - basis @ basis.T))
    assert left_out.max() <= 1.05 * values[600]
    np.testing.assert_allclose(
        matrix @ basis[:, :20], basis[:, :20] * values[:20], atol=1e-3 * values[0] * norms[0] / 40
    )


def test_from_landmarks_rebuilds_the_shipped_model(bundle):
    model = bundle.shape_model
    again = ShapeModel.from_landmarks(model.landmarks, model.n_modes)
    points = bundle.template.nodes[::400]
    ours, theirs = model.basis(points)[:, :40], again.basis(points)[:, :40]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_basis_in_blocks_is_the_basis(bundle):
    model = bundle.shape_model
    points = bundle.template.nodes[::5][: 16_384 + 300]
    whole = model.basis(points)
    assert len(whole) == 16_684
    np.testing.assert_allclose(whole[16_300:16_500], model.basis(points[16_300:16_500]), atol=5e-4)


def test_variance_of_the_field_is_the_kernels(bundle):
    """600 modes keep nearly all of 6^2 + 3^2 + 1.2^2 + 0.6^2 = 46.8 mm^2 at every node, inside and out."""
    basis = bundle.shape_model.basis(bundle.template.nodes[::100])
    variance = (basis.astype(float) ** 2).sum(axis=1)
    assert variance.max() <= 46.8 * 1.001
    assert variance.min() >= 0.9 * 46.8
