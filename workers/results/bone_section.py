"""The report's section on the patient's own bone, and the nodal arrays of it in the VTK files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.contract.bone import (
    FRAGILE_MEN_N,
    FRAGILE_WOMEN_N,
    LOW_MG_CM3,
    OSTEOPOROTIC_MG_CM3,
    Bone,
    RegionBone,
    StiffnessAndStrength,
)
from models.template import REGIONS, Template
from models.types import Floats
from workers.bone.elements import ElementBone
from workers.bone.interior import Trabecular
from workers.bone.laws import LAWS
from workers.bone.measures import convert
from workers.bone.strength import Strength
from workers.fem.stress_recovery import average_at_nodes
from workers.geometry.incidence import Incidence
from workers.geometry.tetrahedra import tet_volumes
from workers.results.calibration_section import calibration_section
from workers.results.stressed_mesh import NodalArray


def bone_arrays(
    points: Floats, template: Template, incidence: Incidence, bone: ElementBone, strength: Strength
) -> dict[str, NodalArray]:
    """Return density, Young's modulus and yield ratio at the nodes: means of the elements around each, by volume."""
    volumes = tet_volumes(points, template.tets)
    values = np.column_stack([bone.density, bone.young_mpa, strength.yield_ratio])
    density, young, ratio = average_at_nodes(np.ascontiguousarray(values), volumes, incidence).T
    return {
        "density": NodalArray(density, "mg/cm3 of K2HPO4"),
        "young_modulus": NodalArray(young, "MPa"),
        "yield_ratio": NodalArray(ratio, "1"),
    }


def bone_section(
    arrays: Mapping[str, NodalArray],
    nodes: tuple[Template, Floats],
    bone: ElementBone,
    trabecular: Trabecular,
    strength: StiffnessAndStrength,
) -> Bone:
    """Put the section together.

    Parameters
    ----------
    arrays
        From `bone_arrays`.
    nodes
        The template, and the volume (n,), mm^3, that each node stands for.
    bone, trabecular
        Of the elements, and of the body's interior.
    strength
        From `strength_section`.
    """
    template, volumes = nodes
    law = LAWS[bone.law]
    density, young = arrays["density"].values, arrays["young_modulus"].values
    low, high = law.valid_g_cm3
    in_measure = convert(density / 1000.0, "k2hpo4", law.measure)
    beyond = (in_measure < low) | (in_measure > high)
    return Bone(
        law=bone.law,
        law_citation=law.citation,
        calibration=calibration_section(bone.calibration, trabecular),
        trabecular_density_mg_cm3=trabecular.density,
        trabecular_hounsfield=trabecular.hounsfield,
        osteoporotic_mg_cm3=OSTEOPOROTIC_MG_CM3,
        low_mg_cm3=LOW_MG_CM3,
        beyond_law_share=float(volumes[beyond].sum() / volumes.sum()),
        regions={
            name: RegionBone(
                density_mg_cm3=float(np.average(density[members], weights=volumes[members])),
                young_modulus_mpa=float(np.average(young[members], weights=volumes[members])),
            )
            for index, name in enumerate(REGIONS)
            if (members := template.region == index).any()
        },
        strength=strength,
    )


def strength_section(strength: Strength, load_newton: float) -> StiffnessAndStrength:
    """Return what the report says of stiffness and strength under a load, N."""
    return StiffnessAndStrength(
        stiffness_n_per_mm=strength.stiffness_n_per_mm,
        body_height_mm=strength.height_mm,
        linear_strength_newton=strength.linear_n,
        pistoia_strength_newton=strength.pistoia_n,
        load_over_strength=load_newton / strength.linear_n,
        beyond_yield_share=strength.beyond_yield,
        fragile_women_newton=FRAGILE_WOMEN_N,
        fragile_men_newton=FRAGILE_MEN_N,
    )
