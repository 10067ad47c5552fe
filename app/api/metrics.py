"""``/metrics`` for Prometheus.

Figures of jobs and workers come from the rows, so every gateway reports the same and no worker needs a scrape of its
own. Those of requests and of the process are the gateway's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.api.delivery_collector import DeliveryCollector
from app.api.worker_collector import WorkerCollector
from app.jobs.rows import VISIBLE_STATES
from app.jobs.settings import Settings
from app.jobs.statistics import count_by_state, run_time_by_state
from app.jobs.store import JobStore
from app.webhooks.deliveries import DeliveryStore

router = APIRouter()

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that the parent of several gateway processes sets; see `app.gateway_processes`."""


class JobCollector(Collector):
    """Reads the number of jobs in each state and their run times from the rows, at each scrape."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Return no samples, because registration must not query the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families."""
        counts = count_by_state(self._store)
        jobs = GaugeMetricFamily("vertebra_jobs", "Jobs kept, by state.", labels=["state"])
        for visible in VISIBLE_STATES:
            jobs.add_metric([visible], counts.get(visible, 0))
        yield jobs
        spans = SummaryMetricFamily(
            "vertebra_job_run_seconds", "Run time of the last attempt of finished jobs, seconds.", labels=["state"]
        )
        for state, (count, total) in sorted(run_time_by_state(self._store).items()):
            spans.add_metric([state], count_value=count, sum_value=total)
        yield spans


class RequestMetrics:
    """Counters of this gateway process, or of all processes behind its port."""

    def __init__(self, registry: CollectorRegistry, store: JobStore, settings: Settings) -> None:
        registry.register(JobCollector(store))
        registry.register(WorkerCollector(store, settings.worker_seen_within_s))
        registry.register(DeliveryCollector(DeliveryStore(store.engine)))
        if SHARED_FOLDER in os.environ:  # the processes add up their counters there, and this collector reads them all
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry = CollectorRegistry()
        else:
            ProcessCollector(registry=registry)
        self.requests = Counter(
            "vertebra_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "vertebra_http_request_seconds", "Time from request to the end of the answer, seconds.", ["route"],
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300), registry=registry,
        )  # fmt: skip
        self.upload_bytes = Counter("vertebra_upload_bytes", "Bytes of job submissions received.", registry=registry)


@router.get(
    "/metrics",
    tags=["operation"],
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
)
def metrics(request: Request) -> Response:
    """Return figures of jobs, workers and requests in the Prometheus text format."""
    registry: CollectorRegistry = request.app.state.services.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
