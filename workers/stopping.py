"""Whether this worker is about to stop. The supervising process says so, and its pool processes read it.

Celery's warm shutdown waits for running tasks, so nothing else tells them that somebody waits for them.
"""

from __future__ import annotations

import mmap
from typing import Any

_flag = mmap.mmap(-1, 1)  # anonymous memory that the pool processes share, because they are forked


def announce_stop(**_: Any) -> None:
    """Say that the worker stops. A receiver of Celery's ``worker_shutting_down``."""
    _flag[0] = 1


def is_stopping() -> bool:
    """Return whether the worker stops."""
    return _flag[0] == 1
