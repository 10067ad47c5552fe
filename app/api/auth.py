"""Authentication and scopes of the routes: a credential names a tenant and what it may do.

A route says which scope it needs by the type of its parameter: `ReadTenant`, `SubmitTenant` or `AdminTenant`. Each is
the name of the tenant whose jobs the request may touch. ``request.state.principal`` has the whole `Principal`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool

from app.api.services import Services, ServicesDep
from app.contract.errors import Forbidden, TooManyGuesses, Unauthorized
from app.identity.authenticator import unauthorized
from app.identity.principal import Principal

AUTH_ERRORS = (Unauthorized, Forbidden, TooManyGuesses)
"""What every route that needs a credential may answer."""

_bearer = HTTPBearer(auto_error=False, description="The API key as a bearer token.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key in its own header.")


async def get_tenant(
    request: Request,
    needed: SecurityScopes,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> str:
    """Return the tenant of the request.

    Raises
    ------
    Unauthorized
        The request has no good credential.
    TooManyGuesses
        Too many wrong credentials came from the client, or from all.
    Forbidden
        The credential does not have the scopes that the route needs.
    """
    sent = bearer.credentials if bearer else header
    principal = await _principal(request, services, sent)
    missing = [scope for scope in needed.scopes if scope not in principal.scopes]
    if missing:
        raise Forbidden(
            "Your credential may not do this. Ask the operator for one with the scope that this route needs.",
            expected=f"the scope {', '.join(missing)}",
            got=", ".join(sorted(principal.scopes)),
        )
    request.state.principal = principal
    return principal.tenant


async def _principal(request: Request, services: Services, sent: str | None) -> Principal:
    authenticator = services.authenticator
    if not sent:
        if authenticator.anonymous is None:
            raise unauthorized("no key")
        return authenticator.anonymous
    known = authenticator.cached(sent)  # here, not in a thread: most requests end with this look
    if known is not None:
        return known
    return await run_in_threadpool(authenticator.authenticate, sent, client_address(request))


def client_address(request: Request) -> str:
    """Return the address of the client; behind a trusted proxy the server has read it from its headers."""
    return request.client.host if request.client else "unknown"


ReadTenant = Annotated[str, Security(get_tenant, scopes=["read"])]
SubmitTenant = Annotated[str, Security(get_tenant, scopes=["submit"])]
AdminTenant = Annotated[str, Security(get_tenant, scopes=["admin"])]
