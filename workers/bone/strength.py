"""How stiff and how strong a vertebra is, from a linear solution. Research: nothing here foretells a fracture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.template import REGIONS, Template
from models.types import Bools, Floats, Reals
from workers.bone.elements import ElementBone
from workers.fem.linear_tetrahedra import element_stress, shape_gradients
from workers.fem.loads import cranio_caudal_axis
from workers.fem.stress import von_mises
from workers.geometry.surface import Surface
from workers.geometry.weighted_statistics import weighted_percentiles

STRENGTH_OVER_STIFFNESS = 0.0068
"""Compressive strength over stiffness times height, no unit: the strain at which human vertebrae failed (Crawford, Cann
& Keaveny, Bone 33(4), 2003)."""
CRITICAL_STRAIN, CRITICAL_SHARE = 0.007, 0.02
"""A bone fails when this share of its volume is strained beyond this effective strain (Pistoia et al., Bone 30(6),
2002, on the tissue of distal radii in micro finite elements; a continuum with marrow in it is not what it was fitted
to)."""
YIELD_MPA, YIELD_EXPONENT = 37.4, 1.39
"""Yield stress of vertebral trabecular bone of a density in g/cm^3 of K2HPO4 (Kopperdahl, Morgan & Keaveny 2002)."""
LEAST_DENSITY_G_CM3 = 0.0044
"""Density of the softest element (10 MPa by Kopperdahl's law); below it the yield stress has no meaning."""
BODY = ("body", "superior_endplate", "inferior_endplate")


@dataclass(frozen=True)
class Strength:
    """What a linear solution says of a vertebra under its load.

    Attributes
    ----------
    stiffness_n_per_mm
        Load over the mean displacement of the superior endplate along the axis, or over the way of what pressed.
    height_mm
        From the middle of one endplate to that of the other, along the axis.
    linear_n
        Strength by `STRENGTH_OVER_STIFFNESS`.
    pistoia_n
        Load at which `CRITICAL_SHARE` of the body is strained beyond `CRITICAL_STRAIN`.
    yield_ratio
        (m,) von Mises stress over the yield stress of each element's density, no unit.
    beyond_yield
        Share of the body's volume whose ratio is above 1.
    """

    stiffness_n_per_mm: float
    height_mm: float
    linear_n: float
    pistoia_n: float
    yield_ratio: Floats
    beyond_yield: float

    def pressed_by(self, travel_mm: float, load_newton: float) -> Strength:
        """Return the same with the stiffness of a load, N, over the way of the plate or cap that pressed, mm."""
        stiffness = load_newton / travel_mm
        linear = STRENGTH_OVER_STIFFNESS * stiffness * self.height_mm
        return replace(self, stiffness_n_per_mm=stiffness, linear_n=linear)

    def beyond_yield_under(
        self, points: Floats, displacement: Floats, template: Template, bone: ElementBone
    ) -> Strength:
        """Return the same with the yield ratio of another solution (n, 3), mm: that of the whole load."""
        gradient, volume = shape_gradients(points, template.tets)
        stress = element_stress(displacement, gradient, template.tets, bone.material)
        ratio = von_mises(stress) / yield_stress(bone.density)
        return replace(self, yield_ratio=ratio, beyond_yield=_share_beyond(ratio, volume, body_elements(template)))


def body_elements(template: Template) -> Bools:
    """Return (m,) whether most corners of an element lie in the vertebral body."""
    in_body = np.isin(template.region, [REGIONS.index(name) for name in BODY])
    return np.asarray(in_body[template.tets].sum(axis=1) >= 3)


def measure_strength(
    points: Floats, displacement: Floats, template: Template, bone: ElementBone, load_newton: float
) -> Strength:
    """Measure a solution under a compressive load.

    Parameters
    ----------
    points, displacement
        (n, 3) float64, mm: the subject's mesh, and the solution.
    template
        Of the mesh.
    bone
        Of its elements.
    load_newton
        The load that was solved for, N.
    """
    axis = cranio_caudal_axis(points, template.superior, template.inferior)
    top, bottom = Surface(points, template.superior), Surface(points, template.inferior)
    shortening = -float(top.areas @ displacement[template.superior].mean(axis=1) @ axis / top.areas.sum())
    stiffness, height = load_newton / shortening, float((top.centroid - bottom.centroid) @ axis)
    gradient, volume = shape_gradients(points, template.tets)
    stress = element_stress(displacement, gradient, template.tets, bone.material)
    body = body_elements(template)
    strain = effective_strain(stress[body], bone.young_mpa[body], bone.material.poisson)
    critical = weighted_percentiles(strain, volume[body], [100.0 * (1.0 - CRITICAL_SHARE)])[0]
    ratio = von_mises(stress) / yield_stress(bone.density)
    return Strength(
        stiffness_n_per_mm=stiffness,
        height_mm=height,
        linear_n=STRENGTH_OVER_STIFFNESS * stiffness * height,
        pistoia_n=load_newton * CRITICAL_STRAIN / float(critical),
        yield_ratio=ratio,
        beyond_yield=_share_beyond(ratio, volume, body),
    )


def _share_beyond(ratio: Floats, volume: Floats, body: Bools) -> float:
    """Return the share of the body's volume whose yield ratio is above 1."""
    return float(volume[body][ratio[body] > 1.0].sum() / volume[body].sum())


def yield_stress(density: Reals) -> Floats:
    """Return the yield stress (...), MPa, of densities (...), mg/cm^3 of K2HPO4."""
    return np.asarray(YIELD_MPA * np.maximum(density / 1000.0, LEAST_DENSITY_G_CM3) ** YIELD_EXPONENT, np.float64)


def effective_strain(stress: Floats, young_mpa: Reals, poisson: float) -> Floats:
    """Return sqrt(2 U / E) (k,), no unit, of stresses (k, 6), MPa; U is the energy of the strain a volume."""
    xx, yy, zz, xy, yz, zx = stress.T
    squares = xx**2 + yy**2 + zz**2 + 2.0 * (xy**2 + yz**2 + zx**2)
    doubled_energy = ((1.0 + poisson) * squares - poisson * (xx + yy + zz) ** 2) / young_mpa
    return np.asarray(np.sqrt(doubled_energy / young_mpa))
