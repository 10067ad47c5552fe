"""``/v1/keys``: the API keys of the client's tenant. `vertebra-stress keys create` makes them; nobody can read one."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from app.api.audit import entry_of
from app.api.auth import AUTH_ERRORS, AdminTenant
from app.api.problem_details import error_responses
from app.api.services import ServicesDep
from app.api.times import utc
from app.contract.errors import InvalidParameters, KeyNotFound
from app.identity.key_store import state_of
from app.identity.principal import Scope
from app.jobs.rows import ApiKeyRow

router = APIRouter(prefix="/v1/keys", tags=["keys"])


class ApiKey(BaseModel):
    """An API key, without its text."""

    id: str = Field(description="Public id: the second part of the key's text.", examples=["9f86d081884c"])
    name: str = Field(description="What the key is for, for people.", examples=["scanner 3"])
    scopes: list[Scope] = Field(description="What the key may do.")
    state: Literal["live", "expired", "revoked"] = Field(description="Whether the key still counts.")
    created_at: datetime = Field(description="When it was made, UTC.")
    expires_at: datetime | None = Field(description="When it ends, UTC; null means never.")
    last_used_at: datetime | None = Field(
        description="When it was used last, UTC, to about a minute; null means never."
    )


class ApiKeyList(BaseModel):
    """The keys of a tenant."""

    keys: list[ApiKey] = Field(description="The keys, newest first; those that have ended too.")


@router.get("", summary="List keys", responses=error_responses(*AUTH_ERRORS))
def list_keys(services: ServicesDep, tenant: AdminTenant) -> ApiKeyList:
    """Return the keys of your tenant in the database. Those of the gateway's settings are not among them."""
    return ApiKeyList(keys=[_key(row) for row in services.authenticator.keys.list_keys(tenant)])


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke a key",
    responses={
        204: {"description": "The key has ended; gateways forget it within 5 s."},
        **error_responses(*AUTH_ERRORS, KeyNotFound, InvalidParameters),
    },
)
def revoke_key(
    key_id: Annotated[str, Path(description="Id of the key.", examples=["9f86d081884c"], pattern="^[0-9a-f]{12}$")],
    request: Request,
    services: ServicesDep,
    tenant: AdminTenant,
) -> None:
    """End a key of your tenant, with the sessions and the links that it began. Nothing brings it back."""
    entry = entry_of(request, "revoke_key", detail=key_id)
    if not services.authenticator.keys.revoke(key_id, tenant, entry):
        raise KeyNotFound("Your tenant has no key with this id that could be revoked.", got=key_id)


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "scopes": row.scopes.split(),
            "state": state_of(row, time.time()),
            "created_at": utc(row.created_at),
            "expires_at": utc(row.expires_at),
            "last_used_at": utc(row.last_used_at),
        }
    )
