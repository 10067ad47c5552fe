"""``/problems``: what each problem type means, taken from the exception tree itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.problem_details import documented
from app.contract.errors import PROBLEM_BASE, InvalidParameters, NotFound, VertebraError, all_errors

router = APIRouter(prefix=PROBLEM_BASE.rstrip("/"), tags=["problems"])


class ProblemType(BaseModel):
    """A kind of problem."""

    type: str = Field(description="The URI that problem details carry as `type`.", examples=["/problems/bad_spacing"])
    slug: str = Field(description="Its last part.", examples=["bad_spacing"])
    title: str = Field(description="The title that problem details carry.")
    status: int = Field(description="HTTP status code.")
    description: str = Field(description="When it happens.")


class ProblemTypes(BaseModel):
    """Every kind of problem."""

    problems: list[ProblemType] = Field(description="In the order of the exception tree.")


@router.get("", summary="List problem types")
def list_problem_types() -> ProblemTypes:
    """Return every problem type this server can answer with."""
    return ProblemTypes(problems=[_describe(error) for error in all_errors()])


@router.get("/{slug}", summary="Describe a problem type", responses=documented(NotFound, InvalidParameters))
def get_problem_type(
    slug: Annotated[str, Path(description="Last part of the type.", examples=["bad_spacing"])],
) -> ProblemType:
    """Return what a problem type means."""
    for error in all_errors():
        if error.slug == slug:
            return _describe(error)
    raise NotFound("There is no such problem type. All of them are at /problems.", got=slug[:60])


def _describe(error: type[VertebraError]) -> ProblemType:
    return ProblemType(
        type=PROBLEM_BASE + error.slug,
        slug=error.slug,
        title=error.title,
        status=error.status,
        description=" ".join((error.__doc__ or "").split()),
    )
