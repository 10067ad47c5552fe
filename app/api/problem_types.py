"""``/problems``: what each problem type means, from the docstrings of the error classes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.problem_details import describe_error, error_responses
from app.api.services import Services, ServicesDep
from app.contract.errors import PROBLEM_BASE, InvalidParameters, NotFound, VertebraError, all_errors

router = APIRouter(prefix=PROBLEM_BASE.rstrip("/"), tags=["problems"])


class ProblemDescription(BaseModel):
    """A type of problem."""

    type: str = Field(description="The `type` in problem details, a URI.", examples=["/problems/bad_spacing"])
    slug: str = Field(description="Last part of the URI.", examples=["bad_spacing"])
    title: str = Field(description="The title in problem details.")
    status: int = Field(description="HTTP status code.")
    description: str = Field(description="When it happens.")


class ProblemTypes(BaseModel):
    """Every type of problem."""

    problems: list[ProblemDescription] = Field(description="The types, in the order of the error tree.")


@router.get("", summary="List problem types")
def list_problem_types(services: ServicesDep) -> ProblemTypes:
    """Return every problem type that this server can report."""
    return ProblemTypes(problems=[_describe(error, services) for error in all_errors()])


@router.get("/{slug}", summary="Describe a problem type", responses=error_responses(NotFound, InvalidParameters))
def get_problem_type(
    services: ServicesDep,
    slug: Annotated[str, Path(description="Last part of the type's URI.", examples=["bad_spacing"])],
) -> ProblemDescription:
    """Return what a problem type means."""
    for error in all_errors():
        if error.slug == slug:
            return _describe(error, services)
    raise NotFound("There is no such problem type. /problems lists all of them.", got=slug[:60])


def _describe(error: type[VertebraError], services: Services) -> ProblemDescription:
    return ProblemDescription(
        type=services.settings.public_path(PROBLEM_BASE + error.slug),
        slug=error.slug,
        title=error.title,
        status=error.status,
        description=describe_error(error),
    )
