from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from workers.results.captions import Caption
from workers.results.stressed_mesh import NodalArray
from workers.results.viewer import write_viewer

CAPTION = Caption("L1", 500.0, "fe")


@pytest.fixture
def page(box, tmp_path):
    path = tmp_path / "viewer.html"
    write_viewer(path, box, CAPTION)
    return path


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page.read_text(), re.S).group(1))


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_page_loads_nothing_from_anywhere(page):
    text = page.read_text()
    assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]|\bsrc=|\bhref=|@import|\burl\(|fetch\(|import\(", text, re.I)
    assert "default-src 'none'" in text
    assert not re.search(r"@[A-Z]+@", text)


def test_page_says_what_it_shows(page):
    text = page.read_text()
    assert "L1 · 500 N axial compression · finite elements" in text
    assert "RESEARCH USE ONLY" in text
    assert "MPa" in text


def quantity(data, field, key):
    return next(q for q in data["fields"][field]["quantities"] if q["key"] == key)


def test_data_is_the_surface_and_its_field(box, page):
    data, n = data_of(page), box.template.n_surface
    points = array(data["points"], "<f4").reshape(-1, 3) + np.array(data["origin"])
    assert_allclose(points, box.points[:n], atol=1e-4)
    np.testing.assert_array_equal(array(data["triangles"], "<u4").reshape(-1, 3), box.template.triangles)
    assert [field["name"] for field in data["fields"]] == ["finite elements"]
    named = [(q["key"], q["unit"], q["diverges"]) for q in data["fields"][0]["quantities"]]
    stresses = [("s1", "MPa", True), ("s2", "MPa", True), ("s3", "MPa", True)]
    assert named == [("von_mises", "MPa", False), *stresses, ("displacement", "mm", False)]
    von_mises = quantity(data, 0, "von_mises")
    assert_allclose(array(von_mises["values"], "<f4"), box.field.von_mises[:n], rtol=1e-6)
    s3 = quantity(data, 0, "s3")
    assert s3["limits"][0] == -s3["limits"][1]
    assert s3["ends"] == ["compression", "tension"]


def test_the_peak_is_the_steady_one(box, page):
    peak = quantity(data_of(page), 0, "von_mises")["peak"]
    assert peak["label"] == f"peak off the endplates {box.field.von_mises[box.steady_peak_node]:.3g} MPa"
    assert peak["node"] == box.steady_peak_node
    compressed = quantity(data_of(page), 0, "s3")["peak"]
    assert compressed["label"].startswith("most compressed off the endplates -2.")
    assert compressed["node"] == box.steady_peak_node  # uniaxial compression
    assert "off" not in quantity(data_of(page), 0, "displacement")["peak"]["label"]
    assert "<li>99th percentile 2.3" in page.read_text()


def test_both_offers_prediction_solution_and_difference(box, tmp_path):
    solved = box.field.von_mises * 1.25
    extra = {"von_mises_fe": solved, "von_mises_error": box.field.von_mises - solved, "s3_fe": -solved}
    both = replace(box, extra={name: NodalArray(values, "MPa") for name, values in extra.items()})
    write_viewer(tmp_path / "v.html", both, Caption("L1", 500.0, "surrogate"))
    data, n = data_of(tmp_path / "v.html"), box.template.n_surface
    assert [f["name"] for f in data["fields"]] == ["surrogate prediction", "finite elements", "prediction − solution"]
    difference = quantity(data, 2, "von_mises")
    assert_allclose(array(difference["values"], "<f4"), (box.field.von_mises - solved)[:n], rtol=1e-5)
    assert difference["diverges"]
    assert [q["key"] for q in data["fields"][2]["quantities"]] == ["von_mises", "s3"]


def test_a_cut_shows_the_values_inside(box, page):
    data = data_of(page)
    grid, von_mises = data["grid"], quantity(data, 0, "von_mises")
    nx, ny, nz = grid["shape"]
    voxels = array(von_mises["voxels"], "u1").reshape(nz, ny, nx)
    low, high = von_mises["voxelLimits"]
    first = np.array(grid["first"]) + data["origin"]
    for node in (0, box.steady_peak_node, len(box.points) - 1):
        i, j, k = np.rint((box.points[node] - first) / grid["spacing"]).astype(int)
        assert low + voxels[k, j, i] / 255 * (high - low) == pytest.approx(box.field.von_mises[node], abs=0.16)
    assert len(np.unique(voxels)) > 100


def test_no_deformation_where_none_was_solved(sideways, tmp_path):
    write_viewer(tmp_path / "v.html", sideways, CAPTION)
    data = data_of(tmp_path / "v.html")
    assert "displacement" not in data
    assert len(data["fields"][0]["quantities"]) == 4


def test_the_bone_stands_beside_the_stress(own_bone, tmp_path):
    guessed = replace(CAPTION, is_uncalibrated=True)
    write_viewer(tmp_path / "v.html", own_bone, guessed)
    data, n = data_of(tmp_path / "v.html"), own_bone.template.n_surface
    shown = {q["key"]: (q["label"], q["unit"], q["map"]) for q in data["fields"][0]["quantities"][-3:]}
    assert shown == {
        "density": ("bone density, UNCALIBRATED", "mg/cm³ K2HPO4", "cividis"),
        "young_modulus": ("Young's modulus, UNCALIBRATED", "MPa", "cividis"),
        "yield_ratio": ("yield ratio, UNCALIBRATED", "", "viridis"),
    }
    for key in shown:
        assert_allclose(array(quantity(data, 0, key)["values"], "<f4"), own_bone.extra[key].values[:n], rtol=1e-6)
    assert quantity(data, 0, "density")["peak"]["label"] == "densest 196 mg/cm³ K2HPO4"  # at the endplate too
    assert quantity(data, 0, "young_modulus")["peak"]["label"] == "stiffest 3,920 MPa"
    steady = own_bone.extra["yield_ratio"].values[own_bone.steady_nodes].max()
    assert quantity(data, 0, "yield_ratio")["peak"]["label"] == f"largest off the endplates {steady:.3g}"
    write_viewer(tmp_path / "v.html", own_bone, CAPTION)
    assert "UNCALIBRATED" not in (tmp_path / "v.html").read_text()


def test_title_is_escaped(box, tmp_path):
    write_viewer(tmp_path / "v.html", box, Caption("<b>", 500.0, "</script>"))
    text = (tmp_path / "v.html").read_text()
    assert "<b> ·" not in text
    assert text.count("</script>") == 2
