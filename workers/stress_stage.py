"""Predict the stress field, or solve for it, or both, as the job asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as default
from typing import Literal

from app.contract.errors import SolveFailed
from app.contract.params import JobParams
from app.contract.report import Agreement, Equilibrium, Prediction
from models.types import Floats
from workers.engine import engine
from workers.fem.field import StressField
from workers.fem.material import Material
from workers.fem.solved_case import SolvedCase
from workers.results.agreement import agreement, solution_arrays
from workers.results.force_balance import force_balance
from workers.results.stressed_mesh import NodalArray
from workers.stage_clock import StageClock

SURROGATE_FAILED = "The surrogate did not converge: the stress was solved with finite elements."
NO_SURROGATE = (
    "The surrogate knows homogeneous bone under an even traction alone: the stress was solved with finite elements."
)
SOLVED_INSTEAD = "The surrogate does not predict this shape well: the stress was solved with finite elements."


@dataclass(frozen=True)
class StressOutcome:
    """The stress field of a job, and what the report says about it.

    Attributes
    ----------
    field
        Nodal stress, MPa.
    fidelity
        What `field` is: a prediction or a solution.
    prediction, agreement
        Expected quality of the prediction; its comparison with a solution.
    equilibrium
        Force balance of the solution.
    solved
        The load case that `field` solves; None where it is predicted.
    extra
        Further nodal arrays for the VTK files.
    warnings
        Sentences for the reader.
    """

    field: StressField
    fidelity: Literal["surrogate", "fe"]
    prediction: Prediction | None = None
    agreement: Agreement | None = None
    equilibrium: Equilibrium | None = None
    solved: SolvedCase | None = None
    extra: dict[str, NodalArray] = default(default_factory=dict)
    warnings: tuple[str, ...] = ()


def compute_stress(
    points: Floats, params: JobParams, clock: StageClock, material: Material | None = None
) -> StressOutcome:
    """Return the stress of a subject's mesh (n, 3) mm, world RAS.

    What no surrogate knows is solved, whatever the fidelity. `material` is of the elements; None: the paper's bone.

    Raises
    ------
    SolveFailed
        The finite-element solution was asked for, or needed, and did not converge.
    """
    if params.must_solve:
        solved = _solve(points, params, clock, material)
        return solved if params.fidelity == "fe" else replace(solved, warnings=(NO_SURROGATE,))
    if params.fidelity == "fe":
        return _solve(points, params, clock)
    try:
        with clock.stage("predict"):
            predicted, prediction = engine().predict_with_error(points, params)
    except SolveFailed:
        return replace(_solve(points, params, clock), warnings=(SURROGATE_FAILED,))
    unusual = prediction.out_of_distribution
    if unusual and params.fidelity == "surrogate" and params.on_out_of_distribution == "fe":
        solved = _solve(points, params, clock)
        return replace(solved, prediction=prediction, warnings=(SOLVED_INSTEAD,))
    warnings = (_out_of_distribution(prediction),) if unusual else ()
    outcome = StressOutcome(predicted, "surrogate", prediction, warnings=warnings)
    return _with_solution(outcome, points, params, clock) if params.fidelity == "both" else outcome


def _out_of_distribution(prediction: Prediction) -> str:
    return (
        "The surrogate does not predict this shape well: expect a mean error of "
        f"{prediction.expected_nmae_percent:.1f} % of the peak, and more at the peak itself. Rely on finite elements."
    )


def _with_solution(outcome: StressOutcome, points: Floats, params: JobParams, clock: StageClock) -> StressOutcome:
    """Return a predicted outcome with the solution beside it, and their agreement."""
    predicted, solved = outcome.field, _solve(points, params, clock)
    return replace(
        outcome,
        agreement=agreement(points, predicted, solved.field),
        equilibrium=solved.equilibrium,
        extra=solution_arrays(predicted, solved.field),
    )


def _solve(points: Floats, params: JobParams, clock: StageClock, material: Material | None = None) -> StressOutcome:
    with clock.stage("solve"):
        solved = engine().solve_case(points, params, material)
    balance = force_balance(solved.solution.reaction, solved.applied, solved.pushed_newton)
    return StressOutcome(solved.solution.field, "fe", equilibrium=balance, solved=solved)
