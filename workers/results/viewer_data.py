"""What ``viewer.html`` draws: surface, fields, quantities, their colours and peaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.template import REGIONS
from models.types import Floats
from workers.results.array_notes import BONE
from workers.results.captions import MODELS, UNCALIBRATED, Caption
from workers.results.colour_scale import (
    DIVERGING,
    MATERIAL,
    SEQUENTIAL,
    colour_map,
    colour_table,
    diverging_scale,
    sequential_scale,
)
from workers.results.ct_slices import CtSlices
from workers.results.headline_numbers import three_digits
from workers.results.stressed_mesh import StressedMesh
from workers.results.voxel_grid import VoxelGrid, base64_of

DEFORM_MM = 8.0
"""Largest displacement shown at the end of the deformation slider: easy to see on a vertebral body 40 to 50 mm wide."""
ORIGIN_DECIMALS = 4
"""Of the coordinates' origin, mm; the page shows positions with one decimal."""
LEAST_DISPLACEMENT_MM = 1e-9
"""Keeps a mesh that does not move from being magnified without bound."""
Quantities = dict[str, Floats]
"""Values (n,) at all nodes by name: ``von_mises``, ``s1`` to ``s3`` (MPa), ``displacement`` (its length, mm), and of
bone with its own density ``density`` (mg/cm³), ``young_modulus`` (MPa) and ``yield_ratio`` (no unit)."""
LABELS: Mapping[str, tuple[str, str, str]] = {
    "von_mises": ("von Mises stress", "MPa", "peak"),
    "s1": ("s1, largest principal stress", "MPa", "most tensed"),
    "s2": ("s2, middle principal stress", "MPa", "largest"),
    "s3": ("s3, smallest principal stress", "MPa", "most compressed"),
    "displacement": ("displacement", "mm", "largest"),
    "density": ("bone density", "mg/cm³ K2HPO4", "densest"),
    "young_modulus": ("Young's modulus", "MPa", "stiffest"),
    "yield_ratio": ("yield ratio", "", "largest"),
}
"""Of each quantity: its name, its unit, and what its extreme is called."""
NOTES: Mapping[str, str] = {"yield_ratio": "von Mises over yield stress, bone yields from 1 on"}
"""What a reader may not know of a quantity."""
STEADY = ("displacement", *MATERIAL)
"""They do not depend on the mesh at the endplates."""
DIFFERENCE = "prediction − solution"


def page_data(mesh: StressedMesh, caption: Caption, slices: CtSlices | None = None) -> dict[str, Any]:
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
            "points": base64_of((vertices - origin).astype("<f4")),
            "triangles": base64_of(mesh.template.triangles.astype("<u4")),
            "region": base64_of(mesh.template.region[:n].astype("u1")),
            "regions": [name.replace("_", " ") for name in REGIONS],
            "maps": {name: base64_of(colour_table(name)) for name in (*SEQUENTIAL, *DIVERGING)},
            "sequential": list(SEQUENTIAL),
            "diverging": list(DIVERGING),
            "grid": grid.description(origin),
            "fields": [
                {
                    "name": name,
                    "quantities": [
                        _quantity(key, values, n, name == DIFFERENCE)
                        | _doubt(key, caption)
                        | {"peak": _peak(mesh, key, values, name == DIFFERENCE, origin)}
                        | grid.values(values)
                        for key, values in quantities.items()
                    ],
                }
                for name, quantities in fields(mesh, caption.fidelity).items()
            ],
        }
    )


def fields(mesh: StressedMesh, fidelity: str) -> dict[str, Quantities]:
    """Return the fields that the page offers: the mesh's own, and a solution beside it with the difference."""
    own = {"von_mises": mesh.field.von_mises} | {f"s{i + 1}": mesh.field.principal[:, i] for i in range(3)}
    if mesh.field.displacement is not None:
        own["displacement"] = np.linalg.norm(mesh.field.displacement, axis=1)
    own |= {key: mesh.extra[key].values for key in BONE if key in mesh.extra}
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
        "displacement": base64_of(displacement.astype("<f4")),
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
        "note": NOTES.get(key, ""),
        "values": base64_of(values[:n_surface].astype("<f4")),
        "limits": [scale.low, scale.high],
        "map": next(iter(DIVERGING)) if diverges else colour_map(key),
        "diverges": diverges,
        "ends": ends if diverges else None,
    }


def _doubt(key: str, caption: Caption) -> dict[str, str]:
    """Return the name of a quantity that rests on a guessed calibration, which says so; nothing for another."""
    return {"label": f"{LABELS[key][0]}, {UNCALIBRATED}"} if key in BONE and caption.is_uncalibrated else {}


def _peak(mesh: StressedMesh, key: str, values: Floats, is_difference: bool, origin: Floats) -> dict[str, Any]:
    """Return the extreme of a quantity away from the endplates, where stress does not depend on the mesh.

    What is in `STEADY` is so everywhere. The node is that of the surface, or null inside the bone.
    """
    _, unit, name = LABELS[key]
    steady = np.arange(len(values)) if key in STEADY or not len(mesh.steady_nodes) else mesh.steady_nodes
    signed = {"s3": -values, "s2": np.abs(values)}.get(key, values)
    name = "largest difference" if is_difference else name
    node = int(steady[np.argmax((np.abs(values) if is_difference else signed)[steady])])
    where = "" if key in STEADY else " off the endplates"
    return {
        "at": (mesh.points[node] - origin).tolist(),
        "node": node if node < mesh.template.n_surface else None,
        "label": f"{name}{where} {three_digits(float(values[node]))} {unit}".rstrip(),
    }
