"""The sender: a thread of the gateway that delivers webhooks. Many gateways may run it at the same time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.rows import DeliveryRow
from app.jobs.settings import Settings
from app.webhooks.deliveries import DeliveryStore, Outcome
from app.webhooks.endpoints import EndpointStore
from app.webhooks.http_post import PostError, post
from app.webhooks.signature import headers
from app.webhooks.targets import TargetError, resolve

log = logging.getLogger(__name__)

ROUND_EVERY_S = 1.0
CONCURRENT = 8
"""Deliveries that one gateway sends at a time. The next ones wait until the slowest of these has ended."""

FORGET_EVERY_S = 3600.0
GONE = 410
"""The server says that it wants no more messages."""


class WebhookSender:
    """Queues a message for each job that has ended, and sends what is due.

    Parameters
    ----------
    settings
        Networks that may be reached, and the time budget of an attempt.
    engine
        See `app.jobs.database.open_database`.
    clock
        Returns this machine's time, seconds since the epoch: that of a message's signature and of the log's attempts.
    """

    def __init__(self, settings: Settings, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self.deliveries = DeliveryStore(engine)
        self.endpoints = EndpointStore(engine, clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and wait for it; an attempt that is under way ends within its time budget."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(self._settings.webhook_timeout_s + 1.0)

    def check(self) -> None:
        """Do one round: queue, lease, send."""
        self.deliveries.queue_ended_jobs(self._settings.public_path)
        due = self.deliveries.claim_due(CONCURRENT)
        if due:
            with ThreadPoolExecutor(len(due), thread_name_prefix="webhook") as pool:
                list(pool.map(self._deliver, due))

    def _deliver(self, delivery: DeliveryRow) -> None:
        begin, started_at = time.monotonic(), self._clock()
        status, error = None, None
        try:
            status = self._send(delivery, int(started_at))
        except (TargetError, PostError) as failure:
            error = str(failure)
        outcome = Outcome(started_at, time.monotonic() - begin, status, error)
        is_done = status is not None and 200 <= status < 300
        state = self.deliveries.record(delivery, outcome, is_done=is_done, is_hopeless=status == GONE)
        log.info("webhook of job %s: %s, %s", delivery.job_id, error or f"status {status}", state)

    def _send(self, delivery: DeliveryRow, now: int) -> int:
        target = resolve(delivery.url, self._settings.webhook_networks)
        body = json.dumps(delivery.body, separators=(",", ":")).encode()
        signed = headers(delivery.id, now, body, self.endpoints.get(delivery.tenant).secrets)
        more = {"Content-Type": "application/json", "User-Agent": f"vertebra-stress/{version('vertebra-stress')}"}
        return post(target, signed | more, body, self._settings.webhook_timeout_s)

    def _run(self) -> None:
        next_forget = 0.0
        while not self._stop.is_set():
            try:
                self.check()
                if time.monotonic() >= next_forget:
                    self.deliveries.forget_old()
                    next_forget = time.monotonic() + FORGET_EVERY_S
            except SQLAlchemyError as error:
                log.warning("the webhooks wait for the next round: %s", type(error).__name__)
            except Exception:
                log.exception("a round of the webhooks failed")
            self._stop.wait(ROUND_EVERY_S)
