"""The JSON of a job's results, as a client receives it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.contract.job import EXAMPLE_ID, JOBS_PATH


class Result(BaseModel):
    """One result file."""

    name: str = Field(
        description="File name; of a job with several levels after the folder of its level, such as `L2/stress.vtu`.",
        examples=["stress.vtu"],
    )
    media_type: str = Field(description="Media type.", examples=["application/vnd.vtk.vtu"])
    size: int = Field(description="Size in bytes.", examples=[15_500_000])
    sha256: str = Field(description="SHA-256 of the bytes, hex; also the ETag.")
    url: str = Field(
        description="Path of the file on this server.", examples=[f"{JOBS_PATH}/{EXAMPLE_ID}/results/stress.vtu"]
    )


class ResultList(BaseModel):
    """The results of a job; of a failed job, the pictures that explain why."""

    job_id: str = Field(description="The job.", examples=[EXAMPLE_ID])
    results: list[Result] = Field(description="Every file that the job has published.")
    zip_url: str = Field(
        description="Path of all these files as one ZIP file.", examples=[f"{JOBS_PATH}/{EXAMPLE_ID}/results.zip"]
    )
