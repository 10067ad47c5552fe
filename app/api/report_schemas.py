"""``/v1/schemas``: the JSON schemas of the JSON files among a job's results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from app.api.path_prefix import root_of
from app.api.problem_details import error_responses
from app.contract.errors import InvalidParameters
from app.contract.report import Report
from app.contract.summary import Summary

router = APIRouter(prefix="/v1/schemas", tags=["results"])

SCHEMAS: dict[str, type[BaseModel]] = {"report.json": Report, "summary.json": Summary}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@router.get("/{name}", summary="Schema of a JSON result", responses=error_responses(InvalidParameters))
def get_schema(
    name: Annotated[Literal["report.json", "summary.json"], Path(description="Name of the result.")], request: Request
) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a JSON file among a job's results: every field with its unit."""
    path = f"{root_of(request.scope)}/v1/schemas/{name}"
    return {"$schema": DIALECT, "$id": path} | SCHEMAS[name].model_json_schema(mode="serialization")
