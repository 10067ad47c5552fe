"""Authentication: an API key names a tenant. While no key is set, every request is the local tenant's."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.services import ServicesDep
from app.contract.errors import Unauthorized
from app.jobs.settings import LOCAL_TENANT

_bearer = HTTPBearer(auto_error=False, description="The API key as a bearer token.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key in its own header.")


def get_tenant(
    services: ServicesDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> str:
    """Return the tenant of the request. Raise `Unauthorized` if it has no known key."""
    keys = services.settings.api_keys
    if not keys:
        return LOCAL_TENANT
    sent_key = (bearer.credentials if bearer else header) or ""
    sender = None
    for key, tenant in keys.items():  # compares every key, so that the time reveals nothing about them
        if hmac.compare_digest(key.get_secret_value().encode(), sent_key.encode()):
            sender = tenant
    if sender is None:
        raise Unauthorized(
            "Send the API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
            expected="a known API key",
            got="an unknown key" if sent_key else "no key",
        )
    return sender


TenantDep = Annotated[str, Depends(get_tenant)]
