"""What ``viewer.html`` draws: surface, fields, quantities, their colours and peaks, and values in the bone for cuts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from models.template import REGIONS
from models.types import Floats
from workers.results.captions import MODELS
from workers.results.colour_scale import (
    DIVERGING,
    SEQUENTIAL,
    colour_map,
    colour_table,
    diverging_scale,
    sequential_scale,
)
from workers.results.ct_slices import CtSlices
from workers.results.stressed_mesh import StressedMesh

DEFORM_MM = 8.0
"""Largest displacement shown at the end of the deformation slider: easy to see on a vertebral body 40 to 50 mm wide."""
ORIGIN_DECIMALS = 4
"""Of the coordinates' origin, mm; the page shows positions with one decimal."""
LEAST_DISPLACEMENT_MM = 1e-9
"""Keeps a mesh that does not move from being magnified without bound."""
VOXEL_MM = 1.5
"""Spacing of the values on a cut. The tetrahedra measure about 1 mm; a quantity takes 0.2 MB of the page."""
VOXEL_PERCENTILES = (0.2, 99.8)
"""Of the nodal values: what lies beyond is clipped on a cut, so that 255 steps resolve the rest."""
LEAST_RANGE = 1e-9
"""Of the values on a cut, MPa or mm, so that a field that is the same everywhere has one."""

Quantities = dict[str, Floats]
"""Values (n,) at all nodes by name: ``von_mises``, ``s1`` to ``s3`` (MPa), ``displacement`` (its length, mm)."""
LABELS: Mapping[str, tuple[str, str, str]] = {
    "von_mises": ("von Mises stress", "MPa", "peak"),
    "s1": ("s1, largest principal stress", "MPa", "most tensed"),
    "s2": ("s2, middle principal stress", "MPa", "largest"),
    "s3": ("s3, smallest principal stress", "MPa", "most compressed"),
    "displacement": ("displacement", "mm", "largest"),
}
"""Of each quantity: its name, its unit, and what its extreme is called."""
DIFFERENCE = "prediction − solution"


def page_data(mesh: StressedMesh, fidelity: str, slices: CtSlices | None = None) -> dict[str, Any]:
    """Return what the page draws: arrays as base64, coordinates in mm relative to `origin` (RAS+)."""
    n = mesh.template.n_surface
    vertices = mesh.surface.vertices
    origin = np.round((vertices.min(axis=0) + vertices.max(axis=0)) / 2, ORIGIN_DECIMALS)
    grid = VoxelGrid(mesh.points)
    ct = {"ct": slices.page_data(origin)} if slices else {}
    return (
        _displacement(mesh)
        | ct
        | {
            "origin": origin.tolist(),
            "points": _base64((vertices - origin).astype("<f4")),
            "triangles": _base64(mesh.template.triangles.astype("<u4")),
            "region": _base64(mesh.template.region[:n].astype("u1")),
            "regions": [name.replace("_", " ") for name in REGIONS],
            "maps": {name: _base64(colour_table(name)) for name in (*SEQUENTIAL, *DIVERGING)},
            "sequential": list(SEQUENTIAL),
            "diverging": list(DIVERGING),
            "grid": grid.description(origin),
            "fields": [
                {
                    "name": name,
                    "quantities": [
                        _quantity(key, values, n, name == DIFFERENCE)
                        | {"peak": _peak(mesh, key, values, name == DIFFERENCE, origin)}
                        | grid.values(values)
                        for key, values in quantities.items()
                    ],
                }
                for name, quantities in fields(mesh, fidelity).items()
            ],
        }
    )


def fields(mesh: StressedMesh, fidelity: str) -> dict[str, Quantities]:
    """Return the fields that the page offers: the mesh's own, and a solution beside it with the difference."""
    own = {"von_mises": mesh.field.von_mises} | {f"s{i + 1}": mesh.field.principal[:, i] for i in range(3)}
    if mesh.field.displacement is not None:
        own["displacement"] = np.linalg.norm(mesh.field.displacement, axis=1)
    named = {MODELS.get(fidelity, fidelity): own}
    extra = {name.removesuffix("_fe"): array.values for name, array in mesh.extra.items() if name.endswith("_fe")}
    if "von_mises" not in extra:
        return named
    solved = {
        key: np.linalg.norm(extra[key], axis=1) if key == "displacement" else extra[key]
        for key in LABELS
        if key in extra
    }
    difference = {key: values - solved[key] for key, values in own.items() if key in solved}
    return named | {MODELS["fe"]: solved, DIFFERENCE: difference}


def _displacement(mesh: StressedMesh) -> dict[str, Any]:
    """Return the displacement and how many times the slider magnifies it; nothing where it was not solved for."""
    if mesh.field.displacement is None:
        return {}
    displacement = mesh.field.displacement[: mesh.template.n_surface]
    largest = float(np.linalg.norm(displacement, axis=1).max())
    return {
        "displacement": _base64(displacement.astype("<f4")),
        "deform": DEFORM_MM / max(largest, LEAST_DISPLACEMENT_MM),
    }


def _quantity(key: str, values: Floats, n_surface: int, is_difference: bool) -> dict[str, Any]:
    """Return name, unit, surface values and colour scale of a quantity (n,)."""
    label, unit, _ = LABELS[key]
    diverges = is_difference or colour_map(key) in DIVERGING
    scale = (diverging_scale if diverges else sequential_scale)(values[:n_surface])
    ends = ("prediction lower", "prediction higher") if is_difference else ("compression", "tension")
    return {
        "key": key,
        "label": label,
        "unit": unit,
        "values": _base64(values[:n_surface].astype("<f4")),
        "limits": [scale.low, scale.high],
        "diverges": diverges,
        "ends": ends if diverges else None,
    }


def _peak(mesh: StressedMesh, key: str, values: Floats, is_difference: bool, origin: Floats) -> dict[str, Any]:
    """Return the extreme of a quantity away from the endplates, where stress does not depend on the mesh.

    A displacement is steady everywhere. The node is that of the surface, or null inside the bone.
    """
    _, unit, name = LABELS[key]
    steady = np.arange(len(values)) if key == "displacement" or not len(mesh.steady_nodes) else mesh.steady_nodes
    signed = {"s3": -values, "s2": np.abs(values)}.get(key, values)
    node = int(steady[np.argmax((np.abs(values) if is_difference else signed)[steady])])
    where = "" if key == "displacement" else " off the endplates"
    return {
        "at": (mesh.points[node] - origin).tolist(),
        "node": node if node < mesh.template.n_surface else None,
        "label": f"{'largest difference' if is_difference else name}{where} {values[node]:.3g} {unit}",
    }


class VoxelGrid:
    """The grid of the values on cuts. A voxel has the mean of the nodes in it, or the value of the nearest with nodes.

    Parameters
    ----------
    points
        (n, 3) nodes, mm.
    """

    def __init__(self, points: Floats) -> None:
        self.first = points.min(axis=0)
        index = np.rint((points - self.first) / VOXEL_MM).astype(np.int64)
        self.shape = index.max(axis=0) + 1
        self._voxel = np.ravel_multi_index(tuple(index[:, ::-1].T), tuple(self.shape[::-1]))  # x fastest, as in WebGL
        self._count = np.bincount(self._voxel, minlength=int(self.shape.prod()))
        empty = (self._count == 0).reshape(self.shape[::-1])
        nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
        self._nearest = np.ravel_multi_index(tuple(nearest.reshape(3, -1)), empty.shape)

    def description(self, origin: Floats) -> dict[str, Any]:
        """Return shape, place of the first voxel's centre (mm from `origin`) and spacing (mm)."""
        return {"shape": self.shape.tolist(), "first": (self.first - origin).tolist(), "spacing": VOXEL_MM}

    def values(self, nodal: Floats) -> dict[str, Any]:
        """Return a quantity (n,) on the grid, one byte a voxel, and the values of the bytes 0 and 255."""
        low, high = (float(v) for v in np.percentile(nodal, VOXEL_PERCENTILES))
        high = max(high, low + LEAST_RANGE)
        mean = np.bincount(self._voxel, nodal, len(self._count)) / np.maximum(self._count, 1)
        steps = np.clip((mean[self._nearest] - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
        return {"voxels": _base64(steps), "voxelLimits": [low, high]}


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
