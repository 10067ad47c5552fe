"""STL, PLY and glTF of the stressed surface, read again by VTK, meshio and trimesh."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import meshio
import numpy as np
import pytest
import pyvista as pv
import trimesh
from numpy.testing import assert_allclose, assert_array_equal

from tests.workers.results.box import ORIGIN, SIZE
from workers.results.captions import Caption
from workers.results.colour_scale import sequential_scale
from workers.results.surface_files import write_surface_glb, write_surface_ply, write_surface_stl

CAPTION = Caption("L1", 500.0, "fe")
VOLUME = float(np.prod(SIZE))


@pytest.fixture(scope="module")
def folder(box, tmp_path_factory):
    out = tmp_path_factory.mktemp("surface")
    for name, write in (("stl", write_surface_stl), ("ply", write_surface_ply), ("glb", write_surface_glb)):
        write(out / f"surface.{name}", box, CAPTION)
    return out


def colours(box):
    return sequential_scale(box.surface_von_mises).colours(box.surface_von_mises)


def test_stl_has_the_volume_and_names_the_frame(box, folder):
    read = pv.read(folder / "surface.stl")
    assert read.n_cells == len(box.template.triangles)
    assert read.volume == pytest.approx(VOLUME, rel=1e-6)
    assert_allclose(np.reshape(read.bounds, (3, 2)).T, [ORIGIN, ORIGIN + SIZE], atol=1e-4)
    data = (folder / "surface.stl").read_bytes()
    assert data[:80].startswith(b"vertebra-stress ")
    assert b"vertebra L1; NIfTI RAS+ mm; Research" in data[:80]
    assert len(data) == 84 + 50 * len(box.template.triangles)
    solid = trimesh.load_mesh(folder / "surface.stl")
    assert solid.is_watertight
    assert solid.volume == pytest.approx(VOLUME, rel=1e-6)  # positive: the triangles face outward


def test_ply_has_stress_as_colour_and_value_in_the_order_of_the_nodes(box, folder):
    read = meshio.read(folder / "surface.ply")
    assert_allclose(read.points, box.surface.vertices, atol=1e-4)
    assert_array_equal(read.cells_dict["triangle"], box.template.triangles)
    assert_allclose(read.point_data["von_mises"], box.surface_von_mises, rtol=1e-6)
    seen = np.column_stack([read.point_data[name] for name in ("red", "green", "blue")]).view(np.uint8)  # it reads int8
    assert_array_equal(seen, colours(box))
    assert seen.std(axis=0).min() > 10  # a field that varies is not of one colour
    solid = trimesh.load_mesh(folder / "surface.ply", process=False)
    assert solid.volume == pytest.approx(VOLUME, rel=1e-6)
    assert_array_equal(solid.visual.vertex_colors[:, :3], colours(box))
    assert pv.read(folder / "surface.ply").volume == pytest.approx(VOLUME, rel=1e-6)
    header = (folder / "surface.ply").read_bytes().partition(b"end_header")[0].decode("ascii")
    end = sequential_scale(box.surface_von_mises).high
    assert f"comment colours: viridis, 0 to {end:.4g} MPa\n" in header
    assert "comment frame: NIfTI RAS+ mm\n" in header


def test_glb_stands_upright_in_metres_and_looks_to_the_front(box, folder):
    scene = trimesh.load_scene(folder / "surface.glb")
    solid = scene.to_mesh()
    assert solid.volume == pytest.approx(VOLUME * 1e-9, rel=1e-5)
    low, high = ORIGIN / 1000.0, (ORIGIN + SIZE) / 1000.0
    expected = [[-high[0], low[2], low[1]], [-low[0], high[2], high[1]]]  # left, superior, anterior
    assert_allclose(solid.bounds, expected, atol=1e-6)
    blocks = pv.read(folder / "surface.glb")
    (block,) = [part for part in blocks.recursive_iterator() if isinstance(part, pv.PolyData)]
    assert block.n_cells == len(box.template.triangles)
    assert_allclose(np.sort(block["_VON_MISES"]), np.sort(box.surface_von_mises), rtol=1e-6)


def test_glb_has_the_colours_of_the_preview_and_is_matt(box, folder):
    tree, values = parts_of((folder / "surface.glb").read_bytes())
    primitive = tree["meshes"][0]["primitives"][0]
    material = tree["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material == {"metallicFactor": 0.0, "roughnessFactor": 0.9}
    linear = values(primitive["attributes"]["COLOR_0"])
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert_allclose(srgb * 255, colours(box), atol=1e-3)
    assert_allclose(values(primitive["attributes"]["_VON_MISES"])[:, 0], box.surface_von_mises, rtol=1e-6)
    assert_allclose(np.linalg.norm(values(primitive["attributes"]["NORMAL"]), axis=1), 1.0, atol=1e-5)
    about = tree["scenes"][0]["extras"]
    assert (about["frame"], about["vertebra"], about["load"]) == ("NIfTI RAS+ mm", "L1", "500 N")


def test_the_bone_goes_with_the_surface(own_bone, tmp_path):
    guessed = replace(CAPTION, is_uncalibrated=True)
    write_surface_ply(tmp_path / "s.ply", own_bone, guessed)
    write_surface_glb(tmp_path / "s.glb", own_bone, guessed)
    read = meshio.read(tmp_path / "s.ply")
    tree, values = parts_of((tmp_path / "s.glb").read_bytes())
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    for name in ("density", "young_modulus", "yield_ratio"):
        expected = own_bone.extra[name].values[: own_bone.template.n_surface]
        assert_allclose(read.point_data[name], expected, rtol=1e-6)
        assert_allclose(values(attributes[f"_{name.upper()}"])[:, 0], expected, rtol=1e-6)
    header = (tmp_path / "s.ply").read_bytes().partition(b"end_header")[0].decode("ascii")
    assert "comment density: mg/cm3 of K2HPO4\n" in header
    assert "comment bone: UNCALIBRATED" in header
    assert tree["scenes"][0]["extras"]["bone"].startswith("UNCALIBRATED")


def parts_of(data):
    """The JSON of a GLB file, and a function that returns the float values of an accessor."""
    magic, version, total, length, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON")
    tree = json.loads(data[20 : 20 + length])
    binary = data[20 + length + 8 :]

    def values(number):
        accessor = tree["accessors"][number]
        view = tree["bufferViews"][accessor["bufferView"]]
        assert accessor["componentType"] == 5126  # float32
        width = {"SCALAR": 1, "VEC3": 3}[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        return np.frombuffer(binary, "<f4", accessor["count"] * width, start).reshape(-1, width)

    return tree, values
