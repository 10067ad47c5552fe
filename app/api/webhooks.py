"""``/v1/webhook``: where a tenant is told that its jobs have ended, and the log of what was sent."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.api import audit
from app.api.auth import AUTH_ERRORS, ReadTenant, WebhooksTenant
from app.api.problem_details import error_responses
from app.api.services import Services, ServicesDep
from app.api.times import utc
from app.contract.errors import DeliveryNotFound, InvalidParameters
from app.jobs.rows import DeliveryRow
from app.webhooks.targets import LONGEST_URL, TargetError, check_url

log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1/webhook", tags=["webhooks"])

EXAMPLE_URL = "https://hooks.hospital.example/vertebra"
DELIVERY_ID = r"^msg_[0-9a-f]{32}$"

DeliveryId = Annotated[str, Path(description="The `webhook-id` of a message.", pattern=DELIVERY_ID)]


class WebhookUrl(BaseModel):
    """The URL to set."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        max_length=LONGEST_URL, description="https URL; null = tell nobody.", examples=[EXAMPLE_URL]
    )


class Webhook(BaseModel):
    """A tenant's webhook."""

    url: str | None = Field(description="Where messages about jobs go that name no `callback_url`; null if nowhere.")
    has_secret: bool = Field(description="Whether there is a secret, without which nothing is sent.")
    previous_secret_until: datetime | None = Field(
        description="Until when messages carry a signature by the previous secret too, UTC; null if there is none."
    )


class WebhookSecret(BaseModel):
    """A new secret. No other answer repeats it."""

    secret: str = Field(description="`whsec_` and base64: the key of the HMAC-SHA256 of Standard Webhooks.")
    previous_secret_until: datetime | None = Field(description="Until when the previous secret signs too, UTC.")


class Attempt(BaseModel):
    """One attempt to deliver a message."""

    at: datetime = Field(description="When it began, UTC.")
    seconds: float = Field(description="How long it took, seconds (s).")
    status: int | None = Field(description="HTTP status of the receiver; null if it did not answer.")
    error: str | None = Field(description="Why there was no answer.")


class Delivery(BaseModel):
    """A message, and the attempts to deliver it."""

    id: str = Field(description="The `webhook-id`, the same at each attempt.")
    job_id: str = Field(description="The job that it is about.")
    url: str = Field(description="Where it goes.")
    state: Literal["pending", "delivered", "failed"] = Field(
        description="`pending` until the receiver answers 2xx; `failed` after the last attempt, or after a 410."
    )
    created_at: datetime = Field(description="When the job's end was seen, UTC.")
    next_attempt_at: datetime | None = Field(description="When a pending message is sent next, UTC.")
    attempts: list[Attempt] = Field(description="Every attempt so far, oldest first.")
    message: dict[str, Any] = Field(description="The JSON that is sent.")


class DeliveryList(BaseModel):
    """The newest messages of a tenant."""

    deliveries: list[Delivery] = Field(description="The messages, newest first.")


@router.get("", summary="Look at the webhook", responses=error_responses(*AUTH_ERRORS))
def get_webhook(services: ServicesDep, tenant: ReadTenant) -> Webhook:
    """Return the tenant's webhook. The secret itself is shown once, when it is made."""
    endpoint = services.webhooks.endpoints.get(tenant)
    return Webhook(
        url=endpoint.url,
        has_secret=bool(endpoint.secrets),
        previous_secret_until=utc(endpoint.previous_until),
    )


@router.put("", summary="Set the webhook", responses=error_responses(*AUTH_ERRORS, InvalidParameters))
def set_webhook(body: WebhookUrl, request: Request, services: ServicesDep, tenant: WebhooksTenant) -> Webhook:
    """Set where the service tells that jobs have ended. It applies to jobs that are submitted from now on."""
    host = None if body.url is None else _check(services, tenant, body.url, "url")
    audit.record(request, services, "set_webhook", detail=host)  # without the path, which may hold a secret
    services.webhooks.endpoints.set_url(tenant, body.url)
    log.info("the webhook of tenant %s is set", tenant)
    return get_webhook(services, tenant)


@router.post("/secret", summary="Make a new secret", responses=error_responses(*AUTH_ERRORS))
def make_secret(request: Request, services: ServicesDep, tenant: WebhooksTenant) -> WebhookSecret:
    """Make the secret that signs messages, or replace it. The previous one signs too for 24 hours."""
    audit.record(request, services, "make_secret")
    secret = services.webhooks.endpoints.new_secret(tenant)
    log.info("tenant %s has a new webhook secret", tenant)
    until = services.webhooks.endpoints.get(tenant).previous_until
    return WebhookSecret(secret=secret, previous_secret_until=utc(until))


@router.get("/deliveries", summary="List deliveries", responses=error_responses(*AUTH_ERRORS, InvalidParameters))
def list_deliveries(
    services: ServicesDep,
    tenant: ReadTenant,
    job_id: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Only messages about this job.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Messages at most.")] = 50,
) -> DeliveryList:
    """Return the newest messages with every attempt to deliver them. They stay in the log for 30 days."""
    rows = services.webhooks.deliveries.list_page(tenant, job_id, limit)
    return DeliveryList(deliveries=[_delivery(row) for row in rows])


@router.post(
    "/deliveries/{delivery_id}/retry",
    status_code=202,
    summary="Deliver again",
    responses=error_responses(*AUTH_ERRORS, DeliveryNotFound, InvalidParameters),
)
def retry_delivery(delivery_id: DeliveryId, services: ServicesDep, tenant: WebhooksTenant) -> Delivery:
    """Send a message again now, with the same `webhook-id`, whether or not it was delivered."""
    row = services.webhooks.deliveries.send_again(tenant, delivery_id)
    if row is None:
        raise DeliveryNotFound("You have no message with this id. Messages stay in the log for 30 days.")
    return _delivery(row)


def callback_of(services: Services, tenant: str, own: str | None) -> str | None:
    """Return where the end of a new job is told: its own URL or the tenant's. Raise an error if it is not acceptable.

    Raises
    ------
    InvalidParameters
        The URL may not be reached, or the tenant has no secret.
    """
    if own is None:
        return services.webhooks.endpoints.get(tenant).url
    _check(services, tenant, own, "callback_url")
    return own


def _check(services: Services, tenant: str, url: str, field: str) -> str | None:
    """Return the host of a URL that may be told. Raise `InvalidParameters` for another one, or without a secret."""
    try:
        host = check_url(url, services.settings.webhook_networks).hostname
    except TargetError as error:
        raise InvalidParameters(
            f"`{field}` is not a URL that webhooks may go to: {error}.",
            expected="an https URL of a server that is not in a private network",
            got=url[:120],
        ) from error
    if not services.webhooks.endpoints.get(tenant).secrets:
        raise InvalidParameters(
            "Messages are signed. Make a secret first with `POST /v1/webhook/secret`, and give it to the receiver.",
            expected="a secret",
            got="none",
        )
    return host


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery.model_validate(
        {
            "id": row.id,
            "job_id": row.job_id,
            "url": row.url,
            "state": row.state,
            "created_at": utc(row.created_at),
            "next_attempt_at": utc(row.next_at) if row.state == "pending" else None,
            "attempts": row.attempts,
            "message": row.body,
        }
    )
