"""What every result file says about itself: frame, units, software, the research note, and one colour scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.template import REGIONS, Template
from workers.fem.field import StressField

SOFTWARE = "vertebra-stress"
FRAME = "NIfTI RAS+ mm"
RESEARCH_NOTE = "Research use only"
DISCLAIMER = (
    "Research software. Not a medical device. Not for diagnosis or treatment. The stress is that of a homogeneous, "
    "linear elastic model under an idealised load, not a measurement of the patient."
)
COLOUR_PERCENTILE = 99.0
"""The colour scale ends at this percentile of the surface nodes, so that one hot node does not darken the rest."""

UNITS: Mapping[str, str] = {
    "von_mises": "MPa",
    "s1": "MPa",
    "s2": "MPa",
    "s3": "MPa",
    "displacement": "mm",
    "region": "index into region_names",
    "is_surface": "0 or 1",
    "is_fixed": "0 or 1",
    "is_loaded": "0 or 1",
}
"""Unit of each nodal array of the result files; coordinates are in mm."""


def software_version() -> str:
    """Return the installed version of this package, or ``0+unknown`` when it runs uninstalled."""
    try:
        return version(SOFTWARE)
    except PackageNotFoundError:
        return "0+unknown"


@dataclass(frozen=True)
class Caption:
    """What a title line says.

    Attributes
    ----------
    vertebra
        Level, e.g. ``"L1"``.
    load_newton
        Compressive load on the superior endplate, N.
    fidelity
        How the stress was computed, e.g. ``"fe"``.
    """

    vertebra: str
    load_newton: float
    fidelity: str

    @property
    def title(self) -> str:
        """One line: level, load and model, e.g. ``L1 · 500 N axial compression · finite elements``."""
        model = {"fe": "finite elements", "surrogate": "surrogate prediction"}.get(self.fidelity, self.fidelity)
        return f"{self.vertebra} · {self.load_newton:g} N axial compression · {model}"


@dataclass(frozen=True)
class ExtraArray:
    """A further nodal array for the VTK files: values (n,) or (n, k), its unit, one array a name."""

    values: NDArray[Any]
    unit: str


def nodal_arrays(
    template: Template, field: StressField, extra: Mapping[str, ExtraArray] | None = None
) -> dict[str, NDArray[Any]]:
    """Collect the nodal arrays of the VTK files, in template node order.

    Parameters
    ----------
    template
        Supplies regions and node sets.
    field
        Stress in MPa (n nodes), displacement in mm where it was solved for.
    extra
        Further arrays by name; a name that exists already is refused.

    Returns
    -------
    dict
        Name to (n,) or (n, 3): stresses and displacement float32 (MPa, mm), flags and region uint8.
    """
    n = len(template.nodes)
    arrays: dict[str, NDArray[Any]] = {"von_mises": field.von_mises.astype(np.float32)}
    arrays |= {f"s{i + 1}": field.principal[:, i].astype(np.float32) for i in range(3)}
    if field.displacement is not None:
        arrays["displacement"] = field.displacement.astype(np.float32)
    arrays["region"] = template.region.astype(np.uint8)
    surface = np.arange(template.n_surface, dtype=np.int32)
    for name, ids in (
        ("is_surface", surface),
        ("is_fixed", template.fixed_nodes),
        ("is_loaded", template.loaded_nodes),
    ):
        flags = np.zeros(n, np.uint8)
        flags[ids] = 1
        arrays[name] = flags
    for name, item in (extra or {}).items():
        if name in arrays or len(item.values) != n:
            raise ValueError(f"extra array {name!r}: expected a new name and {n} values, got {len(item.values)}")
        values = np.asarray(item.values)
        arrays[name] = values.astype(np.float32) if values.dtype.kind == "f" else values
    return arrays


def peak_node(field: StressField) -> int:
    """Return the node with the largest von Mises stress (the first, where several share it)."""
    return int(np.argmax(field.von_mises))


def colour_limit(template: Template, field: StressField) -> float:
    """Return the upper end of the von Mises colour scale, MPa: `COLOUR_PERCENTILE` of the surface nodes.

    Never below 1e-6 MPa, so that an unstressed vertebra still has a scale.
    """
    return max(float(np.percentile(field.von_mises[: template.n_surface], COLOUR_PERCENTILE)), 1e-6)


def region_name(template: Template, node: int) -> str:
    """Return the anatomical region of a node."""
    return REGIONS[int(template.region[node])]
