"""The database rows. The job row is the truth about a job; the queue carries only its id."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, Boolean, Double, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.contract.params import CONTRACT

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "deleted"]
OPEN_STATES: tuple[State, ...] = ("queued", "running")
VISIBLE_STATES: tuple[State, ...] = (*OPEN_STATES, "succeeded", "failed", "cancelled")

Json = dict[str, Any]

STAGE_LENGTH = 64
"""Longest name of a stage that the row holds, characters."""

LEVEL_LENGTH = 8
"""Longest name of a level, characters."""

REQUEST_ID_LENGTH = 64
"""Longest id of a request that the row holds, characters."""

TRACEPARENT_LENGTH = 55
"""Characters of a W3C ``traceparent`` of version 00."""


NAME_LENGTH = 100
"""Longest name that a client gives a job, characters."""


class Base(DeclarativeBase):
    """Base class of the tables. Every time is in seconds since the Unix epoch (UTC)."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this attribute of the class
        float: Double,
        Json: JSON(none_as_null=True),
        list[Json]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
    }


class JobRow(Base):
    """One job.

    ``token`` is the fencing token. It grows with every claim, release, cancellation and deletion, and only the attempt
    that holds the current token may write to the row. Results lie under ``jobs/{id}/results-{token}/``. The UPDATE that
    sets ``state`` to ``succeeded`` makes them visible; the one that sets it to ``failed`` may publish pictures that
    explain the failure.

    A queued job may start from ``enqueued_at`` on; after a passing fault that lies in the future. ``faults`` counts the
    attempts that such a fault ended. ``contract`` is the version of ``params`` (`app.contract.params.CONTRACT`).
    ``longest_run_s`` bounds an attempt where the client asked for less than the server's limit. ``retry_of`` is the id
    of the job whose files this one has. ``enqueue_count`` is for gateways of 0.8.0 and older, which may use the same
    table during an upgrade.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key", name="uq_jobs_tenant_idempotency"),
        Index("ix_jobs_tenant_created", "tenant", "created_at"),
        Index("ix_jobs_tenant_started", "tenant", "started_at"),
        Index("ix_jobs_tenant_enqueued", "tenant", "enqueued_at"),
        Index("ix_jobs_tenant_finished", "tenant", "finished_at"),
        Index("ix_jobs_retry_of", "retry_of"),
        Index("ix_jobs_state_finished", "state", "finished_at"),
        Index("ix_jobs_state", "state"),
        Index("ix_jobs_heartbeat", "heartbeat"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str | None] = mapped_column(String(STAGE_LENGTH))
    level: Mapped[str | None] = mapped_column(String(LEVEL_LENGTH))
    """The level that a job with several works on."""
    found_level: Mapped[str | None] = mapped_column(String(LEVEL_LENGTH))
    """Level of the vertebra as the report of a job of one has it; NULL until the job has succeeded."""
    percent: Mapped[float] = mapped_column(default=0.0)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    token: Mapped[int] = mapped_column(Integer, default=0)
    worker: Mapped[str | None] = mapped_column(String(255))
    heartbeat: Mapped[float | None]
    deadline: Mapped[float | None]
    enqueued_at: Mapped[float | None]
    enqueue_count: Mapped[int] = mapped_column(Integer, default=0)
    faults: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    params: Mapped[Json]
    contract: Mapped[int] = mapped_column(Integer, default=CONTRACT, server_default="1")
    longest_run_s: Mapped[float | None]
    ct_sha256: Mapped[str] = mapped_column(String(64))
    ct_size: Mapped[int] = mapped_column(BigInteger)
    ct_archive: Mapped[str | None] = mapped_column(String(40))
    """Name of the archive that the CT comes from; NULL of an upload."""
    ct_reference_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the stored reference to the CT in that archive. Until a worker has fetched the CT, it is `ct_sha256` too."""
    ct_token: Mapped[int | None] = mapped_column(Integer)
    """Token of the attempt that fetched the CT, under which it lies (`app.jobs.storage_keys.ct_key`); NULL of an
    upload, and until the CT has come."""
    mask_sha256: Mapped[str | None] = mapped_column(String(64))
    mask_size: Mapped[int | None] = mapped_column(BigInteger)
    bundle_version: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[Json | None]
    timings: Mapped[Json | None]
    results: Mapped[list[Json] | None]
    results_size: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes of all results."""
    warnings: Mapped[list[str] | None]
    """What a reader should know before using the numbers, as the report has it; NULL until the job has succeeded."""
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    name: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    labels: Mapped[Json | None]
    """Short texts by their keys, by which the client finds the job again."""
    request_id: Mapped[str | None] = mapped_column(String(REQUEST_ID_LENGTH))
    traceparent: Mapped[str | None] = mapped_column(String(TRACEPARENT_LENGTH))
    """The trace of the request that submitted the job, as W3C Trace Context writes it."""
    retry_of: Mapped[str | None] = mapped_column(String(32))
    corrects: Mapped[str | None] = mapped_column(String(32))
    """The job whose outline the mask of this one corrects."""
    callback_url: Mapped[str | None] = mapped_column(Text)
    callback_due: Mapped[bool | None] = mapped_column(Boolean, index=True)
    """Whether a webhook must be sent when the job ends; NULL once it is among the deliveries."""


class WorkerRow(Base):
    """A pool process that runs jobs, and the time of its last report. It reads params up to its ``contract``."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    bundle_version: Mapped[str] = mapped_column(String(128))
    software: Mapped[Json]
    contract: Mapped[int] = mapped_column(Integer, default=CONTRACT, server_default="1")
    started_at: Mapped[float]
    last_seen: Mapped[float]
    starting: Mapped[Json | None]
    """Where its start is: ``step``, ``done``, ``total``. NULL once it takes jobs."""
    ready_at: Mapped[float | None]
    """Since when it takes jobs; NULL while it starts."""
    providers: Mapped[Json | None]
    """The execution provider that each network really has."""
    last_claim: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Largest resident memory that the process has had."""


class StageTimeRow(Base):
    """How often a stage of the pipeline has ended in a job that succeeded, and how long that took in all.

    The sums outlive the jobs, so that they only grow, as Prometheus wants it.
    """

    __tablename__ = "stage_times"

    stage: Mapped[str] = mapped_column(String(STAGE_LENGTH), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]


class ApiKeyRow(Base):
    """An API key of a tenant, without its text: ``digest`` is the SHA-256 of that (`app.identity.key_text`)."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_tenant", "tenant"),)

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128))
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    last_used_at: Mapped[float | None]


class SessionRow(Base):
    """A person who signed in on the pages; ``digest`` is the SHA-256 of the cookie's text."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_expires", "expires_at"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    scopes: Mapped[str] = mapped_column(String(64))
    credential: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[float]
    expires_at: Mapped[float]


class WebhookRow(Base):
    """Where a tenant is told that its jobs have ended, and the secrets that sign the messages."""

    __tablename__ = "webhooks"

    tenant: Mapped[str] = mapped_column(String(128), primary_key=True)
    url: Mapped[str | None] = mapped_column(Text)
    secret: Mapped[str | None] = mapped_column(String(128))
    previous_secret: Mapped[str | None] = mapped_column(String(128))
    previous_until: Mapped[float | None]


class DeliveryRow(Base):
    """One message to a tenant's server, and every attempt to deliver it.

    ``state`` is ``pending``, ``delivered`` or ``failed``. A gateway that holds ``leased_until`` sends it.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_due", "state", "next_at"),
        Index("ix_webhook_deliveries_tenant", "tenant", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(128))
    job_id: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(Text)
    body: Mapped[Json]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[list[Json]]
    next_at: Mapped[float]
    leased_until: Mapped[float | None]
    created_at: Mapped[float]
    finished_at: Mapped[float | None]


class AuditRow(Base):
    """Who did what when (`app.jobs.audit`). It names jobs and files, never what is in them.

    ``actor`` is the credential, as `app.identity.principal.Principal` names it, or ``operator:NAME`` for a command on
    the machine. ``detail`` is the name of a result, the id of a key or a host.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "at"), Index("ix_audit_job", "job_id"))

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[float]
    action: Mapped[str] = mapped_column(String(32))
    tenant: Mapped[str] = mapped_column(String(128))
    actor: Mapped[str] = mapped_column(String(300))
    address: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(REQUEST_ID_LENGTH))
