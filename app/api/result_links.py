"""Signed links to result files: a route that makes one, and the tenant of a request that uses one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, SecurityScopes
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.api import audit
from app.api.auth import (
    AUTH_ERRORS,
    PrincipalDep,
    ReadTenant,
    bearer_scheme,
    client_address,
    find_principal,
    get_tenant,
    header_scheme,
)
from app.api.jobs import AnyJobId, JobId, find_job, job_not_found
from app.api.problem_details import error_responses
from app.api.published_files import find_file
from app.api.result_names import ResultName
from app.api.services import Services, ServicesDep
from app.contract.errors import InvalidParameters, JobNotFinished, JobNotFound, LinkRefused, ResultNotFound
from app.contract.job import EXAMPLE_ID, JOBS_PATH
from app.identity.authenticator import too_many_guesses
from app.identity.key_text import digest
from app.identity.principal import CredentialRefusedError, Principal
from app.identity.result_link import ResultLink, key_id_of_principal
from app.identity.signing import LONGEST_LINK_S
from app.identity.throttle import Attempt

router = APIRouter(prefix=JOBS_PATH, tags=["results"])

SHORTEST_LINK_S = 60
USUAL_LINK_S = 3600
LinkSeconds = Annotated[
    int, Query(ge=SHORTEST_LINK_S, le=int(LONGEST_LINK_S), description="How long the link lasts, seconds.")
]
ARCHIVE_NAME = "results.zip"
"""What a link to all results names; no result file has this name."""


class SignedLink(BaseModel):
    """A link that opens one result file, or the archive of all, without a credential."""

    url: str = Field(
        description="Path and query on this server; who has it can read the file.",
        examples=[f"{JOBS_PATH}/{EXAMPLE_ID}/results/stress.vtu?expires=1790000000&key=…&secret=…&signature=…"],
    )
    expires_at: datetime = Field(description="When the link ends, UTC. It ends earlier with the job or with your key.")


@router.post(
    "/{job_id}/results/{name:result}/link",
    status_code=201,
    summary="Make a link to a result",
    responses={
        201: {"description": "The link is made."},
        **error_responses(*AUTH_ERRORS, JobNotFound, ResultNotFound, JobNotFinished, InvalidParameters),
    },
)
def make_link(
    job_id: JobId,
    name: ResultName,
    request: Request,
    services: ServicesDep,
    tenant: ReadTenant,
    principal: PrincipalDep,
    lasts_s: LinkSeconds = USUAL_LINK_S,
) -> SignedLink:
    """Return a signed link that a program without headers can read, such as ParaView or wget. It takes ranges too.

    The link ends at its time, when the job is deleted, or when the API key that asked for it ends.
    """
    find_file(find_job(services, tenant, job_id), name)
    audit.record(request, services, "make_link", job_id, name)
    return sign_link(services, principal, (job_id, name), lasts_s)


def sign_link(services: Services, principal: Principal, what: tuple[str, str], lasts_s: int) -> SignedLink:
    """Return a signed link to `what`, a job and the name of its result or `ARCHIVE_NAME`, for so many seconds."""
    job_id, name = what
    expires = int(time.time()) + lasts_s
    link = ResultLink(job_id, name, expires, key_id_of_principal(principal))
    part = name if name == ARCHIVE_NAME else f"results/{quote(name)}"
    path = services.settings.public_path(f"{JOBS_PATH}/{job_id}/{part}")
    url = f"{path}?{urlencode(link.query(services.signer))}"
    return SignedLink(url=url, expires_at=datetime.fromtimestamp(expires, UTC))


async def get_file_tenant(
    request: Request,
    needed: SecurityScopes,
    services: ServicesDep,
    job_id: AnyJobId,
    signature: Annotated[str | None, Query(max_length=64, description="Signature of a signed link.")] = None,
    expires: Annotated[int, Query(ge=0, le=1 << 40, description="End of a signed link, seconds since 1970.")] = 0,
    key: Annotated[str, Query(max_length=12, description="Id of the key that asked for a signed link.")] = "",
    secret: Annotated[str, Query(max_length=8, description="Id of the secret of a signed link.")] = "",
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)] = None,
    header: Annotated[str | None, Security(header_scheme)] = None,
) -> str:
    """Return the tenant of a request for a file, which a credential with the scope `read` or a signed link names.

    The file is that of the path's ``name``; on a route without one, the archive of all.

    Raises
    ------
    LinkRefused
        The link is changed, or has ended.
    TooManyRequests
        The tenant sends more requests than the settings allow; those with its links count too.
    """
    if signature is None:
        return await get_tenant(needed, await find_principal(request, services, bearer, header), services)
    link = ResultLink(job_id, request.path_params.get("name", ARCHIVE_NAME), expires, key)
    tenant = await run_in_threadpool(_open_link, services, link, (secret, signature), client_address(request))
    await services.tenant_rate.take(tenant)
    request.state.principal = Principal(tenant, frozenset({"read"}), f"link:{key}")
    return tenant


def _open_link(services: Services, link: ResultLink, signed: tuple[str, str], address: str) -> str:
    """Return the tenant of the job that a link opens. Wrong signatures count as guesses."""
    throttle = services.authenticator.throttle
    attempt = Attempt(address, digest(signed[1]), is_guessable=False)
    wait_s = throttle.begin(attempt)
    if wait_s:
        raise too_many_guesses(wait_s)
    if not link.is_signed(services.signer, *signed):
        throttle.failed(attempt)
        raise _refused("another link, or one whose secret is gone")
    throttle.succeeded(attempt)
    if time.time() >= link.expires:
        raise _refused(f"a link that ended at {datetime.fromtimestamp(link.expires, UTC):%Y-%m-%d %H:%M:%SZ}")
    try:
        if link.key_id and services.authenticator.keys.find_id(link.key_id) is None:
            raise _refused("a link of a key that is gone")
    except CredentialRefusedError as error:
        raise _refused(f"a link of {error}") from error
    tenant = services.store.tenant_of(link.job_id)
    if tenant is None:
        raise job_not_found()
    return tenant


def _refused(got: str) -> LinkRefused:
    return LinkRefused("Ask for a new link to the file.", expected="a link that this service signed", got=got)


FileTenant = Annotated[str, Security(get_file_tenant, scopes=["read"])]
