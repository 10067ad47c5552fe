"""The JSON schema of a job's parameters, as the API description has it within its request bodies."""

from __future__ import annotations

from typing import Any

from app.contract.params import JobParams


def params_schema() -> dict[str, Any]:
    """Return the schema; the models within it are those of the API description, which has them for its answers too."""
    schema = JobParams.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs")
    return schema
