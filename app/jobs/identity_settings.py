"""Settings of who may use the gateway: keys, sessions, links, the identity provider."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class IdentitySettings(BaseSettings):
    """Credentials that count beside the keys of the database; a part of `app.jobs.settings.Settings`."""

    model_config = SettingsConfigDict(env_prefix="VERTEBRA_", extra="ignore", frozen=True, hide_input_in_errors=True)

    api_keys: Annotated[dict[SecretStr, str], NoDecode] = Field(
        default_factory=dict,
        description="API key -> tenant, as JSON or `key:tenant,key:tenant`, beside the keys of the database.",
    )
    allow_anonymous: bool = Field(default=False, description="Serve everybody who reaches the gateway, without a key.")
    session_hours: float = Field(default=12.0, gt=0, le=720, description="A person stays signed in on the pages.")
    signing_file: Path | None = Field(
        default=None, description="File of the secrets that sign links, for all gateways; unset = in data_dir."
    )
    oidc_issuer: str | None = Field(default=None, description="Identity provider whose tokens are credentials, a URL.")
    oidc_audience: str | None = Field(default=None, description="What its tokens name as audience for this service.")
    oidc_jwks_url: str | None = Field(default=None, description="URL of its public keys; unset = by discovery.")
    oidc_tenant_claim: str = Field(default="tenant", min_length=1, description="Claim that names the tenant.")
    oidc_scope_claim: str = Field(default="scope", min_length=1, description="Claim that has the scopes.")
    oidc_scope_prefix: str = Field(default="", description="What stands before our scopes there, e.g. `vertebra:`.")

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parse_keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value.strip()
        if text.startswith("{"):
            return json.loads(text)
        pairs = [item.strip().rpartition(":") for item in text.split(",") if item.strip()]
        if any(not key or not tenant for key, _, tenant in pairs):
            raise ValueError("expected JSON {key: tenant} or `key:tenant,key:tenant`")
        return {key: tenant for key, _, tenant in pairs}

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError(f"expected an https URL, got {value}")
        return value

    @model_validator(mode="after")
    def _check_audience(self) -> Self:
        if self.oidc_issuer is not None and not self.oidc_audience:
            raise ValueError("oidc_issuer needs oidc_audience: without it, a token for another service would do")
        return self

    @property
    def is_open(self) -> bool:
        """Whether a request without a credential is the local tenant's: only where the settings say so."""
        return self.allow_anonymous and not self.api_keys and self.oidc_issuer is None


def is_safe_url(url: str) -> bool:
    """Return whether nobody between can change what is fetched from a URL: https, or http on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname))


def is_this_machine(host: str | None) -> bool:
    """Return whether a host name or address is the loopback of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
