"""The stage that reads the patient's own bone from the CT, where the job asks for it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from app.contract.bone import Bone, NonlinearStrength
from app.contract.dicom_series import DicomInput
from app.contract.params import JobParams
from models.types import Floats
from workers.bone.calibration import Calibration
from workers.bone.calibration_warnings import calibration_warnings, interior_warnings, metal_warnings
from workers.bone.elements import ElementBone
from workers.bone.intensities import check_intensities, intensities_of, intensity_warnings
from workers.bone.interior import Trabecular
from workers.bone.nonlinear_strength import STRAINS, nonlinear_section, yielding_bone
from workers.bone.references import find_references
from workers.bone.strength import Strength, measure_strength
from workers.bone.surroundings import surroundings_of
from workers.bone.technique import UNKNOWN, Technique
from workers.bone.technique_warnings import technique_warnings
from workers.dicom.series_choice import is_sharp
from workers.engine import engine
from workers.geometry.tetrahedra import nodal_volumes, tet_volumes
from workers.imaging.volume import Volume
from workers.results.bone_section import bone_arrays, bone_section, strength_section
from workers.results.stressed_mesh import NodalArray
from workers.stage_clock import StageClock
from workers.stress_stage import StressOutcome


@dataclass(frozen=True)
class FoundBone:
    """The bone of a subject's elements, its body's interior, and warnings."""

    elements: ElementBone
    trabecular: Trabecular
    warnings: tuple[str, ...]


def find_bone(
    points: Floats, ct: Volume, params: JobParams, clock: StageClock, dicom: DicomInput | None = None
) -> FoundBone | None:
    """Return the bone of a subject's mesh (n, 3), mm, world RAS+; None where the job takes it as homogeneous.

    ``dicom`` is what was read of the headers of the CT; None where it came as NIfTI.

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
        calibration = Calibration.of(params.calibration, references, technique_of(dicom))
        bone = ElementBone.of(hounsfield, calibration, params.density_law)
        volumes = tet_volumes(points, engine().template.tets)[engine().interior]
        trabecular = Trabecular.of(interior.mean(axis=1), bone.density[engine().interior], volumes)
    named = (
        calibration_warnings(calibration, references),
        technique_warnings(calibration, references),
        intensity_warnings(around, interior),
        interior_warnings(trabecular),
        metal_warnings(surroundings),
    )
    return FoundBone(bone, trabecular, tuple(itertools.chain(*named)))


def technique_of(dicom: DicomInput | None) -> Technique:
    """Return how the scanner made a CT, as far as its headers say."""
    if dicom is None:
        return UNKNOWN
    kernel = dicom.series.kernel
    return Technique(dicom.tube_voltage_kv, dicom.contrast_agent, kernel if kernel and is_sharp(kernel) else None)


def describe_bone(
    points: Floats, stress: StressOutcome, found: FoundBone, params: JobParams, clock: StageClock
) -> tuple[Bone, dict[str, NodalArray]]:
    """Return the report's section on a subject's bone, and its arrays for the VTK files.

    Parameters
    ----------
    points, stress
        The subject's mesh (n, 3), mm, and its solution. Stiffness and strength are those of its compression.
    found
        Its bone.
    params, clock
        Of the job.

    Raises
    ------
    SolveFailed
        A nonlinear strength was asked for, and did not converge.
    """
    template, incidence = engine().template, engine().plan.pattern.incidence
    strength = strength_of(points, stress, found.elements, params.load_newton)
    arrays = bone_arrays(points, template, incidence, found.elements, strength)
    nodes = (template, nodal_volumes(points, template.tets))
    summary = strength_section(strength, params.load_newton)
    section = bone_section(arrays, nodes, found.elements, found.trabecular, summary)
    if params.strength == "nonlinear":
        crushed = crush_bone(points, found.elements, strength.height_mm, clock)
        section = section.model_copy(update={"nonlinear": crushed})
    return section, arrays


def crush_bone(points: Floats, bone: ElementBone, height_mm: float, clock: StageClock) -> NonlinearStrength:
    """Return the strength of a subject's mesh (n, 3), mm, that is crushed between plates."""
    with clock.stage("crush"):
        curve = engine().crush(points, yielding_bone(bone), [strain * height_mm for strain in STRAINS])
        return nonlinear_section(curve, points, engine().template)


def strength_of(points: Floats, stress: StressOutcome, bone: ElementBone, load_newton: float) -> Strength:
    """Return stiffness and strength of the compression, and the yield ratio of the whole load."""
    template, solved = engine().template, stress.solved
    assert solved is not None
    whole, compressed = stress.field.displacement, (solved.compression or solved.solution.field).displacement
    assert whole is not None
    assert compressed is not None
    strength = measure_strength(points, compressed, template, bone, load_newton)
    if solved.compression is not None:
        return strength.beyond_yield_under(points, whole, template, bone)
    return strength if solved.travel_mm is None else strength.pressed_by(solved.travel_mm, load_newton)
