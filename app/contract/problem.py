"""RFC 9457 problem details as a client receives them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from app.contract.errors import PROBLEM_BASE, all_errors


class Problem(BaseModel):
    """RFC 9457 problem details (media type `application/problem+json`).

    Some types have more members; `GET /problems` describes them. Where the networks looked for a vertebra, `row` lists
    the bodies that they found, and `pictures` names the pictures among the job's results.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="URI of the type of problem; `GET` it for a description. A job's `error` has a type that input or "
        "computation can cause; each route lists the types of its responses.",
        json_schema_extra={"enum": [PROBLEM_BASE + error.slug for error in all_errors()]},
    )
    title: str = Field(description="The type of problem in a few words.")
    status: int = Field(description="HTTP status code. For a failed job: the status that a response would have.")
    detail: str = Field(description="What happened in this case and what to do next.")
    expected: str | None = Field(default=None, description="The condition that the service checked.")
    got: str | None = Field(default=None, description="The value that the service found.")
    instance: str | None = Field(default=None, description="Path of the request that met the problem.")
    request_id: str | None = Field(default=None, description="Id of that request, which the service's log lines name.")
