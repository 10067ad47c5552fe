"""Authentication and scopes of the routes: a credential names a tenant and what it may do.

A route says which scope it needs by the type of its parameter: `ReadTenant`, `SubmitTenant` or `AdminTenant`. Each is
the name of the tenant whose jobs the request may touch. ``request.state.principal`` has the whole `Principal`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool

from app.api.services import Services, ServicesDep
from app.api.session_cookie import check_page, session_text
from app.contract.errors import (
    Forbidden,
    ForeignPage,
    IdentityUnavailable,
    RequestError,
    TooManyGuesses,
    TooManyRequests,
    Unauthorized,
)
from app.identity.authenticator import Authenticator, unauthorized
from app.identity.principal import Principal

AUTH_ERRORS = (Unauthorized, Forbidden, ForeignPage, TooManyGuesses, TooManyRequests, IdentityUnavailable)
"""What every route that needs a credential may answer."""

bearer_scheme = HTTPBearer(auto_error=False, description="An API key, or a token of the identity provider.")
header_scheme = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key in its own header.")


async def find_principal(
    request: Request,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
    header: Annotated[str | None, Security(header_scheme)],
) -> Principal:
    """Return who sends the request: by a key in a header, or else by the session cookie, or else whoever it is.

    Raises
    ------
    Unauthorized
        The request has no good credential, and the service is not open.
    TooManyGuesses
        Too many wrong credentials came from the client, or from all.
    ForeignPage
        The request has a session, but does not come from a page of this server.
    IdentityUnavailable
        The credential is a token, and the identity provider does not answer.
    """
    authenticator = services.authenticator
    sent = bearer.credentials if bearer else header
    principal = await (_by_key(request, authenticator, sent) if sent else _by_session(request, authenticator))
    request.state.principal = principal
    return principal


async def _by_key(request: Request, authenticator: Authenticator, sent: str) -> Principal:
    known = authenticator.cached(sent)  # here, not in a thread: most requests end with this look
    if known is not None:
        return known
    return await run_in_threadpool(authenticator.authenticate, sent, client_address(request))


async def _by_session(request: Request, authenticator: Authenticator) -> Principal:
    text = session_text(request)
    principal = None
    if text is not None:
        principal = authenticator.cached_session(text) or await run_in_threadpool(authenticator.in_session, text)
    if text is not None and principal is not None:
        check_page(request, text)
        return principal
    if authenticator.anonymous is None:
        raise unauthorized("no credential" if text is None else "a session that has ended")
    return authenticator.anonymous


PrincipalDep = Annotated[Principal, Depends(find_principal)]


async def find_reader(
    request: Request,
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
    header: Annotated[str | None, Security(header_scheme)],
) -> Principal | None:
    """Return who looks at a page; ``None`` if that person must sign in first."""
    try:
        principal = await find_principal(request, services, bearer, header)
    except RequestError:
        return None
    return principal if "read" in principal.scopes else None


ReaderDep = Annotated[Principal | None, Depends(find_reader)]


async def get_tenant(needed: SecurityScopes, principal: PrincipalDep, services: ServicesDep) -> str:
    """Return the tenant of the request.

    Raises
    ------
    Forbidden
        The credential lacks a scope that the route needs.
    TooManyRequests
        The tenant sends more requests than the settings allow.
    """
    await services.tenant_rate.take(principal.tenant)
    missing = [scope for scope in needed.scopes if scope not in principal.scopes]
    if missing:
        raise Forbidden(
            "Your credential may not do this. Ask the operator for one with the scope that this route needs.",
            expected=f"the scope {', '.join(missing)}",
            got=", ".join(sorted(principal.scopes)),
        )
    return principal.tenant


def client_address(request: Request) -> str:
    """Return the address of the client; behind a trusted proxy the server has read it from its headers."""
    return request.client.host if request.client else "unknown"


ReadTenant = Annotated[str, Security(get_tenant, scopes=["read"])]
SubmitTenant = Annotated[str, Security(get_tenant, scopes=["submit"])]
WebhooksTenant = Annotated[str, Security(get_tenant, scopes=["webhooks"])]
AdminTenant = Annotated[str, Security(get_tenant, scopes=["admin"])]

READ_SECURITY = {"security": [{scheme.scheme_name: ["read"]} for scheme in (bearer_scheme, header_scheme)]}
"""What the framework would say in the API description of a route with `ReadTenant`."""


async def read_tenant(request: Request) -> str:
    """Return what `ReadTenant` is, and raise what it raises, without the framework's resolution of dependencies.

    Resolving seven dependencies took half of the CPU time of a status poll (0.25 of 0.5 ms).
    """
    services: Services = request.app.state.services
    principal = await find_principal(request, services, await bearer_scheme(request), await header_scheme(request))
    return await get_tenant(SecurityScopes(["read"]), principal, services)
