"""What workers report, in ``/metrics`` of the gateway, and the dashboard that shows it."""

from __future__ import annotations

import json
import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.jobs import worker_figures, worker_registry
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from tests.app.harness import ROOT, finish, post

DASHBOARD = ROOT / "docs" / "operations" / "grafana.json"
WORKER = "host:7"


@pytest.fixture(scope="module")
def store(settings: Settings) -> JobStore:
    return open_store(settings)


@pytest.fixture(scope="module")
def samples(client: httpx.Client, settings: Settings, store: JobStore) -> dict[str, list[dict[str, str]]]:
    """Name of each sample of a gateway that has served a job to its labels; the values lie under ``=``."""
    job = post(client).json()
    finish(settings, job["id"], {"report.json": (b"{}", "application/json")})
    post(client)
    worker_registry.register(store, worker_registry.WorkerReport(WORKER, "1", {}, peak_memory_bytes=3 << 30))
    worker_figures.note_claim(store, WORKER)
    worker_figures.note_stages(store, {"solve": 2.0, "morph": 1.0})
    worker_figures.note_stages(store, {"solve": 4.5})
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels) | {"=": str(sample.value)})
    store.engine.dispose()
    return found


def test_metrics_show_what_workers_report(samples: dict[str, list[dict[str, str]]]) -> None:
    assert samples["vertebra_worker_peak_memory_bytes"] == [{"worker": WORKER, "=": str(float(3 << 30))}]
    assert {"stage": "solve", "=": "6.5"} in samples["vertebra_stage_seconds_sum"]
    assert {"stage": "solve", "=": "2.0"} in samples["vertebra_stage_seconds_count"]
    assert {"stage": "morph", "=": "1.0"} in samples["vertebra_stage_seconds_count"]
    assert samples["vertebra_workers"] == [{"state": "ready", "=": "1.0"}, {"state": "starting", "=": "0.0"}]
    (claimed,) = samples["vertebra_last_claim_timestamp_seconds"]
    assert abs(float(claimed["="]) - time.time()) < 3600
    (age,) = samples["vertebra_queue_age_seconds"]
    assert 0 < float(age["="]) < 3600


def test_every_metric_of_the_dashboard_exists(samples: dict[str, list[dict[str, str]]]) -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    targets = [target for panel in panels for target in panel["targets"]]
    for target in targets:
        names = re.findall(r"\b(?:vertebra|process)_\w+", target["expr"])
        assert names, target["expr"]
        for name in names:
            assert name in samples, f"{target['expr']}: the gateway has no {name}"
        labels = {label for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
        labels |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - {"instance"}
        for label in labels:
            assert all(label in sample for sample in samples[names[0]]), f"{names[0]} has no label {label}"
