"""`vertebra-stress demo`: start a temporary service for one job, unless a service runs already."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app import local_key
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import SECRETS_FOLDER
from app.start_up import StartError, is_ready, progress
from app.supervisor import ROOT, python_path

STOP_WITHIN_S = 40.0
LOG_TAIL = 3000
"""Characters of a log that an error shows."""

SYNTHETIC_SEED = "1"


class DemoError(Exception):
    """The temporary service or the synthetic CT failed; the message has the end of the log."""


@contextmanager
def service(url: str, tell: Callable[[str], None]) -> Iterator[tuple[str, str | None]]:
    """Yield the URL of a ready service: the one at ``url`` if it runs, or else a temporary one and its key.

    ``tell`` is called with each step of the start, in words.
    """
    if is_ready(url):
        yield url, None
        return
    from app.broker import free_port  # it loads the queue's client, which no other command needs

    with tempfile.TemporaryDirectory(prefix="vertebra-demo-") as folder:
        port = free_port("127.0.0.1")
        log = Path(folder) / "serve.log"
        process = _start(Path(folder), port, log)
        try:
            temporary_url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, temporary_url, log, tell)
            yield temporary_url, local_key.find(temporary_url, Path(folder) / SECRETS_FOLDER)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def synthetic_ct(folder: Path) -> Path:
    """Generate a lumbar CT (in a process of its own: the gateway's code imports no numerics); return its path."""
    command = [sys.executable, "-m", "synthetic_ct", "--out", str(folder), "--seed", SYNTHETIC_SEED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"The CT could not be generated:\n{done.stderr[-LOG_TAIL:]}")
    return folder / "ct.nii.gz"


def _start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    unset = ("VERTEBRA_BROKER_URL", "VERTEBRA_DATABASE_URL", "VERTEBRA_STORAGE_URL", "VERTEBRA_API_KEYS",
             "VERTEBRA_ALLOW_ANONYMOUS", "VERTEBRA_SIGNING_FILE")  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"VERTEBRA_DATA_DIR": str(folder), "VERTEBRA_HOST": "127.0.0.1", "VERTEBRA_PORT": str(port)}
    environment["PYTHONPATH"] = python_path()
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
        )


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, tell: Callable[[str], None]) -> None:
    def check() -> None:
        if process.poll() is not None:
            raise StartError(f"It ended with status {process.returncode}.")

    try:
        for state in progress(url, check):
            tell(state.text)
    except StartError as error:
        tail = log.read_text(errors="replace")[-LOG_TAIL:]
        raise DemoError(f"The temporary service did not get ready. {error} The end of its log:\n{tail}") from error
