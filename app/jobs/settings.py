"""Settings of every process, read from ``VERTEBRA_*`` environment variables."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, SecretStr, field_validator, model_validator

from app.jobs.dicomweb_settings import DicomwebSettings
from app.jobs.gateway_settings import GatewaySettings
from app.jobs.identity_settings import IdentitySettings

LOCAL_TENANT = "local"
"""Tenant of the key that `serve` makes, and of everybody where no key is needed."""

SECRETS_FOLDER = "secrets"
"""Folder in the data folder of what only the service's user may read."""

TASK_NAME = "workers.tasks.run_job"
QUEUE_NAME = "vertebra-jobs"
MODELS_DIR = Path(__file__).resolve().parents[2] / "models"

HARD_LIMIT_GRACE_S = 60
"""A pool process that ignores the deadline is killed this much later, seconds."""

VISIBILITY_GRACE_S = 360
"""The queue redelivers a message this long after the deadline, seconds.

It is later than the kill, so that the queue does not redeliver the message of a running job.
"""

SHORTEST_SEEN_S = 15.0
MISSED_REPORTS = 3
"""A worker counts as alive until it misses this many reports, and for at least `SHORTEST_SEEN_S` seconds."""


class SettingsError(ValueError):
    """A setting is missing or unsafe; the message says which one, and what to do."""


class Settings(GatewaySettings, IdentitySettings, DicomwebSettings):
    """Addresses, limits and times of the service.

    If no variable is set, everything lies in ``./var`` on this machine, and `serve` makes a key for the local tenant.
    """

    data_dir: Path = Field(default=Path("var"), description="Folder of the embedded database, blobs and broker.")
    broker_url: SecretStr | None = Field(default=None, description="Valkey or Redis URL; unset = embedded (`serve`).")
    database_url: SecretStr | None = Field(default=None, description="SQLAlchemy URL; unset = SQLite in data_dir.")
    storage_url: str | None = Field(default=None, description="Folder or `s3://bucket/prefix`; unset = data_dir.")
    models_dir: Path = Field(default=MODELS_DIR, description="Folder of the model bundles (`l1/manifest.json`).")

    host: str = Field(default="127.0.0.1", description="Address the gateway binds.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the gateway binds.")
    max_upload_bytes: int = Field(default=1 << 30, gt=0, description="Largest accepted file part, bytes.")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Log level.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people, or one JSON object a line."
    )
    otel: bool = Field(default=False, description="Export traces over OTLP; the `OTEL_*` variables say where to.")

    retention_hours: float = Field(default=72.0, gt=0, description="Finished jobs and their files stay this long.")
    tenant_retention_hours: dict[str, PositiveFloat] = Field(
        default_factory=dict, description='Tenants whose jobs stay another time, as JSON: `{"ward": 24}`.'
    )
    audit_retention_days: float = Field(
        default=2192.0, gt=0, description="Entries of the audit trail stay this long; 6 years, as HIPAA asks."
    )
    job_deadline_s: int = Field(default=540, gt=0, description="Longest run of one attempt, seconds.")
    max_attempts: int = Field(default=3, ge=1, description="Attempts before a job fails.")
    heartbeat_s: float = Field(default=2.0, gt=0, description="Pause between two reports of a running job or a worker.")
    stale_after_s: float = Field(default=10.0, gt=0, description="Age of its last report at which an attempt is dead.")
    reconcile_every_s: float = Field(default=2.0, gt=0, description="Pause between two runs of the reconciler.")
    unclaimed_after_s: float = Field(
        default=10.0, gt=0, description="A worker that takes no job for so long although jobs wait hears nothing."
    )
    sweep_every_s: float = Field(default=600.0, gt=0, description="Pause between two sweeps of storage.")
    orphan_after_s: float = Field(default=3600.0, gt=0, description="Age at which files without a job are removed.")
    webhook_allow: str = Field(
        default="",
        description="Private networks that webhooks may reach, CIDR, comma-separated; http:// is accepted there too.",
    )
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60, description="Time budget of one webhook, seconds.")
    corrections_dir: Path | None = Field(
        default=None,
        description="Folder where workers keep CT and mask of each job whose mask corrects an outline, as cases to "
        "train with; unset = none is kept. Retention and deletion do not reach it.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the networks run; with `cuda` a worker ends if they would run on the CPU."
    )
    worker_concurrency: int = Field(default=1, ge=1, description="Pool processes of a worker.")
    worker_memory_bytes: int = Field(
        default=6 * 2**30,
        ge=0,
        description="Most data of a pool process, bytes (a small machine has less); 0 = none.",
    )

    @field_validator("webhook_allow")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @model_validator(mode="after")
    def _check_open(self) -> Self:
        if self.is_open and "*" in self.cors_origins:
            raise ValueError("cors_origins may not be `*` where no key is needed: every page could use the service")
        return self

    @model_validator(mode="after")
    def _check_pauses(self) -> Self:
        if self.stale_after_s < 2 * self.heartbeat_s:
            raise ValueError(
                f"stale_after_s must be at least twice heartbeat_s, got {self.stale_after_s} and {self.heartbeat_s}"
            )
        if self.unclaimed_after_s < 2 * self.heartbeat_s:
            raise ValueError(
                f"unclaimed_after_s must be at least twice heartbeat_s, got {self.unclaimed_after_s} and "
                f"{self.heartbeat_s}"
            )
        return self

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the job rows."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'jobs.sqlite3'}"

    @property
    def storage(self) -> str:
        """URL of the blob storage."""
        return self.storage_url or str(self.data_dir.resolve() / "blobs")

    @property
    def broker(self) -> str:
        """URL of the queue."""
        if self.broker_url is None:
            raise SettingsError(
                "VERTEBRA_BROKER_URL is not set. Run `vertebra-stress serve`, which has an embedded queue, or set the "
                "variable to the URL of a Valkey or Redis server, e.g. redis://:password@host:6379/0."
            )
        return self.broker_url.get_secret_value()

    def require_broker(self) -> None:
        """Raise `SettingsError` if no queue is set."""
        _ = self.broker

    @property
    def hard_limit_s(self) -> int:
        """Seconds after which Celery kills the pool process of an attempt."""
        return self.job_deadline_s + HARD_LIMIT_GRACE_S

    @property
    def visibility_timeout_s(self) -> int:
        """Seconds after which the queue redelivers a message that no worker acknowledged."""
        return self.job_deadline_s + VISIBILITY_GRACE_S

    @property
    def worker_seen_within_s(self) -> float:
        """A worker counts as alive while its last report is at most this old, seconds."""
        return max(SHORTEST_SEEN_S, MISSED_REPORTS * self.heartbeat_s)

    @property
    def webhook_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Private networks that webhooks may reach."""
        return _networks(self.webhook_allow)

    @property
    def secrets_dir(self) -> Path:
        """Folder of what only the service's user may read."""
        return self.data_dir.resolve() / SECRETS_FOLDER

    @property
    def signing_secrets(self) -> Path:
        """File of the secrets that sign links."""
        return self.signing_file or self.secrets_dir / "signing.json"


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
