"""`vertebra-stress demo`: a service of its own for one job, unless one is running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.broker import free_port
from app.jobs.parent_death import die_with_parent
from app.serve import ROOT, is_ready

START_WITHIN_S = 180.0
STOP_WITHIN_S = 40.0
SYNTHETIC_SEED = "1"


class DemoError(Exception):
    """The demo's service did not come up; the message holds the end of its log."""


@contextmanager
def service(url: str) -> Iterator[str]:
    """Yield the URL of a ready service: the running one at ``url``, or a temporary one."""
    if is_ready(url):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="vertebra-demo-") as folder:
        port = free_port("127.0.0.1")
        log = Path(folder) / "serve.log"
        process = _start(Path(folder), port, log)
        try:
            own = f"http://127.0.0.1:{port}"
            _wait(process, own, log)
            yield own
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
        raise DemoError(f"The CT could not be generated:\n{done.stderr[-3000:]}")
    return folder / "ct.nii.gz"


def _start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    unset = ("VERTEBRA_BROKER_URL", "VERTEBRA_DATABASE_URL", "VERTEBRA_STORAGE_URL", "VERTEBRA_API_KEYS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"VERTEBRA_DATA_DIR": str(folder), "VERTEBRA_HOST": "127.0.0.1", "VERTEBRA_PORT": str(port)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
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


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_WITHIN_S
    while not is_ready(url):
        if process.poll() is not None or time.monotonic() > end:
            tail = log.read_text(errors="replace")[-3000:]
            raise DemoError(f"The service did not become ready within {START_WITHIN_S:g} s. Its log ends:\n{tail}")
        time.sleep(0.3)
