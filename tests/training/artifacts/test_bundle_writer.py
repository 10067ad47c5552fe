"""Artifacts are written the same way every time and read back as they were."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pytest

from models.bundle import COORDINATE_STEP_MM, Bundle
from models.shape_model import ShapeModel
from models.template import Template
from training.artifacts.bundle_writer import VERSION, write_manifest, write_shape_model, write_template


@pytest.fixture(scope="module")
def template():
    """One octahedron around an internal node: six surface nodes, eight tetrahedra."""
    nodes = np.array([[2, 0, 0], [-2, 0, 0], [0, 3, 0], [0, -3, 0], [0, 0, 1.2345], [0, 0, -1], [0.1, 0, 0]], float)
    triangles = np.array(
        [[0, 2, 4], [1, 4, 2], [0, 4, 3], [1, 3, 4], [0, 5, 2], [1, 2, 5], [0, 3, 5], [1, 5, 3]], np.int32
    )
    tets = np.column_stack([triangles[:, [0, 2, 1]], np.full(8, 6)]).astype(np.int32)
    region = np.array([0, 1, 2, 3, 4, 5, 0], np.uint8)
    return Template(nodes, tets, triangles, 6, region, triangles[[0, 1, 3]], triangles[[4, 7]])


@pytest.fixture(scope="module")
def model():
    points = np.random.default_rng(0).uniform(-20, 20, (60, 3))
    return ShapeModel.from_landmarks(points, 12)


def write_all(folder, template, model, **details):
    folder.mkdir(exist_ok=True)
    write_template(folder, template)
    write_shape_model(folder, model)
    write_manifest(folder, **details)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_arrays_give_equal_bytes(tmp_path, template, model, monkeypatch):
    first = write_all(tmp_path / "a", template, model, note=1)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write_all(tmp_path / "b", template, model, note=1) == first
    assert sorted(first) == ["manifest.json", "shape_model.npz", "template.npz"]
    assert write_all(tmp_path / "a", template, model, note=1) == first  # written over themselves


def test_other_arrays_give_other_bytes(tmp_path, template, model):
    first = write_all(tmp_path / "a", template, model)
    moved = Template(**(vars(template) | {"nodes": template.nodes + COORDINATE_STEP_MM}))
    second = write_all(tmp_path / "b", moved, model)
    assert first["template.npz"] != second["template.npz"]
    assert first["shape_model.npz"] == second["shape_model.npz"]
    assert first["manifest.json"] != second["manifest.json"]


def test_what_is_written_is_read_back(tmp_path, template, model):
    write_all(tmp_path / "a", template, model)
    bundle = Bundle(tmp_path / "a")
    read = bundle.template
    assert np.abs(read.nodes - template.nodes).max() <= COORDINATE_STEP_MM / 2
    assert np.abs(read.nodes - template.nodes).max() > 0.0  # 1.2345 is not on the grid of 1/512 mm
    for name in ("tets", "triangles", "region", "superior", "inferior"):
        np.testing.assert_array_equal(getattr(read, name), getattr(template, name), err_msg=name)
    assert read.n_surface == 6
    np.testing.assert_array_equal(read.loaded_nodes, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(bundle.shape_model.weights, model.weights)
    np.testing.assert_array_equal(bundle.shape_model.landmarks, model.landmarks)


def test_the_shipped_template_survives_another_round(tmp_path):
    shipped = Bundle().template
    write_template(tmp_path, shipped)
    write_manifest(tmp_path)
    again = Bundle(tmp_path).template
    for name in ("nodes", "tets", "triangles", "region", "superior", "inferior"):
        np.testing.assert_array_equal(getattr(again, name), getattr(shipped, name), err_msg=name)


def test_the_manifest(tmp_path, template, model):
    files = write_all(tmp_path / "a", template, model, population={"people": 7}, author="x")
    (tmp_path / "a" / "README.md").write_text("model card")
    manifest = json.loads(files["manifest.json"])
    assert manifest["version"] == VERSION
    assert manifest["population"] == {"people": 7}
    assert sorted(manifest["files"]) == ["shape_model.npz", "template.npz"]
    for name, entry in manifest["files"].items():
        assert entry == {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    write_manifest(tmp_path / "a", author="y")
    updated = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert updated == manifest | {"author": "y"}  # details of other commands stay, the README is no artifact


def test_a_changed_artifact_needs_a_new_manifest(tmp_path, template, model):
    write_all(tmp_path / "a", template, model)
    other = ShapeModel(model.landmarks, model.weights[:, :6])
    write_shape_model(tmp_path / "a", other)
    with pytest.raises(RuntimeError, match=r"shape_model\.npz was changed"):
        _ = Bundle(tmp_path / "a").shape_model
    write_manifest(tmp_path / "a")
    assert Bundle(tmp_path / "a").shape_model.n_modes == 6


def test_archives_carry_no_clock(tmp_path, template):
    write_template(tmp_path, template)
    with zipfile.ZipFile(tmp_path / "template.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_LZMA}
