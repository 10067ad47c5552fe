"""Entries of the audit trail for what a request does."""

from __future__ import annotations

from fastapi import Request

from app.api.auth import client_address
from app.api.services import Services
from app.identity.principal import Principal
from app.jobs import logs
from app.jobs.audit import Action
from app.jobs.rows import AuditRow


def entry_of(request: Request, action: Action, job_id: str | None = None, detail: str | None = None) -> AuditRow:
    """Return the entry of a request that has passed its authentication."""
    principal: Principal = request.state.principal
    return AuditRow(
        action=action,
        tenant=principal.tenant,
        actor=principal.credential,
        address=client_address(request),
        job_id=job_id,
        detail=detail,
        request_id=logs.request_id.get(),
    )


def record(
    request: Request, services: Services, action: Action, job_id: str | None = None, detail: str | None = None
) -> None:
    """Write the entry of a request. Call it before the deed: a deed without its entry must not happen."""
    services.audit.record(entry_of(request, action, job_id, detail))
