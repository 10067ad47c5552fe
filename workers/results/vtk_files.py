"""The stress field as VTK files: ``stress.vtu`` (tetrahedra) and ``surface.vtp`` (outer surface)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from models.template import REGIONS, Template
from models.types import Floats, Ints
from workers.results.captions import FRAME, RESEARCH_NOTE, Caption, software_and_version
from workers.results.colour_scale import colour_map
from workers.results.nodal_arrays import nodal_arrays
from workers.results.stressed_mesh import NodalArray, StressedMesh
from workers.results.vtk_xml import DataArray, Section, numbers, strings, write_vtk_xml

HOMOGENEOUS = "homogeneous"
"""What the field data says of the bone where it has no density."""
ABOUT = "about_json_utf8"
"""Field data of ``stress.vtu``: the bytes of a JSON object with units, frame, level, load, fidelity and software."""

TETRA = 10
"""VTK's number of the tetrahedron."""


def write_stress_vtu(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the tetrahedral mesh with its nodal arrays, binary appended, and the caption as field data.

    The texts are one array of bytes, `ABOUT`: meshio reads no file with string arrays.

    Raises
    ------
    OSError
        The file cannot be written, e.g. because the disk is full.
    """
    arrays = nodal_arrays(mesh)
    about = json.dumps(_texts(arrays, caption), ensure_ascii=False)
    field = [
        numbers(ABOUT, np.frombuffer(about.encode(), np.uint8), in_field=True),
        numbers("load_newton", np.array([caption.load_newton]), in_field=True),
    ]
    piece = f'NumberOfPoints="{len(mesh.points)}" NumberOfCells="{len(mesh.template.tets)}"'
    sections = [*_nodes(mesh.points, arrays), Section("Cells", _tetrahedra(mesh.template))]
    write_vtk_xml(path, "UnstructuredGrid", field, piece, sections)


def write_surface_vtp(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the outer surface with the same nodal arrays, and the texts as strings; raises as `write_stress_vtu`."""
    n = mesh.template.n_surface
    arrays = {name: NodalArray(array.values[:n], array.unit) for name, array in nodal_arrays(mesh).items()}
    texts = _texts(arrays, caption).items()
    field = [strings(name, [values] if isinstance(values, str) else values) for name, values in texts]
    piece = f'NumberOfPoints="{n}" NumberOfPolys="{len(mesh.template.triangles)}"'
    sections = [*_nodes(mesh.points[:n], arrays), Section("Polys", _triangles(mesh.template))]
    write_vtk_xml(path, "PolyData", field, piece, sections)


def _nodes(points: Floats, arrays: Mapping[str, NodalArray]) -> list[Section]:
    """Return the sections of the nodal arrays and of the points."""
    active = 'Scalars="von_mises"' + (' Vectors="displacement"' if "displacement" in arrays else "")
    return [
        Section("PointData", [numbers(name, array.values) for name, array in arrays.items()], active),
        Section("Points", [numbers("Points", np.asarray(points, np.float32))]),
    ]


@lru_cache(maxsize=1)
def _tetrahedra(template: Template) -> list[DataArray]:
    """Return the cells of every subject's mesh: compressed once, since they are most of the file."""
    return [*_cells(template.tets), numbers("types", np.full(len(template.tets), TETRA, np.uint8))]


@lru_cache(maxsize=1)
def _triangles(template: Template) -> list[DataArray]:
    """Return the cells of every subject's surface."""
    return _cells(template.triangles)


def _cells(connectivity: Ints) -> list[DataArray]:
    """Return the arrays of equal cells (m, k), with 32-bit ids."""
    m, k = connectivity.shape
    offsets = np.arange(k, m * k + 1, k, dtype=np.int32)
    return [numbers("connectivity", connectivity.astype(np.int32).ravel()), numbers("offsets", offsets)]


def _texts(arrays: Mapping[str, NodalArray], caption: Caption) -> dict[str, str | list[str]]:
    """Return what the field data says of the file."""
    return {
        "units": "; ".join(f"{name}={array.unit}" for name, array in arrays.items()),
        "frame": FRAME,
        "colour_maps": "; ".join(f"{name}={colour_map(name)}" for name in arrays if colour_map(name)),
        "region_names": list(REGIONS),
        "vertebra": caption.vertebra,
        "load": f"{caption.load_newton:g} N",
        "fidelity": caption.fidelity,
        "bone": dict(caption.certainty).get("bone", HOMOGENEOUS),
        "software": software_and_version(),
        "research_only": RESEARCH_NOTE,
    }
