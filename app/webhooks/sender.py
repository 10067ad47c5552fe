"""The sender: a thread of the gateway that delivers webhooks. Many gateways may run it at the same time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
"""Deliveries that one gateway sends at a time. Each that ends makes room for the next one."""

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
        self._pool = ThreadPoolExecutor(CONCURRENT, thread_name_prefix="webhook")
        self._sending: dict[Future[None], str] = {}  # and whose message it is
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and wait for it; an attempt that is under way ends within its time budget."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(self._settings.webhook_timeout_s + 1.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(self._sending, self._settings.webhook_timeout_s + 1.0)

    def check(self) -> None:
        """Do one round, and wait until what it sends has ended."""
        self.begin_round()
        for sending in list(self._sending):
            sending.result()

    def begin_round(self) -> None:
        """Queue what is due, and begin to send as much as there is room for."""
        self.deliveries.queue_ended_jobs(self._settings.public_path)
        self._sending = {future: tenant for future, tenant in self._sending.items() if not future.done()}
        room = CONCURRENT - len(self._sending)
        for delivery in self.deliveries.claim_due(room, Counter(self._sending.values())):
            future = self._pool.submit(self._try_to_deliver, delivery)
            future.add_done_callback(lambda _: self._wake.set())
            self._sending[future] = delivery.tenant

    def _try_to_deliver(self, delivery: DeliveryRow) -> None:
        try:
            self._deliver(delivery)
        except SQLAlchemyError as error:  # it is sent again when its lease has ended
            log.warning("cannot record a webhook of job %s: %s", delivery.job_id, type(error).__name__)
        except Exception:
            log.exception("a webhook of job %s failed", delivery.job_id)

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
                self._wake.clear()
                self.begin_round()
                if time.monotonic() >= next_forget:
                    self.deliveries.forget_old()
                    next_forget = time.monotonic() + FORGET_EVERY_S
            except SQLAlchemyError as error:
                log.warning("the webhooks wait for the next round: %s", type(error).__name__)
            except Exception:
                log.exception("a round of the webhooks failed")
            self._wake.wait(ROUND_EVERY_S)
