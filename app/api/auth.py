"""Who asks: an API key names a tenant; without configured keys everybody is the one local tenant."""

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
    """Return the tenant of the request; raise `Unauthorized` without a known key."""
    keys = services.settings.api_keys
    if not keys:
        return LOCAL_TENANT
    given = (bearer.credentials if bearer else header) or ""
    found = None
    for key, tenant in keys.items():  # every key is compared, so that timing tells nothing
        if hmac.compare_digest(key.get_secret_value().encode(), given.encode()):
            found = tenant
    if found is None:
        raise Unauthorized(
            "Send the API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
            expected="a known API key",
            got="an unknown one" if given else "none",
        )
    return found


TenantDep = Annotated[str, Depends(get_tenant)]
