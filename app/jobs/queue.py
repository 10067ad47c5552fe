"""The queue: carries job ids, by task name, and nothing else."""

from __future__ import annotations

from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError

from app.contract.errors import BrokerUnavailable
from app.jobs.settings import QUEUE_NAME, TASK_NAME, Settings


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the options of every connection to the broker, gateway and worker alike.

    Celery's defaults wait for ever on a dead peer and redeliver the job of a killed worker only after the
    visibility timeout *plus* up to 100 s; both are set here (DESIGN, section 3).
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
        self._app = Celery("vertebra-gateway", broker=self._url, set_as_current=False)
        self._app.conf.update(
            task_ignore_result=True,
            task_publish_retry=False,
            broker_connection_timeout=5,
            broker_connection_retry=False,
            broker_transport_options=transport_options(settings) | {"max_retries": 1, "interval_start": 0},
            task_default_queue=QUEUE_NAME,
        )

    def send(self, job_id: str) -> None:
        """Enqueue a job id; raise `BrokerUnavailable` when the broker does not take it."""
        try:
            self._app.send_task(
                TASK_NAME, args=[job_id], queue=QUEUE_NAME, ignore_result=True, retry=False, task_id=None
            )
        except (KombuError, redis.RedisError, OSError) as error:
            raise _unavailable() from error

    def ping(self) -> None:
        """Raise `BrokerUnavailable` when the broker does not answer."""
        try:
            with redis.Redis.from_url(self._url, socket_timeout=3, socket_connect_timeout=3) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            raise _unavailable() from error

    def close(self) -> None:
        """Close the connections."""
        self._app.close()


def _unavailable() -> BrokerUnavailable:
    return BrokerUnavailable("The queue does not answer. Jobs already accepted are kept and will run.")
