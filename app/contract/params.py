"""The parameters of a job: what a client may request."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app.contract.bone import BoneMaterial, Calibration, DensityLaw, StrengthModel
from app.contract.dicom_series import AskedSeries
from app.contract.levels import LEVELS, UNIQUE, AskedLevels, EachOnce, Vertebra
from app.contract.moments import Moments
from app.contract.numbering import MaskConvention

__all__ = ["LEVELS", "Vertebra"]

ReportedLevel = Literal["T11", "T12", "L1", "L2", "L3", "L4", "L5", "unknown"]
"""A level, or `unknown`: that of a mask of which nobody and nothing says it."""
DEFAULT_VERTEBRA: Vertebra = "L1"
"""What the service looks for in a CT without a mask."""
DEFAULT_LOAD_NEWTON = 500.0
"""The paper's (section II.A)."""
Fidelity = Literal["surrogate", "fe", "both"]
Surrogate = Literal["refined", "tangent", "paper"]
LoadCase = Literal["traction", "plates", "caps"]
OnOutOfDistribution = Literal["flag", "fe"]
OnUncertainLevel = Literal["refuse", "flag"]
OnUncertainOutline = Literal["flag", "refuse"]
ResultName = Literal[
    "stress.vtu", "surface.vtp", "mask.nii.gz", "report.json", "preview.png", "report.pdf", "viewer.html",
    "spine.png", "surface.stl", "surface.ply", "surface.glb", "segmentation.dcm", "measurements.dcm", "report.dcm",
]  # fmt: skip
ON_REQUEST: tuple[ResultName, ...] = ("surface.stl", "surface.ply", "surface.glb")
"""Results that a job makes only where `results` names them: other forms of what the usual ones hold."""
DICOM_RESULTS: tuple[ResultName, ...] = ("segmentation.dcm", "measurements.dcm", "report.dcm")
"""Results of a CT that came as DICOM, in its study."""

CONTRACT = 14
"""Version of `JobParams`, written to each job's row. Raise it by one whenever a field or a value is added or changes
its meaning: a worker of an older release then leaves the job to newer ones. Every later version reads the rows of all
earlier ones, so a field that is removed or renamed needs a step that translates them."""

LARGEST_COORDINATE_MM = 1e5
"""No scanner's world coordinate comes near 100 m, so a larger one is a mistake in the unit."""

LONGEST_DEADLINE_S = 24 * 3600
"""A day: no job that makes sense takes longer."""

Coordinate = Annotated[float, Field(ge=-LARGEST_COORDINATE_MM, le=LARGEST_COORDINATE_MM, allow_inf_nan=False)]


class JobParams(BaseModel):
    """Parameters of a job. The client sends them as the JSON form field ``params``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    vertebra: AskedLevels = Field(
        default=None,
        description="Level to analyse; one template, an L1, is fitted to every level from T11 to L5. Without a mask "
        "the service looks for this level, L1 by default. With a mask it is what the client says of the vertebra; left "
        "out, the level is what the label stands for, or `unknown` where the mask does not tell. With a list of levels "
        "or with `all` one job analyses each: `summary.json` lists them, and each has its results in a folder of its "
        "own, e.g. `L2/stress.vtu`. A level that is refused does not fail the others.",
    )
    mask_label: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Label value of the vertebra in `mask`. Not needed when the mask holds a single label, or when "
        "`vertebra` names the level and the labels follow a convention that the service knows.",
    )
    mask_convention: Literal["auto", MaskConvention] = Field(
        default="auto",
        description="Which number stands for which level in `mask`: `verse` (L1 = 20, L5 = 24), `totalsegmentator_v2` "
        "(L1 = 31, L5 = 27), `totalsegmentator_v1` (L1 = 22, L5 = 18; MONAI's whole-body bundle too) or "
        "`totalspineseg` (L1 = 41, L5 = 45). `auto` tells it by which way the labels run along the spine, how far they "
        "lie apart and how large they are; the report says which was taken and why.",
    )
    seed_ras_mm: Annotated[list[Coordinate], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        description="A point in the vertebra, world RAS+ in mm, instead of a mask. The service segments the vertebra "
        "around this point and takes it for `vertebra`, without a search.",
    )
    series_uid: AskedSeries | None = Field(
        default=None,
        description="Which DICOM series to read, where several are sent: its SeriesInstanceUID, or the `id` that the "
        "report or the problem `series_ambiguous` lists. The service keeps a hash of it alone. By default it takes the "
        "CT series that fits best.",
    )
    load_newton: float = Field(
        default=DEFAULT_LOAD_NEWTON,
        gt=0.0,
        le=10_000.0,
        allow_inf_nan=False,
        description="Total compressive load on the superior endplate, along the cranio-caudal axis, in newton.",
    )
    body_weight_kg: float | None = Field(
        default=None,
        ge=20.0,
        le=300.0,
        allow_inf_nan=False,
        description="Body weight, kg, instead of `load_newton`: the load is then the weight of head, arms and trunk "
        "above the level (37 % of the body at L1), body upright. Muscle forces are not in it; they about double it in "
        "standing. The level must be known.",
    )
    load_case: LoadCase = Field(
        default="traction",
        description="How the load is brought in: `traction` presses evenly on the superior endplate, as published; "
        "`plates` moves a rigid plate that sticks to it along the axis until it bears the load; "
        "`caps` does so through caps of bone cement on both endplates, as a testing machine. The inferior endplate, or "
        "the outer face of its cap, is clamped. Most published strengths are of `plates` or `caps`; their stress is "
        "solved with finite elements.",
    )
    moments: Moments | None = Field(
        default=None,
        description="Moments about the middle of the superior endplate beside the load, N mm: `flexion` bends forward, "
        "`lateral` to the right; negative ones the other way. They need the load case `traction` and are solved with "
        "finite elements. Stiffness and strength stay those of the compression alone.",
    )
    fidelity: Fidelity = Field(
        default="surrogate",
        description="How the stress is computed: `surrogate` predicts it in well under a second, `fe` solves the "
        "finite-element problem, `both` does both. `both` adds the solution (`von_mises_fe`, `s1_fe` …) and "
        "`von_mises_error` to the VTK files, and the agreement to the report.",
    )
    surrogate: Surrogate = Field(
        default="refined",
        description="Surrogate that predicts the stress: `refined` (the tangent prediction, then a few cycles of the "
        "solver, with a bound of the error), `tangent` (the prediction alone) or `paper` (PointNet, random forests and "
        "decoders, as published).",
    )
    on_out_of_distribution: OnOutOfDistribution = Field(
        default="flag",
        description="What to do when the shape is out of distribution, i.e. the expected error is above the limit: "
        "`flag` says so in the report, `fe` solves instead. Fidelity `both` solves anyway. The surrogate `refined` is "
        "never out of distribution: its error has a bound.",
    )
    material: BoneMaterial = Field(
        default="homogeneous",
        description="What the bone is made of: `homogeneous` (E 500 MPa everywhere, as published), or `density`: each "
        "element's modulus follows from the CT. The stress is then solved with finite elements. Research: it is "
        "neither a diagnosis nor a prediction of fracture.",
    )
    calibration: Calibration | None = Field(
        default=None,
        description='How density follows from HU; `density` needs it. `{"kind": "phantom", "slope": 0.75, "intercept": '
        '-4.0, "measure": "k2hpo4"}` is a phantom\'s, mg/cm³ = slope x HU + intercept. `{"kind": "internal"}` '
        'takes fat, muscle, blood and air of the scan itself. `{"kind": "none"}` says that there is none: a default is '
        "used, and everything that follows from it is marked uncalibrated.",
    )
    density_law: DensityLaw = Field(
        default="kopperdahl_2002",
        description="Law from density to Young's modulus: `kopperdahl_2002`, `crawford_2003`, `morgan_2003` (vertebral "
        "trabecular bone) or `keyak_2003` (femora, cortical bone too). Results of different laws differ up to twofold.",
    )
    strength: StrengthModel = Field(
        default="linear",
        description="How strong the vertebra is: `linear` estimates it from the linear solution, `nonlinear` also "
        "crushes the bone between plates until it gives way, which takes about half a minute; `density` only.",
    )
    on_uncertain_level: OnUncertainLevel = Field(
        default="refuse",
        description="What to do where the networks do not see the ribs or the sacrum that settle which level a "
        "vertebra is: `refuse` ends the job with an error that lists the candidates, `flag` answers with a level that "
        "the report marks as not verified.",
    )
    on_uncertain_outline: OnUncertainOutline = Field(
        default="flag",
        description="What to do where the expected error that the outline adds is above the limit: `flag` says so in "
        "the report, `refuse` ends the job with an error. A mask that was sent counts as exact.",
    )
    deadline_s: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST_DEADLINE_S,
        description="Longest run of an attempt, in seconds; a job that runs longer fails with `deadline_exceeded`. The "
        "server's own limit, the default, bounds it.",
    )
    results: Annotated[list[ResultName], EachOnce, Field(json_schema_extra=UNIQUE)] | None = Field(
        default=None,
        description='Result files that the job makes, e.g. `["stress.vtu"]`; by default all but `surface.stl`, '
        "`surface.ply` and `surface.glb`. `report.json` is always made. What is left out costs no time and no storage. "
        "A refused job has its pictures in any case.",
    )

    store_to: str | None = Field(
        default=None,
        max_length=40,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Name of a DICOMweb server of the operator's settings, such as `pacs`: the job stores its DICOM "
        "results there (STOW-RS), in the study of the CT. A CT that did not come as DICOM, or a server that does not "
        "take them, is a warning of the job.",
    )

    def wants(self, name: ResultName) -> bool:
        """Whether the job makes this result file."""
        if self.store_to and name in DICOM_RESULTS:
            return True
        if self.results is None:
            return name not in ON_REQUEST
        return name == "report.json" or name in self.results

    @model_validator(mode="after")
    def _check_one_level(self) -> Self:
        if self.has_folders and (self.seed_ras_mm is not None or self.mask_label is not None):
            raise PydanticCustomError(
                "one_level", "`seed_ras_mm` and `mask_label` name one vertebra, so `vertebra` should be one level"
            )
        return self

    @model_validator(mode="after")
    def _check_bone(self) -> Self:
        if self.material == "homogeneous" and self.calibration is not None:
            raise PydanticCustomError("calibration", '`calibration` needs `"material": "density"`')
        if self.material == "homogeneous" and self.strength == "nonlinear":
            raise PydanticCustomError("strength", '`"strength": "nonlinear"` needs `"material": "density"`')
        if self.material == "density" and self.calibration is None:
            raise PydanticCustomError(
                "calibration",
                '`"material": "density"` needs a `calibration`: that of a phantom, `{"kind": "internal"}`, or '
                '`{"kind": "none"}`',
            )
        if self.must_solve and (self.surrogate != "refined" or self.fidelity == "both"):
            raise PydanticCustomError(
                "solved",
                "the surrogates `tangent` and `paper` and the fidelity `both` need homogeneous bone under traction: "
                'with `"material": "density"`, another `load_case` or `moments` the stress is solved',
            )
        return self

    @model_validator(mode="after")
    def _check_load(self) -> Self:
        if self.body_weight_kg is not None and self.load_newton != DEFAULT_LOAD_NEWTON:
            raise PydanticCustomError("one_load", "`load_newton` and `body_weight_kg` exclude each other: send one")
        if self.moments is not None and self.load_case != "traction":
            raise PydanticCustomError("moments", '`moments` need `"load_case": "traction"`: plates do not turn')
        return self

    @property
    def must_solve(self) -> bool:
        """Whether no surrogate knows the problem: bone of its own density, plates, caps, or moments."""
        return self.material == "density" or self.load_case != "traction" or self.moments is not None

    @property
    def has_folders(self) -> bool:
        """Whether the job asks for several levels, each with a folder of results: `all` or a list, also one of one."""
        return self.vertebra is not None and self.vertebra not in LEVELS

    @property
    def vertebra_stated(self) -> Vertebra | None:
        """The one level that the client states; None where it states none, or several."""
        return next((level for level in LEVELS if level == self.vertebra), None)

    @property
    def vertebra_sought(self) -> Vertebra:
        """The level to look for in a CT without a mask, of a job of one level."""
        return self.vertebra_stated or DEFAULT_VERTEBRA

    def by_level(self) -> dict[Vertebra, JobParams]:
        """Return the parameters of a job of each level that this one asks for, from top to bottom.

        A job that states no level has one entry, its own parameters, under the level that is looked for.
        """
        if not self.has_folders:
            return {self.vertebra_sought: self}
        asked = [level for level in LEVELS if self.vertebra == "all" or level in (self.vertebra or ())]
        return {level: self.model_copy(update={"vertebra": level}) for level in asked}

    def for_upload(self, has_mask: bool) -> JobParams:
        """Return the parameters of a job with these files: without a mask the level is never left open."""
        if has_mask or self.vertebra is not None:
            return self
        return self.model_copy(update={"vertebra": self.vertebra_sought})

    def stored(self) -> dict[str, Any]:
        """Return the JSON for the job's row. It leaves out what is null, so older releases can read what they know."""
        return self.model_dump(mode="json", exclude_none=True)


def read_params(stored: dict[str, Any], contract: int) -> JobParams:
    """Return the parameters of a job's row. Of a newer contract than this release's they are what it knows of them."""
    if contract <= CONTRACT:
        return JobParams.model_validate(stored)
    return JobParams.model_construct(**{name: stored[name] for name in JobParams.model_fields if name in stored})
