"""The nodal arrays of ``stress.vtu`` and ``surface.vtp``, each with its unit."""

from __future__ import annotations

import numpy as np

from models.template import Template
from models.types import Ints
from workers.fem.field import StressField
from workers.results.array_notes import ARRAY_NOTES
from workers.results.stressed_mesh import NodalArray, StressedMesh


def nodal_arrays(mesh: StressedMesh) -> dict[str, NodalArray]:
    """Collect the nodal arrays by name, in template node order.

    Returns
    -------
    dict
        (n,) or (n, 3) each: stresses (MPa) and displacement (mm) float32, flags and region uint8, then `mesh.extra`.

    Raises
    ------
    ValueError
        An extra array has the name of another one or does not have n values, or an array's name and unit are not in
        `ARRAY_NOTES`.
    """
    arrays = _field_arrays(mesh.field) | _node_sets(mesh.template)
    n = len(mesh.template.nodes)
    for name, extra in mesh.extra.items():
        values = np.asarray(extra.values)
        if name in arrays or len(values) != n:
            raise ValueError(f"extra array {name!r}: expected a new name and {n} values, got {len(values)}")
        single = values.astype(np.float32) if values.dtype.kind == "f" else values
        arrays[name] = NodalArray(single, extra.unit)
    for name, array in arrays.items():
        if name not in ARRAY_NOTES or ARRAY_NOTES[name].unit != array.unit:
            raise ValueError(f"array {name!r}: expected a note with the unit {array.unit!r} in ARRAY_NOTES")
    return arrays


def _field_arrays(field: StressField) -> dict[str, NodalArray]:
    """Return von Mises and principal stresses, and the displacement where there is one, float32."""
    arrays = {"von_mises": NodalArray(field.von_mises.astype(np.float32), "MPa")}
    arrays |= {f"s{i + 1}": NodalArray(field.principal[:, i].astype(np.float32), "MPa") for i in range(3)}
    if field.displacement is not None:
        arrays["displacement"] = NodalArray(field.displacement.astype(np.float32), "mm")
    return arrays


def _node_sets(template: Template) -> dict[str, NodalArray]:
    """Return the region of each node and flags for surface, clamped and loaded nodes, uint8."""
    surface = np.arange(template.n_surface, dtype=np.int32)
    return {
        "region": NodalArray(template.region.astype(np.uint8), "index into region_names"),
        "is_surface": _flags(template, surface),
        "is_fixed": _flags(template, template.fixed_nodes),
        "is_loaded": _flags(template, template.loaded_nodes),
    }


def _flags(template: Template, nodes: Ints) -> NodalArray:
    flags = np.zeros(len(template.nodes), np.uint8)
    flags[nodes] = 1
    return NodalArray(flags, "0 or 1")
