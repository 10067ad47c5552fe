"""The report's means of bone by region: those of the elements by volume, whatever the mesh's density."""

from __future__ import annotations

import numpy as np
import pytest

from tests.workers.results.box import box_template
from workers.bone.calibration import Calibration
from workers.bone.elements import ElementBone
from workers.bone.interior import Trabecular
from workers.bone.strength import Strength
from workers.fem.material import Material
from workers.geometry.incidence import Incidence
from workers.geometry.tetrahedra import nodal_volumes, tet_volumes
from workers.results.bone_section import bone_arrays, bone_section, strength_section


def test_means_of_regions_are_by_volume():
    """The box has many thin layers at its dense top: a plain mean of its nodes would be far too dense."""
    template = box_template()
    points, tets = template.nodes, template.tets
    volume = tet_volumes(points, tets)
    density = 50.0 + 20.0 * points[tets].mean(axis=1)[:, 2]
    young = 3.0 * density
    bone = ElementBone(density, Material.of_elements(young), "kopperdahl_2002", Calibration(1.0, 0.0))
    strength = Strength(10_000.0, 12.0, 800.0, 900.0, density / 1000.0, 0.0)
    arrays = bone_arrays(points, template, Incidence.of(tets, len(points)), bone, strength)
    nodes = (template, nodal_volumes(points, tets))
    section = bone_section(arrays, nodes, bone, Trabecular(100.0, 100.0, 0.0), strength_section(strength, 500.0))
    held = {name: nodes[1][template.region == index].sum() for index, name in ((0, "body"), (1, "superior_endplate"),
            (2, "inferior_endplate"), (5, "posterior_elements"))}  # fmt: skip
    assert set(section.regions) == set(held)
    for name, factor in (("density_mg_cm3", 1.0), ("young_modulus_mpa", 3.0)):
        whole = sum(getattr(section.regions[region], name) * v for region, v in held.items()) / sum(held.values())
        assert whole == pytest.approx(factor * np.average(density, weights=volume), rel=1e-12)
        assert whole == pytest.approx(factor * (50.0 + 20.0 * 6.0), rel=1e-9)  # by volume the middle is at 6 mm
    assert arrays["density"].values.mean() > 200.0  # of the nodes
