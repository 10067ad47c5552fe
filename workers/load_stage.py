"""The load of one vertebra, where it follows from the body weight."""

from __future__ import annotations

from app.contract.errors import LevelUnknown
from app.contract.load import BodyWeight
from app.contract.params import JobParams, ReportedLevel


def with_load(params: JobParams, level: ReportedLevel) -> tuple[JobParams, BodyWeight | None]:
    """Return the parameters with the load of a level, N, and what that follows from; None where the job has a force.

    Raises
    ------
    LevelUnknown
        The load follows from the level, which nothing tells.
    """
    if params.body_weight_kg is None:
        return params, None
    if level == "unknown":
        raise LevelUnknown(
            "The load is the weight of the body above the vertebra, and neither the request nor the mask says which "
            "vertebra it is. Send `vertebra`, or `load_newton` instead of `body_weight_kg`.",
            expected="a level from T11 to L5",
            got="a mask whose label stands for no level",
        )
    above = BodyWeight.above(level, params.body_weight_kg)
    return params.model_copy(update={"load_newton": above.newton}), above
