"""One trace from the client's request through the job's row to the stages in a worker, in the in-memory exporter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from app.cli import main
from app.jobs import logs, tracing
from app.jobs.settings import Settings
from app.jobs.store import open_store
from tests.app.harness import ROOT, Broker, environment, post, running_gateway

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT_SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CLIENT_SPAN}-01"

WORKER = """
import json, sys
import tests.workers.fake_worker
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from app.jobs import tracing
from workers.stage_clock import StageClock
from workers import pipeline, tasks

whole = pipeline.run_pipeline
def staged(ct, mask, params, out, progress):
    with StageClock(progress).stage("solve"):
        return whole(ct, mask, params, out, progress)
pipeline.run_pipeline = staged

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracing.use(provider)
tasks.run_job(sys.argv[1])
print(json.dumps([json.loads(span.to_json()) for span in exporter.get_finished_spans()]))
"""
"""A worker's task in this process, with the pipeline of the fake worker as its one stage."""


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


@pytest.fixture
def settings(broker: Broker, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, broker_url=broker.url, allow_anonymous=True, otel=True)


def spans_of_worker(settings: Settings, job_id: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-c", WORKER, job_id],
        cwd=ROOT, env=environment(settings), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_one_trace_from_request_to_stage(exporter: InMemorySpanExporter, settings: Settings) -> None:
    with running_gateway(settings) as url, httpx.Client(base_url=url) as client:
        job = post(client, headers={"traceparent": TRACEPARENT, "X-Request-Id": "r-1"}).json()
        client.get(f"/v1/jobs/{'0' * 32}")
    submitted, missing = exporter.get_finished_spans()
    assert (submitted.name, submitted.kind.name) == ("POST /v1/jobs", "SERVER")
    assert dict(submitted.attributes) == {
        "http.request.method": "POST", "http.route": "/v1/jobs", "http.response.status_code": 202,
        "vertebra.request_id": "r-1", "vertebra.job_id": job["id"],
    }  # fmt: skip
    assert f"{submitted.context.trace_id:032x}" == TRACE
    assert f"{submitted.parent.span_id:016x}" == CLIENT_SPAN
    assert missing.attributes["http.response.status_code"] == 404
    assert missing.status.status_code.name == "UNSET"
    assert missing.context.trace_id != submitted.context.trace_id

    stage, run = spans_of_worker(settings, job["id"])
    assert (run["name"], run["kind"], run["status"]["status_code"]) == ("job", "SpanKind.CONSUMER", "UNSET")
    assert run["attributes"] == {"vertebra.job_id": job["id"], "vertebra.attempt": 1}
    assert run["parent_id"] == f"0x{submitted.context.span_id:016x}"
    assert (stage["name"], stage["parent_id"]) == ("stage solve", run["context"]["span_id"])
    assert {span["context"]["trace_id"] for span in (run, stage)} == {f"0x{TRACE}"}


def test_an_error_leaves_its_type_alone(exporter: InMemorySpanExporter, settings: Settings) -> None:
    with running_gateway(settings) as url, httpx.Client(base_url=url) as client:
        job = post(client, b"bug").json()
    stage, _ = spans_of_worker(settings, job["id"])
    assert stage["status"] == {"status_code": "ERROR", "description": "RuntimeError"}
    assert "PATIENT" not in json.dumps(stage)
    assert stage["events"] == []
    assert exporter.get_finished_spans()


def test_off_by_default(broker: Broker, tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    settings = Settings(data_dir=tmp_path, broker_url=broker.url, allow_anonymous=True)
    assert not settings.otel
    with running_gateway(settings) as url, httpx.Client(base_url=url) as client:
        job = post(client, headers={"traceparent": TRACEPARENT}).json()
    assert exporter.get_finished_spans() == ()
    store = open_store(settings)
    row = store.get("local", job["id"])
    store.engine.dispose()
    assert row is not None
    assert row.traceparent is None


@pytest.mark.parametrize("command", ["gateway", "worker", "serve"])
def test_without_the_extra_no_process_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VERTEBRA_OTEL", "1")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert main([command]) == 1
    assert 'pip install "vertebra-stress[otel]"' in capsys.readouterr().err


def test_log_lines_name_the_trace(exporter: InMemorySpanExporter) -> None:
    import logging

    record = logging.LogRecord("app", logging.INFO, "x.py", 1, "m", (), None)
    with tracing.span("job", parent=tracing.parent_of(TRACEPARENT)):
        assert json.loads(logs.JsonFormatter().format(record))["trace_id"] == TRACE
        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", tracing.traceparent() or "")
    assert "trace_id" not in json.loads(logs.JsonFormatter().format(record))
    assert tracing.traceparent() is None


def test_spans_go_to_the_collector_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        tracing.start(Settings(otel=True), "vertebra-test")
        with tracing.span("job"):
            pass
        tracing.stop()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"vertebra-test" in body
    assert b"job" in body
