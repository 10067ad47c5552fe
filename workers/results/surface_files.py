"""The stressed surface in the formats of other programs: ``surface.stl``, ``surface.ply`` and ``surface.glb``.

Nodes and triangles have the order of the template in PLY and GLB. STL knows no nodes and no colours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from models.types import Bytes, Singles
from workers.results.array_notes import ARRAY_NOTES, BONE
from workers.results.captions import FRAME, RESEARCH_NOTE, UNCALIBRATED, Caption, software_and_version
from workers.results.colour_scale import sequential_scale
from workers.results.stressed_mesh import StressedMesh

STL_HEADER_BYTES = 80
"""Free text at the start of a binary STL file. It must not begin with ``solid``, as a text file does."""
OPAQUE = 255
METRES = 1e-3
"""A millimetre in metres."""
RAS_MM_TO_GLTF = np.array([[-METRES, 0, 0, 0], [0, 0, METRES, 0], [0, METRES, 0, 0], [0, 0, 0, 1]])
"""From RAS+ in mm to the axes and unit of glTF 2.0 (section 3.4): metres, y up, the front looks along z. So superior is
up, and anterior the front."""
MATT: dict[str, Any] = {
    "name": "bone",
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
}
"""Without a material glTF takes metal, which would darken the colours."""


def write_surface_stl(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the outer surface as binary STL, mm, RAS+; the header names level and frame."""
    data = _surface(mesh).export(file_type="stl")
    header = f"{software_and_version()}; {caption.vertebra_words}; {FRAME}; {RESEARCH_NOTE}".encode("ascii")
    path.write_bytes(header[:STL_HEADER_BYTES].ljust(STL_HEADER_BYTES) + data[STL_HEADER_BYTES:])


def write_surface_ply(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the outer surface as binary PLY, mm, RAS+: each vertex with colour, `von_mises` and the bone's arrays."""
    surface = _surface(mesh)
    surface.visual.vertex_colors = np.column_stack([_colours(mesh), np.full(len(surface.vertices), OPAQUE, np.uint8)])
    surface.vertex_attributes.update(_values(mesh))
    texts = "".join(f"comment {name}: {text}\n" for name, text in _about(mesh, caption).items())
    data = surface.export(file_type="ply", vertex_normal=False)
    path.write_bytes(data.replace(b"end_header\n", f"{texts}end_header\n".encode("ascii"), 1))


def write_surface_glb(path: Path, mesh: StressedMesh, caption: Caption) -> None:
    """Write the outer surface as glTF 2.0 binary: vertex colours, and ``_VON_MISES`` and the like as attributes.

    The mesh itself is in mm, RAS+; the matrix of its node carries it to the metres and axes of glTF.
    """
    surface = _surface(mesh)
    surface.vertex_attributes["_LINEAR_RGB"] = _linear(_colours(mesh))
    surface.vertex_attributes.update({f"_{name.upper()}": values for name, values in _values(mesh).items()})
    scene = trimesh.Scene()
    scene.add_geometry(surface, geom_name="surface", transform=RAS_MM_TO_GLTF)
    scene.metadata.update(_about(mesh, caption))
    data = scene.export(file_type="glb", include_normals=True, tree_postprocessor=_colour_and_material)
    path.write_bytes(data)


def _surface(mesh: StressedMesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.surface.vertices, mesh.surface.triangles, process=False)


def _values(mesh: StressedMesh) -> dict[str, Singles]:
    """Return the values (n_surface,) of the vertices: von Mises stress, and what the mesh knows of the bone."""
    n = mesh.template.n_surface
    bone = {name: mesh.extra[name].values[:n].astype(np.float32) for name in BONE if name in mesh.extra}
    return {"von_mises": mesh.surface_von_mises.astype(np.float32)} | bone


def _colours(mesh: StressedMesh) -> Bytes:
    """Return the sRGB (n_surface, 3) uint8 of von Mises stress, as in the preview."""
    values = mesh.surface_von_mises
    return sequential_scale(values).colours(values)


def _linear(srgb: Bytes) -> NDArray[np.float32]:
    """Return the linear intensities, 0 to 1, of sRGB colours (IEC 61966-2-1): what glTF wants of vertex colours."""
    value = srgb / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _colour_and_material(tree: dict[str, Any]) -> None:
    """Make an attribute of the mesh its colours: trimesh writes colours in 8 bits, too coarse where they are linear."""
    primitive = tree["meshes"][0]["primitives"][0]
    primitive["attributes"]["COLOR_0"] = primitive["attributes"].pop("_LINEAR_RGB")
    tree["materials"] = [MATT]
    primitive["material"] = 0


def _about(mesh: StressedMesh, caption: Caption) -> dict[str, str]:
    """Return what the file says of itself, in ASCII."""
    scale = sequential_scale(mesh.surface_von_mises)
    return {
        "frame": FRAME,
        **{name: ARRAY_NOTES[name].unit for name in _values(mesh)},
        "colours": f"{scale.colour_map}, {scale.low:g} to {scale.high:.4g} MPa",
        "vertebra": caption.vertebra,
        "load": f"{caption.load_newton:g} N",
        "fidelity": caption.fidelity,
        **(
            {"bone": f"{UNCALIBRATED}: density, modulus and yield ratio are guesses"} if caption.is_uncalibrated else {}
        ),
        "software": software_and_version(),
        "note": RESEARCH_NOTE,
    }
