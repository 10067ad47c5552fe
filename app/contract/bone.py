"""The patient's own bone: what a client may say of a CT's calibration, and the report's section on density."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.contract.section import Number, Positive, Section, Share

BoneMaterial = Literal["homogeneous", "density"]
DensityLaw = Literal["kopperdahl_2002", "crawford_2003", "morgan_2003", "keyak_2003"]
StrengthModel = Literal["linear", "nonlinear"]
PhantomMeasure = Literal["k2hpo4", "hydroxyapatite"]
InternalMethod = Literal["michalski_2020", "water_line"]


class PhantomCalibration(BaseModel):
    """A calibration that was measured with a phantom."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["phantom"] = Field(description="A phantom calibrated the CT.")
    slope: float = Field(gt=0.0, le=5.0, allow_inf_nan=False, description="Density a HU, mg/cm³ a HU.")
    intercept: float = Field(ge=-500.0, le=500.0, allow_inf_nan=False, description="Density at 0 HU, mg/cm³.")
    measure: PhantomMeasure = Field(
        default="k2hpo4", description="Salt of the phantom: `k2hpo4` or `hydroxyapatite`. The two must not be mixed up."
    )


class NoCalibration(BaseModel):
    """No calibration: a stated default is used, and everything that follows from it is marked uncalibrated."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["none"] = Field(description="Nothing calibrated the CT.")


class InternalCalibration(BaseModel):
    """A calibration with air, fat, muscle and blood of the scan itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["internal"] = Field(description="Tissues of the scan calibrate the CT.")
    method: InternalMethod = Field(
        default="michalski_2020",
        description="`michalski_2020`: as published, comparable with published tables of it; reads higher than a "
        "phantom where bone is sparse. `water_line`: K2HPO4 in water at the effective energy, as a liquid phantom.",
    )


Calibration = Annotated[PhantomCalibration | InternalCalibration | NoCalibration, Field(discriminator="kind")]
CALIBRATION_KINDS: tuple[str, ...] = tuple(
    get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Calibration)[0])
)
"""What a client may name as the kind of a calibration."""

OSTEOPOROTIC_MG_CM3, LOW_MG_CM3 = 80.0, 120.0
"""Trabecular density of the spine: reference lines of the American College of Radiology (ACR-SPR-SSR practice parameter
for quantitative CT): osteoporosis below the first, low bone mass from there to the second."""
FRAGILE_WOMEN_N, FRAGILE_MEN_N = 4500.0, 6500.0
"""Strength at or below which biomechanical CT calls a vertebra fragile, by its own nonlinear model (Kopperdahl et al.,
J Bone Miner Res 29(3), 2014)."""


class TissueReference(Section):
    """A tissue of the scan whose attenuation is known."""

    hounsfield: Number = Field(description="Mode of its cells, HU.")
    spread: Number = Field(description="Standard deviation of its cells of 3 mm, HU.")
    volume_cm3: Positive = Field(description="How much of it was measured, cm³.")
    used: bool = Field(description="False: it was not fitted, as blood with contrast agent is not.")


class InternalFit(Section):
    """What the tissues of the scan say, where they calibrated it."""

    method: InternalMethod = Field(description="From HU to density.")
    references: dict[str, TissueReference] = Field(description="`air`, `adipose`, `muscle`, `blood`, as far as found.")
    effective_energy_kev: Positive = Field(
        description="Effective energy, keV, from the HU of fat; about 57 for 80 kV, 70 for 120 kV."
    )
    fit_energy_kev: Positive = Field(
        description="Energy at which mass attenuation is most nearly linear in HU, keV (Michalski et al. 2020); a "
        "number of the fit, no physical energy."
    )
    r2: Share = Field(description="Coefficient of determination of that line.")
    water_line_density_mg_cm3: Number = Field(
        description="Trabecular density by the `water_line`, whatever the method, mg/cm³ of K2HPO4: what a phantom "
        "would show, as far as the effective energy is right."
    )


class UsedCalibration(Section):
    """How the density follows from the CT."""

    kind: Literal["phantom", "internal", "none"] = Field(
        description="What the client said; `none`: a default was used."
    )
    slope: Positive = Field(
        description="Density a HU, mg/cm³ a HU; of `michalski_2020`, which is curved, the mean from 0 to 200 HU."
    )
    intercept: Number = Field(description="Density at 0 HU, mg/cm³.")
    internal: InternalFit | None = Field(default=None, description="References and fit, where `kind` is `internal`.")
    measure: PhantomMeasure = Field(description="Salt that the slope is of; all densities of the report are K2HPO4.")
    contrast_agent: bool = Field(
        default=False,
        description="There is contrast agent in the blood, or the header names one and no blood was found: the density "
        "is higher than without, and no measurement.",
    )
    tube_voltage_kv: Positive | None = Field(
        default=None,
        description="Tube voltage, kV, as the DICOM headers say; null: not known, as of a NIfTI file, and 120 kV is "
        "presumed.",
    )
    expected_energy_kev: Positive | None = Field(
        default=None,
        description="Effective energy that this voltage lets expect, keV. With `none` the slope is that of K2HPO4 in "
        "water at it; with `internal` the energy is drawn towards it.",
    )
    calibrated: bool = Field(description="False: nothing calibrated this CT, so every density and modulus is a guess.")


class RegionBone(Section):
    """Bone of one region, by volume."""

    density_mg_cm3: Number = Field(description="Mean density, mg/cm³ of K2HPO4.")
    young_modulus_mpa: Positive = Field(description="Mean Young's modulus, MPa.")


class StiffnessAndStrength(Section):
    """Stiffness and strength from the linear solution of the job's compression. Research, not diagnosis."""

    stiffness_n_per_mm: Positive = Field(
        description="Load over the mean displacement of the superior endplate along the axis, N/mm; between `caps` "
        "load over the shortening of body and cement. With the load case `traction` about a "
        "tenth softer than between `plates`."
    )
    body_height_mm: Positive = Field(description="Distance of the endplates' middles along the axis, mm.")
    linear_strength_newton: Positive = Field(
        description="0.0068 x stiffness x height, N (Crawford et al. 2003), fitted to vertebrae between plates."
    )
    pistoia_strength_newton: Positive = Field(
        description="Load at which 2 % of the body's volume is strained beyond 0.7 %, N (Pistoia et al. 2002, fitted "
        "to the tissue of distal radii in micro finite elements)."
    )
    load_over_strength: Positive = Field(
        description="The job's compression over the linear strength, no unit; a moment is not in it. Not that of a "
        "daily activity."
    )
    beyond_yield_share: Share = Field(
        description="Share of the body's volume whose von Mises stress is above the yield stress of its density, "
        "37.4 density^1.39 MPa (Kopperdahl et al. 2002, trabecular bone; too low in the cortex), under the job's load."
    )
    fragile_women_newton: Positive = Field(
        description="Line of biomechanical CT for women, N, by its own nonlinear model: the strengths above are not on "
        "that scale and must not be compared with it."
    )
    fragile_men_newton: Positive = Field(description="Line of biomechanical CT for men, N, likewise.")


class CurvePoint(Section):
    """A point of a load-displacement curve."""

    displacement_mm: Positive = Field(description="Way of the superior plate along the axis, mm.")
    force_newton: Positive = Field(description="Its force, N.")


class NonlinearStrength(Section):
    """What the bone bears between plates when it gives way. Research, not diagnosis."""

    strength_newton: Positive = Field(description="Force at `strain_percent`, N.")
    strain_percent: Positive = Field(description="Way of the plate over the body's height, percent.")
    yielded_share: Share = Field(description="Share of the body's volume that is beyond its yield strain then.")
    curve: list[CurvePoint] = Field(description="Force at rising displacements; the last one is the strength.")
    citation: str = Field(description="The law and its source.")


class Bone(Section):
    """The patient's own bone, where the job asked for `"material": "density"`. Research, not diagnosis."""

    law: DensityLaw = Field(description="Law from density to Young's modulus.")
    law_citation: str = Field(description="Its equation and source.")
    calibration: UsedCalibration = Field(description="From HU to density.")
    trabecular_density_mg_cm3: Number = Field(
        description="Mean density of an ellipsoid in the body's interior, clear of shell and basivertebral vein, "
        "mg/cm³ of K2HPO4 (vBMD); without what differs far from most of it, such as a bone island."
    )
    trabecular_hounsfield: Number | None = Field(default=None, description="Mean of the CT there, HU.")
    osteoporotic_mg_cm3: Positive = Field(
        description="Reference line of the ACR for the mean of two lumbar vertebrae: osteoporosis below, mg/cm³."
    )
    low_mg_cm3: Positive = Field(description="The same: low bone mass up to it, mg/cm³.")
    beyond_law_share: Share = Field(
        description="Share of the volume whose density is outside the range on which the law was measured."
    )
    regions: dict[str, RegionBone] = Field(description="Means by anatomical region.")
    strength: StiffnessAndStrength = Field(description="Stiffness and strength under the job's load.")
    nonlinear: NonlinearStrength | None = Field(
        default=None, description='The strength of a nonlinear solution; null without `"strength": "nonlinear"`.'
    )
