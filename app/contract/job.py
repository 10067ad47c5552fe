"""The JSON of a job, as a client receives it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.contract.params import JobParams
from app.contract.problem import Problem

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]

EXAMPLE_ID = "6f1c0c2f9b8e4d0a8a52b1f2c3d4e5f6"
JOBS_PATH = "/v1/jobs"


class InputFile(BaseModel):
    """An input file, unchanged."""

    size: int = Field(description="Size in bytes.", examples=[18_223_104])
    sha256: str = Field(description="SHA-256 of the bytes, hex.", examples=["9f86d081884c7d65" * 4])


class JobInput(BaseModel):
    """The input files of a job."""

    ct: InputFile = Field(
        description="The CT volume. Of one in an archive it is the reference to it until a worker has fetched it, then "
        "the zip of its DICOM files."
    )
    mask: InputFile | None = Field(description="The vertebra mask; null if the client sent none.")
    archive: str | None = Field(
        description="Name of the DICOMweb archive from which the CT comes; null if the client sent it.",
        examples=["pacs"],
        default=None,
    )


class JobLinks(BaseModel):
    """Paths on this server that belong to the job."""

    self: str = Field(description="This job.", examples=[f"{JOBS_PATH}/{EXAMPLE_ID}"])
    results: str | None = Field(
        description="The files that the job has published: the results once it has succeeded, or the pictures that "
        "explain why it failed. Null while there are none."
    )
    page: str = Field(description="Web page of the job, for a person.", examples=[f"/jobs/{EXAMPLE_ID}"])


class Job(BaseModel):
    """A job: one vertebra of one CT, or several."""

    id: str = Field(description="Identifier, 32 hex digits.", examples=[EXAMPLE_ID])
    name: str | None = Field(description="The name that the client gave it; null without one.", examples=["case 17"])
    labels: dict[str, str] = Field(
        description="The labels that the client gave it; empty without any.", examples=[{"study": "spine-2026"}]
    )
    state: JobState = Field(
        description="`queued` -> `running` -> `succeeded`, `failed` or `cancelled`. A failed job has an `error`, and "
        "may have pictures that explain it: then `links.results` is set."
    )
    stage: str | None = Field(description="Current stage of a running job, e.g. `morph`.", examples=["solve"])
    level: str | None = Field(
        description="The level that a running job with several works on, of two the one that told last; null in stages "
        "that they share, and for a job of one.",
        examples=["L2"],
    )
    vertebra: str | None = Field(
        description="Level of the vertebra as `report.json` has it, also where the mask tells it; `unknown` where "
        "nothing does. Null until the job has succeeded, and for a job of several levels.",
        examples=["L1"],
        default=None,
    )
    levels_done: list[str] | None = Field(
        description="Of a job with several levels those that have an answer, from top to bottom; null for a job of "
        "one, and while there is none.",
        examples=[["T12", "L1", "L2"]],
    )
    percent: float = Field(ge=0, le=100, description="Progress of the whole job, percent (%).")
    queue_place: int | None = Field(
        description="Place of a job that waits: 1 starts next, as things are; tenants take turns. Null in other "
        "states, after a passing fault, and where it is not known.",
        examples=[3],
    )
    seconds_left: int | None = Field(
        description="About how many seconds it is until the job ends, the wait in the queue included: by the times "
        "that the stages of recent jobs like it took, and the jobs before it. Null where that is not known, e.g. "
        "before three such jobs have succeeded, or where the job is slower than they were.",
        examples=[25],
    )
    attempt: int = Field(
        description="Number of attempts so far. The job of a dead worker gets a new attempt. One that a planned stop "
        "or a passing fault ended does not count."
    )
    max_attempts: int = Field(description="Attempts after which the job fails with `attempts_exhausted`.")
    created_at: datetime = Field(description="When the gateway accepted the job, UTC.")
    started_at: datetime | None = Field(description="When the current or last attempt began, UTC.")
    finished_at: datetime | None = Field(description="When the job succeeded, failed or was cancelled, UTC.")
    retry_of: str | None = Field(description="Id of the job whose files this one runs again; null for a submission.")
    corrects: str | None = Field(
        description="Id of the job whose outline the mask of this one corrects; null if nobody sent a mask for that."
    )
    params: JobParams = Field(description="The parameters, including defaults.")
    input: JobInput = Field(description="Size and hash of the input files.")
    timings: dict[str, float] = Field(description="Time of each stage, seconds (s); empty until the job has succeeded.")
    warnings: list[str] | None = Field(
        description="What a reader should know before using the numbers, the most important first: the `warnings` of "
        "`report.json`. Null until the job has succeeded."
    )
    bundle_version: str | None = Field(description="Version of the model bundle that computed the results.")
    error: Problem | None = Field(
        description="Why the job failed, as RFC 9457 problem details. Of a queued job: the passing fault, such as a "
        "full disk, after which it waits for its next attempt."
    )
    request_id: str | None = Field(description="Id of the request that submitted the job; log lines name it.")
    callback_url: str | None = Field(description="Where the service tells that the job has ended; null if nowhere.")
    links: JobLinks = Field(description="Paths that belong to the job.")


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[Job] = Field(description="The jobs.")
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")
