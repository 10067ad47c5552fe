"""The folder of an attempt's files. It holds patient data, so it must go even if somebody kills the process."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PREFIX = "vertebra-job-"
"""Start of a folder's name; process id and host follow."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder under ``TMPDIR`` that carries this process's id and host. Remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-{socket.gethostname()}-") as folder:
        yield Path(folder)


def remove_left_behind(longest_run_s: float) -> None:
    """Remove the folders of processes that were killed.

    Parameters
    ----------
    longest_run_s
        Longest run of an attempt, seconds. A folder of twice that age goes even if another host made it, because
        containers that share a scratch volume change their host names.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_dead(folder.name) or _age_s(folder) > 2 * longest_run_s:
            shutil.rmtree(folder, ignore_errors=True)
            log.info("removed the folder of a killed process")


def _is_dead(name: str) -> bool:
    """Return whether the process that made a folder ran on this host and has ended."""
    pid, _, rest = name.removeprefix(PREFIX).partition("-")
    if not pid.isdigit() or not rest.startswith(f"{socket.gethostname()}-"):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
