"""The messages to tenants in the database: what must be sent, who sends it, and how each attempt ended.

A job that ends says itself, in its row, that a message is due, whatever ended it. So no crash loses one: a gateway
turns due jobs into deliveries, and sends a delivery only while it holds its lease.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, delete, func, or_, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.jobs.clock import Now, database_clock
from app.jobs.rows import OPEN_STATES, VISIBLE_STATES, DeliveryRow, JobRow, Json
from app.webhooks.messages import job_ended

STATES = ("pending", "delivered", "failed")

BATCH = 100
"""Most rows that one round turns into deliveries."""

SHARE = 4
"""Most deliveries of one tenant that a gateway sends at a time: half of what it sends in all."""

LEASE_S = 120.0
"""A gateway that dies while it sends gives the delivery up after this time. It is longer than any attempt."""

PAUSES_S = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0)
"""Pauses after the first attempts; the last one is made about two days after the job has ended."""

KEEP_S = 30 * 24 * 3600.0
"""How long a delivery that has ended stays in the log."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: the server's status, or why there is none."""

    started_at: float
    seconds: float
    status: int | None
    error: str | None


class DeliveryStore:
    """Reads and writes deliveries.

    Parameters
    ----------
    engine
        See `app.jobs.database.open_database`.
    clock
        Returns the present; the database's clock by default, because gateways compare each other's leases.
    """

    def __init__(self, engine: Engine, clock: Callable[[], Now] | None = None) -> None:
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._clock = clock or database_clock(engine)

    def queue_ended_jobs(self, public_path: Callable[[str], str]) -> int:
        """Turn each job that has ended and owes a message into a delivery, once; return their number.

        `app.jobs.gateway_settings.GatewaySettings.public_path` makes the links of the messages.
        """
        is_due = JobRow.callback_due.is_(True) & JobRow.state.not_in(OPEN_STATES)
        query = select(JobRow).where(is_due).order_by(JobRow.finished_at, JobRow.id).limit(BATCH)
        with self._sessions.begin() as session:
            return sum(self._queue(session, job, public_path) for job in session.scalars(query).all())

    def _queue(self, session: Session, job: JobRow, public_path: Callable[[str], str]) -> bool:
        own = update(JobRow).where(JobRow.id == job.id, JobRow.callback_due.is_(True)).values(callback_due=None)
        if session.execute(own.returning(JobRow.id)).first() is None:  # another gateway was faster
            return False
        if job.callback_url is None or job.state not in VISIBLE_STATES:  # whoever deletes a job knows that it is gone
            return False
        now: Any = self._clock()
        row = DeliveryRow(
            id=f"msg_{uuid.uuid4().hex}",
            tenant=job.tenant,
            job_id=job.id,
            url=job.callback_url,
            body=job_ended(job, public_path),
            state="pending",
            attempts=[],
            next_at=now,
            created_at=now,
        )
        session.add(row)
        return True

    def claim_due(self, limit: int, busy: Mapping[str, int] | None = None) -> list[DeliveryRow]:
        """Lease deliveries whose time has come, the oldest first; no other gateway sends them meanwhile.

        A tenant gets at most `SHARE` at a time, with the number that this gateway sends already (``busy``). So a
        receiver that does not answer holds up its own tenant alone.
        """
        sending = Counter(busy or {})
        claimed: list[DeliveryRow] = []
        while len(claimed) < limit:
            row = self._claim_one([tenant for tenant, count in sending.items() if count >= SHARE])
            if row is None:
                break
            claimed.append(row)
            sending[row.tenant] += 1
        return claimed

    def _claim_one(self, without: list[str]) -> DeliveryRow | None:
        """Lease the delivery that is due for the longest time, of a tenant that is not excluded."""
        now = self._clock()
        is_due = (
            (DeliveryRow.state == "pending")
            & (DeliveryRow.next_at <= now)
            & or_(DeliveryRow.leased_until.is_(None), DeliveryRow.leased_until < now)
        )
        oldest = select(DeliveryRow.id).where(is_due, DeliveryRow.tenant.not_in(without))
        oldest = oldest.order_by(DeliveryRow.next_at, DeliveryRow.id).limit(1)
        while True:
            with self._sessions.begin() as session:
                delivery_id = session.scalar(oldest)
                if delivery_id is None:
                    return None
                lease = update(DeliveryRow).where(DeliveryRow.id == delivery_id, is_due)
                row = session.scalars(lease.values(leased_until=now + LEASE_S).returning(DeliveryRow)).one_or_none()
            if row is not None:  # otherwise another gateway was faster, so look again
                return row

    def record(self, delivery: DeliveryRow, outcome: Outcome, *, is_done: bool, is_hopeless: bool) -> str:
        """Write an attempt into the log, and end the delivery or choose its next attempt; return its state."""
        attempts = [*delivery.attempts, _attempt(outcome)]
        now = self._clock()
        values: Json = {"attempts": attempts, "leased_until": None}
        state = "delivered" if is_done else "failed" if is_hopeless or len(attempts) > len(PAUSES_S) else "pending"
        if state == "pending":
            values["next_at"] = now + PAUSES_S[len(attempts) - 1]
        else:
            values["finished_at"] = now
        own = update(DeliveryRow).where(
            DeliveryRow.id == delivery.id, DeliveryRow.leased_until == delivery.leased_until
        )
        with self._sessions.begin() as session:
            session.execute(own.values(state=state, **values))
        return state

    def list_page(self, tenant: str, job_id: str | None, limit: int) -> list[DeliveryRow]:
        """Return a tenant's newest deliveries, of all jobs or of one."""
        query = select(DeliveryRow).where(DeliveryRow.tenant == tenant)
        if job_id is not None:
            query = query.where(DeliveryRow.job_id == job_id)
        with self._sessions() as session:
            return list(session.scalars(query.order_by(DeliveryRow.created_at.desc(), DeliveryRow.id).limit(limit)))

    def count_by_state(self) -> dict[str, int]:
        """Return the number of deliveries in each state."""
        with self._sessions() as session:
            rows = session.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state))
            return {state: count for state, count in rows}

    def send_again(self, tenant: str, delivery_id: str) -> DeliveryRow | None:
        """Make a delivery due now, also one that has ended; return it, or None if the tenant has none of this id."""
        own = update(DeliveryRow).where(DeliveryRow.tenant == tenant, DeliveryRow.id == delivery_id)
        again = own.values(state="pending", next_at=self._clock(), finished_at=None)
        with self._sessions.begin() as session:
            return session.scalars(again.returning(DeliveryRow)).one_or_none()

    def forget_old(self) -> None:
        """Remove deliveries that ended long ago."""
        with self._sessions.begin() as session:
            session.execute(delete(DeliveryRow).where(DeliveryRow.finished_at < self._clock() - KEEP_S))


def _attempt(outcome: Outcome) -> Json:
    return {
        "at": datetime.fromtimestamp(outcome.started_at, UTC).isoformat(),
        "seconds": round(outcome.seconds, 3),
        "status": outcome.status,
        "error": outcome.error,
    }
