"""Settings of the DICOMweb servers that jobs may name: archives of the hospital."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVER_NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
"""A name that a job may use for a server; the URL stays in the settings."""


class DicomwebSettings(BaseSettings):
    """Servers and who may use them; a part of `app.jobs.settings.Settings`."""

    model_config = SettingsConfigDict(env_prefix="VERTEBRA_", extra="ignore", frozen=True)

    dicomweb_servers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="DICOMweb servers by the names that jobs use, as JSON: "
        '`{"pacs": "https://user:password@pacs.example/dicom-web"}`. None by default: then no job reaches any.',
    )
    dicomweb_tenants: dict[str, list[str]] = Field(
        default_factory=dict,
        description='Tenants that may use a server, as JSON: `{"pacs": ["radiology"]}`. A server that is not named '
        "here is for all tenants.",
    )
    dicomweb_timeout_s: float = Field(
        default=30.0, gt=0, description="Longest silence of a DICOMweb server, and time to reach it, seconds."
    )

    @field_validator("dicomweb_servers")
    @classmethod
    def _check_servers(cls, servers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, url in servers.items():
            if not re.match(SERVER_NAME, name):
                raise ValueError(f"a server's name should match {SERVER_NAME}, got {name}")
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"the URL of {name} should be http(s)://host/path without a query")
        return servers

    def dicomweb_servers_of(self, tenant: str) -> list[str]:
        """Return the names of the servers that a tenant may use."""
        return [name for name in self.dicomweb_servers if tenant in self.dicomweb_tenants.get(name, [tenant])]
