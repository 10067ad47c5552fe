"""The stage that reads the patient's own bone from the CT, where the job asks for it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from app.contract.bone import Bone
from app.contract.params import JobParams
from models.types import Floats
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import calibration_warnings, metal_warnings
from workers.bone.elements import ElementBone
from workers.bone.intensities import check_intensities, intensities_of, intensity_warnings
from workers.bone.interior import Trabecular
from workers.bone.references import find_references
from workers.bone.strength import measure_strength
from workers.bone.surroundings import surroundings_of
from workers.engine import engine
from workers.fem.field import StressField
from workers.geometry.tetrahedra import nodal_volumes, tet_volumes
from workers.imaging.volume import Volume
from workers.results.bone_section import bone_arrays, bone_section, strength_section
from workers.results.stressed_mesh import NodalArray
from workers.stage_clock import StageClock


@dataclass(frozen=True)
class FoundBone:
    """The bone of a subject's elements, the means of its body's interior, and warnings."""

    elements: ElementBone
    trabecular: Trabecular
    warnings: tuple[str, ...]


def find_bone(points: Floats, ct: Volume, params: JobParams, clock: StageClock) -> FoundBone | None:
    """Return the bone of a subject's mesh (n, 3), mm, world RAS+; None where the job takes it as homogeneous.

    Raises
    ------
    DensityUnusable
        The CT gives no density.
    CalibrationImpossible
        The tissues of the scan shall calibrate it and cannot.
    """
    if params.material == "homogeneous" or params.calibration is None:
        return None
    with clock.stage("material"):
        around = intensities_of(points, engine().template, ct)
        check_intensities(around)
        hounsfield = engine().bone_sampler.hounsfield(points, ct)
        interior = hounsfield[engine().interior]
        surroundings = surroundings_of(points, engine().template, ct)
        references = find_references(surroundings)
        calibration = Calibration.of(params.calibration, references)
        bone = ElementBone.of(hounsfield, calibration, params.density_law)
        volumes = tet_volumes(points, engine().template.tets)[engine().interior]
        means = (bone.density[engine().interior], interior.mean(axis=1))
        trabecular = Trabecular(*(float(np.average(values, weights=volumes)) for values in means))
    named = (
        calibration_warnings(calibration, references),
        intensity_warnings(around, interior),
        metal_warnings(surroundings),
    )
    return FoundBone(bone, trabecular, tuple(itertools.chain(*named)))


def describe_bone(
    points: Floats, field: StressField, found: FoundBone, params: JobParams
) -> tuple[Bone, dict[str, NodalArray]]:
    """Return the report's section on a subject's bone, and its arrays for the VTK files.

    Parameters
    ----------
    points, field
        The subject's mesh (n, 3), mm, and its solution.
    found
        Its bone.
    params
        Of the job.
    """
    template, incidence = engine().template, engine().plan.pattern.incidence
    assert field.displacement is not None
    strength = measure_strength(points, field.displacement, template, found.elements, params.load_newton)
    arrays = bone_arrays(points, template, incidence, found.elements, strength)
    nodes = (template, nodal_volumes(points, template.tets))
    summary = strength_section(strength, params.load_newton)
    return bone_section(arrays, nodes, found.elements, found.trabecular, summary), arrays
