"""Settings of the DICOMweb servers that jobs may name: archives of the hospital."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVER_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
"""A name that a job may use for a server; the URL stays in the settings."""


class DicomwebSettings(BaseSettings):
    """Servers and who may use them; a part of `app.jobs.settings.Settings`."""

    model_config = SettingsConfigDict(
        env_prefix="VERTEBRA_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # URLs and keys hold secrets, and a faulty setting is printed and logged
    )

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
    dicomweb_sources: list[str] = Field(
        default_factory=list,
        description='Servers of `dicomweb_servers` from which a job may take its CT, as JSON: `["pacs"]`. None by '
        "default: whoever may submit to the service, and use the server, can then read any study in it.",
    )
    dicomweb_timeout_s: float = Field(
        default=30.0, gt=0, description="Longest silence of a DICOMweb server, and time to reach it, seconds."
    )
    dicomweb_retrieval_s: float = Field(
        default=240.0, gt=0, description="Longest time in which a DICOMweb server gives a CT, all tries, seconds."
    )

    @field_validator("dicomweb_servers")
    @classmethod
    def _check_servers(cls, servers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, url in servers.items():
            if not re.fullmatch(SERVER_NAME, name):
                raise ValueError(f"a server's name should be {SERVER_NAME}")
            parts = _split(url.get_secret_value())
            if (
                parts is None
                or parts.scheme not in ("https", "http")
                or not parts.hostname
                or parts.query
                or parts.fragment
            ):
                raise ValueError(f"the URL of {name} should be http(s)://host/path without a query")
        return servers

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if unknown := sorted(self.dicomweb_tenants.keys() - self.dicomweb_servers.keys()):
            raise ValueError(
                f"dicomweb_tenants should name servers of dicomweb_servers, got {', '.join(unknown)}: "
                "a server that is misspelt here would be for all tenants"
            )
        if unknown := sorted(set(self.dicomweb_sources) - self.dicomweb_servers.keys()):
            raise ValueError(f"dicomweb_sources should name servers of dicomweb_servers, got {', '.join(unknown)}")
        return self

    def dicomweb_sources_of(self, tenant: str) -> list[str]:
        """Return the names of the servers from which a tenant may take a CT."""
        return [name for name in self.dicomweb_servers_of(tenant) if name in self.dicomweb_sources]

    def dicomweb_servers_of(self, tenant: str) -> list[str]:
        """Return the names of the servers that a tenant may use."""
        return [name for name in self.dicomweb_servers if tenant in self.dicomweb_tenants.get(name, [tenant])]


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None where it has none. What `urlsplit` says of such a URL quotes its password."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:  # of a port that is no number up to 65535, say
        return None
