from __future__ import annotations

import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from workers.results import vtk_xml
from workers.results.captions import Caption
from workers.results.nodal_arrays import nodal_arrays
from workers.results.stressed_mesh import NodalArray
from workers.results.vtk_files import ABOUT, write_stress_vtu, write_surface_vtp

CAPTION = Caption("L1", 500.0, "fe")
NAMES = ["von_mises", "s1", "s2", "s3", "displacement", "region", "is_surface", "is_fixed", "is_loaded"]


@pytest.fixture
def grid(box, tmp_path):
    path = tmp_path / "stress.vtu"
    write_stress_vtu(path, box, CAPTION)
    return pv.read(path)


def text(mesh, name):
    """What a file says of itself: strings in the surface, one JSON object in the mesh."""
    if ABOUT in mesh.field_data:
        value = json.loads(bytes(mesh.field_data[ABOUT]))[name]
        return [value] if isinstance(value, str) else value
    return [str(value) for value in mesh.field_data[name]]


def test_vtu_holds_mesh_and_arrays(box, grid):
    np.testing.assert_allclose(grid.points, box.points, rtol=1e-6)
    np.testing.assert_array_equal(grid.cells_dict[int(pv.CellType.TETRA)], box.template.tets)
    assert grid.point_data.keys() == NAMES
    assert grid.point_data.active_scalars_name == "von_mises"
    for name in ("von_mises", "s1", "s2", "s3", "displacement"):
        assert grid[name].dtype == np.float32
    for name in ("region", "is_surface", "is_fixed", "is_loaded"):
        assert grid[name].dtype == np.uint8


def test_vtu_values_are_the_field_at_its_own_positions(box, grid):
    x, y, z = (np.asarray(grid.points, np.float64) - (-110.0, 35.0, 640.0)).T
    np.testing.assert_allclose(grid["von_mises"], 1 + 0.1 * z + 0.01 * x + 0.001 * y, atol=2e-5)
    np.testing.assert_allclose(grid["s3"], -grid["von_mises"])
    np.testing.assert_allclose(grid["displacement"][:, 2], -0.01 * z, atol=2e-6)
    assert (grid["is_loaded"] == (np.abs(z - 12) < 1e-3)).all()
    assert (grid["is_fixed"] == (np.abs(z) < 1e-3)).all()
    assert grid["is_surface"].sum() == box.template.n_surface
    assert grid["is_surface"][: box.template.n_surface].all()


def test_vtu_says_units_frame_and_software(grid):
    assert text(grid, "frame") == ["NIfTI RAS+ mm"]
    assert "von_mises=viridis; s1=orange to purple; s2=orange to purple" in text(grid, "colour_maps")[0]
    units = dict(item.split("=") for item in text(grid, "units")[0].split("; "))
    assert list(units) == NAMES
    assert units["von_mises"] == units["s1"] == "MPa"
    assert units["displacement"] == "mm"
    assert text(grid, "region_names")[0] == "body"
    assert len(text(grid, "region_names")) == 6
    assert re.fullmatch(r"vertebra-stress \S+", text(grid, "software")[0])
    assert "Research" in text(grid, "research_only")[0]
    assert text(grid, "load") == ["500 N"]


def test_meshio_reads_the_mesh(box, tmp_path):
    meshio = pytest.importorskip("meshio")
    write_stress_vtu(tmp_path / "stress.vtu", box, CAPTION)
    mesh = meshio.read(tmp_path / "stress.vtu")
    np.testing.assert_allclose(mesh.points, box.points, rtol=1e-6)
    np.testing.assert_array_equal(mesh.cells_dict["tetra"], box.template.tets)
    assert list(mesh.point_data) == NAMES
    np.testing.assert_allclose(mesh.point_data["von_mises"], box.field.von_mises, rtol=1e-6)
    assert mesh.field_data["load_newton"] == [500.0]
    about = json.loads(bytes(mesh.field_data[ABOUT]))
    assert (about["vertebra"], about["frame"]) == ("L1", "NIfTI RAS+ mm")


@pytest.mark.parametrize("nodes_a_block", [504, 252, 100])
def test_arrays_of_several_blocks_are_read_back(box, tmp_path, monkeypatch, nodes_a_block):
    """With 504 nodes the last block is full, of the von Mises stress the only one, or a part is left."""
    monkeypatch.setattr(vtk_xml, "BLOCK_BYTES", 4 * nodes_a_block)
    mesh = replace(box, template=replace(box.template))  # its cells are compressed anew
    write_stress_vtu(tmp_path / "a.vtu", mesh, CAPTION)
    write_surface_vtp(tmp_path / "a.vtp", mesh, CAPTION)
    grid, surface = pv.read(tmp_path / "a.vtu"), pv.read(tmp_path / "a.vtp")
    np.testing.assert_array_equal(grid.cells_dict[int(pv.CellType.TETRA)], box.template.tets)
    np.testing.assert_array_equal(surface.regular_faces, box.template.triangles)
    np.testing.assert_allclose(grid["von_mises"], box.field.von_mises, rtol=1e-6)
    np.testing.assert_allclose(surface.points, box.points[: surface.n_points], rtol=1e-6)


def test_each_template_has_its_own_cells(box, tmp_path):
    write_stress_vtu(tmp_path / "a.vtu", box, CAPTION)
    fewer = replace(box, template=replace(box.template, tets=box.template.tets[:100]))
    write_stress_vtu(tmp_path / "b.vtu", fewer, CAPTION)
    assert pv.read(tmp_path / "a.vtu").n_cells == len(box.template.tets)
    assert pv.read(tmp_path / "b.vtu").n_cells == 100


def test_vtu_stays_readable_by_older_paraview(box, tmp_path):
    write_stress_vtu(tmp_path / "a.vtu", box, CAPTION)
    head = (tmp_path / "a.vtu").read_bytes()[:200].decode("latin-1")
    assert 'version="0.1"' in head
    assert 'compressor="vtkZLibDataCompressor"' in head
    body = (tmp_path / "a.vtu").read_bytes().decode("latin-1")
    assert re.search(r'type="Int32" Name="connectivity" format="appended"', body)


def test_surface_is_closed_outward_and_carries_the_same_arrays(box, tmp_path):
    path = tmp_path / "surface.vtp"
    write_surface_vtp(path, box, CAPTION)
    surface = pv.read(path)
    assert surface.point_data.keys() == NAMES
    assert surface.is_manifold
    assert surface.n_open_edges == 0
    assert surface.volume == pytest.approx(24 * 18 * 12, rel=1e-5)
    np.testing.assert_allclose(surface["von_mises"], box.field.von_mises[: surface.n_points], rtol=1e-6)
    assert (surface["is_surface"] == 1).all()
    assert text(surface, "vertebra") == ["L1"]
    assert len(text(surface, "region_names")) == 6


def test_extra_arrays_come_with_their_unit(box, tmp_path):
    error = np.linspace(0, 1, len(box.points))
    mesh = replace(box, extra={"von_mises_error": NodalArray(error, "MPa")})
    write_stress_vtu(tmp_path / "a.vtu", mesh, CAPTION)
    grid = pv.read(tmp_path / "a.vtu")
    np.testing.assert_allclose(grid["von_mises_error"], error, atol=1e-7)
    assert grid["von_mises_error"].dtype == np.float32
    assert "von_mises_error=MPa" in text(grid, "units")[0]


@pytest.mark.parametrize(("name", "length"), [("s1", None), ("von_mises_error", 3), ("not_in_the_notes", None)])
def test_extra_arrays_that_clash_or_are_not_described_are_refused(box, name, length):
    values = np.zeros(length or len(box.points))
    with pytest.raises(ValueError, match=name):
        nodal_arrays(replace(box, extra={name: NodalArray(values, "MPa")}))


def test_no_displacement_where_none_was_solved(sideways, tmp_path):
    write_stress_vtu(tmp_path / "a.vtu", sideways, CAPTION)
    grid = pv.read(tmp_path / "a.vtu")
    assert "displacement" not in grid.point_data
    assert "displacement" not in text(grid, "units")[0]
    assert grid.point_data.active_scalars_name == "von_mises"


def test_unwritable_path_is_an_error(box, tmp_path):
    with pytest.raises(OSError, match="stress"):
        write_stress_vtu(tmp_path / "no" / "stress.vtu", box, CAPTION)


def test_a_full_disk_is_an_error_of_the_operating_system(box):
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_surface_vtp(Path("/dev/full"), box, CAPTION)
    assert caught.value.errno == errno.ENOSPC
