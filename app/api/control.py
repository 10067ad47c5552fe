"""``/v1/jobs/{id}/cancel``: stop a job that has not ended."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request

from app.api import audit
from app.api.auth import AUTH_ERRORS, SubmitTenant
from app.api.job_json import job_from_row
from app.api.jobs import JobId, find_job
from app.api.problem_details import error_responses
from app.api.services import ServicesDep
from app.contract.errors import InvalidParameters, JobEnded, JobNotFound
from app.contract.job import JOBS_PATH, Job

log = logging.getLogger(__name__)
router = APIRouter(prefix=JOBS_PATH, tags=["jobs"])


@router.post(
    "/{job_id}/cancel",
    summary="Cancel a job",
    responses=error_responses(*AUTH_ERRORS, JobNotFound, JobEnded, InvalidParameters),
)
def cancel_job(job_id: JobId, request: Request, services: ServicesDep, tenant: SubmitTenant) -> Job:
    """Stop a queued or running job. It stays visible in the state `cancelled`, and its worker is free within 2 s.

    A job that is cancelled already stays so.
    """
    find_job(services, tenant, job_id)
    audit.record(request, services, "cancel", job_id)
    was_open = services.store.cancel(tenant, job_id)
    row = find_job(services, tenant, job_id)
    if row.state != "cancelled":
        raise JobEnded(
            "The job has ended, so there is nothing to cancel. DELETE removes it.",
            expected="a job that is queued or running",
            got=row.state,
        )
    if was_open:
        log.info("job %s cancelled", job_id)
    return job_from_row(row, services.settings)
