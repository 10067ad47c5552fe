"""The shipped bundle: it is whole, it is what it says, and a changed file is refused."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from models.bundle import DEFAULT_BUNDLE, Bundle, BundleError


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(DEFAULT_BUNDLE, tmp_path / "l1")


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
    stated = bundle.manifest["template"]
    sizes = (stated["nodes"], stated["surface_nodes"], stated["tets"])
    assert sizes == (len(template.nodes), 23_528, len(template.tets))
    assert stated["modes"] == bundle.shape_model.n_modes
    assert bundle.version == bundle.manifest["version"] == "0.10.1"


def test_an_untouched_copy_loads(copy, template):
    np.testing.assert_array_equal(Bundle(copy).template.tets, template.tets)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"version": "9.9.9"}))
    assert Bundle(copy).version == "9.9.9"
