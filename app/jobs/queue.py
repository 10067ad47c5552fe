"""The queue: its messages wake the workers. A message carries the task's name and the id of the job that caused it.

The worker that gets a message runs the job whose turn it is (`app.jobs.fair_order`), so what matters is only that there
are as many messages as jobs that wait.
"""

from __future__ import annotations

import time
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError

from app.contract.errors import BrokerUnavailable
from app.jobs.settings import QUEUE_NAME, TASK_NAME, Settings

PING_TIMEOUT_S = 3
"""Longest time that `JobQueue.ping` and `JobQueue.length` wait for a connection, and for the answer, seconds."""


SEND_OPTIONS = {"max_retries": 1, "interval_start": 0, "socket_timeout": PING_TIMEOUT_S}
"""What a gateway does otherwise than a worker: a client waits, so it gives up soon on a broker that hangs."""

HANGS_AFTER_S = 1.0
"""A send that fails after so long met a broker that hangs; one that is down refuses within milliseconds."""

SPARED_S = 5.0
"""How long no other send tries a broker that hangs, seconds."""


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every connection to the broker, for gateway and worker alike.

    With Celery's defaults a connection waits for ever on a dead peer, hence the socket timeouts. The job of a killed
    worker returns only after the visibility timeout *plus* up to 100 s, because the restore runs at every tenth tick
    of 10 s; the ``unacked_restore`` options make it run at every tick (measured on Celery 5.7 with redis-py 8.1).
    """
    return {
        "visibility_timeout": settings.visibility_timeout_s,
        "unacked_restore_limit": 100,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "retry_on_timeout": False,
    }


class JobQueue:
    """Sends job ids to the workers."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.broker
        self._spared_until = 0.0
        self._app = Celery("vertebra-gateway", broker=self._url, set_as_current=False)
        self._app.conf.update(
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_timeout=5,
            broker_connection_retry=False,
            broker_transport_options=transport_options(settings) | SEND_OPTIONS,
            task_default_queue=QUEUE_NAME,
        )

    def send(self, job_id: str) -> None:
        """Send a message for a job. Raise `BrokerUnavailable` if the broker does not accept it.

        After a broker has kept a send waiting, others fail at once for `SPARED_S`: while it hangs, each would hold a
        thread for seconds, and the reconciler sends for the jobs later anyway.
        """
        begin = time.monotonic()
        if begin < self._spared_until:
            raise _unavailable()
        try:
            self._app.send_task(
                TASK_NAME, args=[job_id], queue=QUEUE_NAME, ignore_result=True, retry=False, task_id=None
            )
        except (KombuError, redis.RedisError, OSError) as error:
            if time.monotonic() - begin > HANGS_AFTER_S:
                self._spared_until = time.monotonic() + SPARED_S
            raise _unavailable() from error

    def ping(self) -> None:
        """Raise `BrokerUnavailable` if the broker does not answer."""
        try:
            with self._connection() as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            raise _unavailable() from error

    def length(self) -> int:
        """Return the number of messages that no worker has taken. Raise `BrokerUnavailable` without an answer."""
        try:
            with self._connection() as client:
                return int(client.llen(QUEUE_NAME))
        except (redis.RedisError, OSError) as error:
            raise _unavailable() from error

    def close(self) -> None:
        """Close the connections."""
        self._app.close()

    def _connection(self) -> redis.Redis:
        return redis.Redis.from_url(self._url, socket_timeout=PING_TIMEOUT_S, socket_connect_timeout=PING_TIMEOUT_S)


def _unavailable() -> BrokerUnavailable:
    return BrokerUnavailable("The queue does not answer. The jobs that the gateway has accepted are kept and will run.")
