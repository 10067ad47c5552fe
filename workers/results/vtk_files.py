"""The stress field as VTK files: ``stress.vtu`` (tetrahedra) and ``surface.vtp`` (outer surface)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import VTK_TETRA, vtkCellArray, vtkPolyData, vtkUnstructuredGrid
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter, vtkXMLUnstructuredGridWriter

from models.template import REGIONS
from models.types import Floats, Ints
from workers.results.captions import FRAME, RESEARCH_NOTE, Caption, software_and_version
from workers.results.colour_scale import colour_map
from workers.results.nodal_arrays import nodal_arrays
from workers.results.stressed_mesh import NodalArray, StressedMesh

BLOCK_BYTES = 32_768
"""Compressed at once (VTK's default). The format version is then 0.1, which every ParaView of the last decade reads."""
ZLIB_LEVEL = 1
"""At 123 k nodes and 690 k tetrahedra 0.3 s and 12.8 MB; level 5 takes 0.6 s for 12.8 MB, LZ4 0.02 s for 18.8 MB
(2 cores)."""

HOMOGENEOUS = "homogeneous"
"""What the field data says of the bone where it has no density."""
ABOUT = "about_json_utf8"
"""Field data of ``stress.vtu``: the bytes of a JSON object with units, frame, level, load, fidelity and software."""

FIRST_VTK_ERROR = 20_000
"""Error codes of VTK below this are those of the operating system (``vtkErrorCode.h``)."""


def write_stress_vtu(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the tetrahedral mesh with its nodal arrays, binary appended, and the caption as field data.

    The texts are one array of bytes, `ABOUT`: meshio reads no file with string arrays.

    Raises
    ------
    OSError
        VTK cannot write the file; ``errno`` says why, e.g. a full disk.
    """
    grid = vtkUnstructuredGrid()
    grid.SetPoints(_points(mesh.points))
    grid.SetCells(VTK_TETRA, _cells(mesh.template.tets))
    arrays = nodal_arrays(mesh)
    _attach(grid, arrays)
    about = json.dumps(_texts(arrays, caption), ensure_ascii=False)
    grid.GetFieldData().AddArray(_numbers(ABOUT, np.frombuffer(about.encode(), np.uint8)))
    grid.GetFieldData().AddArray(_numbers("load_newton", np.array([caption.load_newton])))
    _write(vtkXMLUnstructuredGridWriter(), grid, path)


def write_surface_vtp(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the outer surface with the same nodal arrays, and the texts as strings; raises as `write_stress_vtu`."""
    n = mesh.template.n_surface
    surface = vtkPolyData()
    surface.SetPoints(_points(mesh.points[:n]))
    surface.SetPolys(_cells(mesh.template.triangles))
    arrays = {name: NodalArray(array.values[:n], array.unit) for name, array in nodal_arrays(mesh).items()}
    _attach(surface, arrays)
    for name, values in _texts(arrays, caption).items():
        surface.GetFieldData().AddArray(_strings(name, [values] if isinstance(values, str) else values))
    _write(vtkXMLPolyDataWriter(), surface, path)


def _points(points: Floats) -> Any:
    out = vtkPoints()
    out.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    return out


def _cells(connectivity: Ints) -> Any:
    """Return a vtkCellArray of equal cells, (m, k) int32, stored with 32-bit ids."""
    m, k = connectivity.shape
    offsets = np.arange(0, m * k + 1, k, dtype=np.int32)
    out = vtkCellArray()
    flat = np.ascontiguousarray(connectivity, np.int32).ravel()
    out.SetData(numpy_to_vtk(offsets, deep=True), numpy_to_vtk(flat, deep=True))
    return out


def _attach(dataset: Any, arrays: Mapping[str, NodalArray]) -> None:
    """Give a VTK data set its nodal arrays."""
    point_data = dataset.GetPointData()
    for name, array in arrays.items():
        point_data.AddArray(_numbers(name, np.ascontiguousarray(array.values)))
    point_data.SetActiveScalars("von_mises")
    if "displacement" in arrays:
        point_data.SetActiveVectors("displacement")


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


def _numbers(name: str, values: NDArray[Any]) -> Any:
    out = numpy_to_vtk(values, deep=True)
    out.SetName(name)
    return out


def _strings(name: str, values: list[str]) -> Any:
    out = vtkStringArray()
    out.SetName(name)
    for value in values:
        out.InsertNextValue(value)
    return out


def _write(writer: Any, dataset: Any, path: Path) -> None:
    writer.SetInputData(dataset)
    writer.SetFileName(str(path))
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToZLib()
    writer.SetCompressionLevel(ZLIB_LEVEL)
    writer.SetBlockSize(BLOCK_BYTES)
    if writer.Write() != 1:
        code = writer.GetErrorCode()
        number = code if 0 < code < FIRST_VTK_ERROR else errno.EIO
        raise OSError(number, f"VTK could not write the file: {os.strerror(number)}", str(path))
