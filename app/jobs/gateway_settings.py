"""Settings of the gateway's connections: how long it waits for a client, and for how many."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
"""An origin as browsers write it (RFC 6454): in lower case, without a path."""


class GatewaySettings(BaseSettings):
    """Limits of what one client can hold; a part of `app.jobs.settings.Settings`."""

    model_config = SettingsConfigDict(env_prefix="VERTEBRA_", extra="ignore", frozen=True, hide_input_in_errors=True)

    head_timeout_s: float = Field(
        default=10.0, gt=0, description="A connection is closed whose request line and headers take longer."
    )
    body_timeout_s: float = Field(
        default=30.0, gt=0, description="Window in which `min_body_bytes` of a body must arrive, seconds."
    )
    min_body_bytes: int = Field(
        default=30_000, ge=1, description="Bytes of a body that must arrive in each window: 1 kB a second."
    )
    answer_timeout_s: float = Field(
        default=60.0, gt=0, description="A connection is closed whose client reads nothing of an answer for so long."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names by which clients know this server, `a.example,b.example`. Without names an open service "
        "answers to addresses and localhost, any other to every name.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may use the API with a key of theirs, "
        "`https://a.example,https://b.example:8443`; `*` = all, not for an open service. None by default. No page of "
        "another origin gets a session cookie.",
    )
    path_prefix: str = Field(
        default="",
        pattern=r"^((/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)?$",
        max_length=100,
        description="Path under which a proxy publishes the gateway, e.g. `/vertebra`; links and pages have it.",
    )
    gateway_processes: int = Field(
        default=1, ge=1, le=64, description="Gateway processes behind the port, on this machine."
    )
    max_connections: int = Field(default=1000, ge=1, description="Open connections of one gateway process.")
    tenant_requests_per_s: float | None = Field(
        default=None, gt=0, description="Requests a second of one tenant to all gateways; unset = no limit."
    )
    tenant_queued_jobs: int | None = Field(
        default=None, ge=1, description="Jobs of one tenant that may wait at a time; unset = no limit."
    )
    tenant_stored_bytes: int | None = Field(
        default=None, ge=1, description="Bytes of one tenant's uploads and results in storage; unset = no limit."
    )

    def public_path(self, path: str) -> str:
        """Return the path by which clients reach a path of the gateway. Whatever tells a client a path asks this."""
        return self.path_prefix + path

    @field_validator("cors_origins", mode="after")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"an origin is a scheme, a host and maybe a port, https://a.example, got {origin!r}")
        if "*" in value and len(value) > 1:
            raise ValueError("`*` stands for all origins, so it stands alone")
        return value

    @field_validator("allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(name.strip().lower() for name in value.split(",") if name.strip())
