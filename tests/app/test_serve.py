"""`serve` as a whole: it starts, restarts processes that die, stops, and leaves no process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from app import cli, local_key
from app.broker import free_port
from app.commands.exit_codes import JOB_FAILED, TRY_LATER
from app.jobs.parent_death import die_with_parent
from app.listeners import listen
from tests.app.harness import PATIENCE_S, ROOT, kill_group, wait_for

# The worker of `serve` runs the fake pipeline: Celery loads another module, and nothing else differs.
START = """
import sys
import app.serve as serve
original = serve.worker_command
serve.worker_command = lambda settings: [
    "tests.workers.fake_worker" if part == "workers.celery_app" else part for part in original(settings)
]
from app.cli import main
sys.exit(main(["serve"]))
"""


SECRET = b"half a CT "


class Service:
    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, part: str) -> psutil.Process:
        own = [child for child in psutil.Process(self.process.pid).children() if not none_left([child])]
        return next(child for child in own if part in " ".join(child.cmdline()))


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Service]:
    log = data_dir.parent / "serve.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERTEBRA_")}
    environment = kept | {
        "VERTEBRA_DATA_DIR": str(data_dir),
        "VERTEBRA_PORT": "0",
        "VERTEBRA_HEARTBEAT_S": "0.5",
        "VERTEBRA_STALE_AFTER_S": "10",
        "VERTEBRA_RECONCILE_EVERY_S": "0.5",
        "VERTEBRA_ALLOW_ANONYMOUS": "1",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(data_dir.parent),
        **settings,
    }
    with log.open("ab") as out:
        offset = out.tell()
        process = subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(begin, os.getpid()),
        )

    def announced() -> str | None:
        assert process.poll() is None, log.read_text()
        lines = log.read_bytes()[offset:].decode().splitlines()
        return next((line.rsplit(" ", 1)[1] for line in lines if "is ready at" in line), None)

    try:
        yield Service(process, wait_for(announced, "serve"), log)
    finally:
        kill_group(process)


def begin(parent: int) -> None:
    die_with_parent(parent)
    os.umask(0)


def readable_by_others(folder: Path) -> list[Path]:
    return [path for path in [folder, *folder.rglob("*")] if path.lstat().st_mode & 0o077]


def half_an_upload(url: str, key: str) -> socket.socket:
    """Begin to send a CT and stop in the middle of it."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port))
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000000\r\n"
        b"X-API-Key: " + key.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="ct"; filename="c"\r\n\r\n' + SECRET * 200_000
    )
    return connection


def files_with(text: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def none_left(processes: list[psutil.Process]) -> bool:
    return not [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def submit(service: Service, tmp_path: Path, ct: str) -> int:
    (tmp_path / "ct").write_text(ct)
    (tmp_path / "mask").write_text("mask")
    arguments = ["--ct", str(tmp_path / "ct"), "--mask", str(tmp_path / "mask"), "--load", "750"]
    return cli.main(["run", *arguments, "--out", str(tmp_path / "out"), "--url", service.url])


def test_serve_from_start_to_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERTEBRA_DATA_DIR", str(tmp_path / "data"))  # where the command line finds the key
    with serving(tmp_path / "data", VERTEBRA_ALLOW_ANONYMOUS="0") as service:
        sender = check_the_key_of_this_machine(service, tmp_path / "data")
        assert submit(service, tmp_path, "ok") == 0
        printed = capsys.readouterr().out
        assert '"load_newton": 750' in printed
        assert "/results/report.json" in printed
        assert (tmp_path / "out" / "viewer.html").read_text() == "<p>3-D</p>"

        assert submit(service, tmp_path, "bad") == JOB_FAILED
        complaint = capsys.readouterr().err
        for text in ("Implausible voxel size", "expected: 0.1 to 6 mm", "got: 1000 mm"):
            assert text in complaint

        second = subprocess.run(
            [sys.executable, "-m", "app.cli", "serve"],
            cwd=ROOT,
            env=os.environ | {"VERTEBRA_DATA_DIR": str(tmp_path / "data")},
            capture_output=True,
            text=True,
        )
        assert second.returncode == 1
        assert f"Another `vertebra-stress serve` (process {service.process.pid})" in second.stderr

        for part in ("fake_worker", "valkey-server", "app.gateway"):
            victim = service.child(part)
            victim.kill()
            wait_for(lambda victim=victim: none_left([victim]), "death")
        wait_for(lambda: ready(service.url), "recovery")
        assert submit(service, tmp_path, "ok") == 0

        descendants = service.descendants()
        assert len(descendants) >= 4
        files = {"ct": b"stuck 90 PATIENT", "mask": b"m"}
        path = httpx.post(f"{service.url}/v1/jobs", files=files, headers=sender).headers["location"]
        wait_for(lambda: files_with(b"PATIENT", tmp_path / "data" / "scratch"), "an attempt with the CT in its folder")
        with half_an_upload(service.url, sender["X-API-Key"]):
            wait_for(lambda: files_with(SECRET, tmp_path), "half an upload")
            assert readable_by_others(tmp_path / "data") == []
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(PATIENCE_S) == 0
        assert none_left(descendants)
        assert files_with(SECRET, tmp_path) == []
        stored = tmp_path / "data" / "blobs" / "jobs" / path.rsplit("/", 1)[1] / "input" / "ct"
        assert files_with(b"PATIENT", tmp_path) == [stored]


class ReadyForAll(BaseHTTPRequestHandler):
    """Another service, which says that it is ready whatever the path is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def occupied_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), ReadyForAll) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield other.server_port
        other.shutdown()


def test_serve_announces_nothing_on_a_port_of_another_service(tmp_path: Path, occupied_port: int) -> None:
    with (
        pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1, port {occupied_port}"),
        serving(tmp_path / "data", VERTEBRA_PORT=str(occupied_port)) as service,
    ):
        pytest.fail(f"ready at {service.url}, which is another service")
    assert not (tmp_path / "data" / "broker").exists()  # nothing has started


def test_a_start_shows_its_steps(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    environment = {"FAKE_WORKER_STEPS": str(steps), "VERTEBRA_PORT": str(free_port("127.0.0.1"))}
    url = f"http://127.0.0.1:{environment['VERTEBRA_PORT']}"

    def walk() -> None:
        for number in range(3):
            body = wait_for(lambda n=number: starting(url, f"step {n}"), f"step {number}")
            assert body["type"] == "/problems/not_ready"
            with ThreadPoolExecutor() as others:  # they share one look at the workers, and each tells all of it
                answers = list(others.map(lambda _: httpx.get(f"{url}/health/ready").json(), range(8)))
            assert all(answer["workers"] for answer in answers)
            assert body["components"]["workers"]["detail"].endswith(f"is starting: step {number}, {number} of 3")
            told = f"  workers: step {number} ({number} of 3)"
            wait_for(lambda line=told: line in (tmp_path / "serve.log").read_text().splitlines(), told)
            (steps / str(number)).touch()

    with ThreadPoolExecutor() as pool:
        walking = pool.submit(walk)
        with serving(tmp_path / "data", **environment) as service:
            walking.result()
            ready = httpx.get(f"{service.url}/health/ready").json()
            assert [worker["starting"] for worker in ready["workers"]] == [None]


def starting(url: str, step: str) -> dict | None:
    """Return the answer of a service whose only worker is at a step of its start."""
    try:
        response = httpx.get(f"{url}/health/ready")
    except httpx.TransportError:
        return None
    body: dict = response.json()
    steps = [worker["starting"]["step"] for worker in body.get("workers", []) if worker["starting"]]
    return body if response.status_code == 503 and steps == [step] else None


def test_the_port_stays_with_serve_while_the_gateway_starts_again(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as service:
        for _ in range(3):
            service.child("app.gateway").kill()
            assert httpx.get(f"{service.url}/health/live", timeout=PATIENCE_S).json() == {"status": "ok"}


def test_a_listener_sends_small_answers_at_once() -> None:
    with listen("127.0.0.1", 0) as (listener,), socket.create_connection(listener.getsockname()):
        connection = listener.accept()[0]
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_serve_killed_mid_job_leaves_no_process_and_loses_no_job(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as service:
        files = {"ct": b"sleep 4", "mask": b"m"}
        path = httpx.post(f"{service.url}/v1/jobs", files=files).headers["location"]
        wait_for(lambda: httpx.get(service.url + path).json()["state"] == "running", "start")
        descendants = service.descendants()
        assert len(descendants) >= 4
        with half_an_upload(service.url, ""):
            wait_for(lambda: files_with(SECRET, tmp_path), "half an upload")
            service.process.kill()
            wait_for(lambda: none_left(descendants), "end of every child")
    assert files_with(SECRET, tmp_path)
    with serving(tmp_path / "data") as service:
        assert files_with(SECRET, tmp_path) == []
        job = wait_for(lambda: finished(service.url + path), "job")
        assert job["state"] == "succeeded"
        assert job["attempt"] == 2


def check_the_key_of_this_machine(service: Service, data_dir: Path) -> dict[str, str]:
    assert httpx.get(f"{service.url}/v1/jobs").status_code == 401
    file = data_dir / "secrets" / "local-key.json"
    assert file.stat().st_mode & 0o777 == 0o600
    key = local_key.find(service.url, file.parent)
    assert key
    assert httpx.get(f"{service.url}/v1/jobs", headers={"X-API-Key": key}).json()["jobs"] == []
    link = re.search(r"^  open +(\S+)", wait_for(lambda: printed_after_ready(service), "link"), re.MULTILINE)
    assert link
    with httpx.Client() as visitor:
        assert visitor.get(link[1]).status_code == 200
        assert visitor.get(f"{service.url}/").status_code == 200
    return {"X-API-Key": key}


def printed_after_ready(service: Service) -> str | None:
    _, _, rest = service.log.read_text().partition("is ready at")
    return rest if "API key  vtb_" in rest else None


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def finished(url: str) -> dict | None:
    job = httpx.get(url).json()
    return job if job["state"] in ("succeeded", "failed") else None


def test_submit_to_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    (tmp_path / "ct").write_text("x")
    assert cli.main(["submit", "--ct", str(tmp_path / "ct"), "--url", "http://127.0.0.1:1"]) == TRY_LATER
    assert "does not answer" in capsys.readouterr().err
    assert cli.main(["submit", "--ct", str(tmp_path / "absent")]) == 1
    assert "There is no file" in capsys.readouterr().err
