"""What the workers have reported to the database, for ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from app.jobs.statistics import last_claim, queue_age, stage_times
from app.jobs.store import JobStore
from app.jobs.worker_registry import list_alive


class WorkerCollector(Collector):
    """Reads the reports of the workers at each scrape.

    Parameters
    ----------
    store
        The job rows.
    alive_within_s
        A worker is alive if its last report is at most this old, seconds. Only such workers have a label.
    """

    def __init__(self, store: JobStore, alive_within_s: float) -> None:
        self._store = store
        self._alive_within_s = alive_within_s

    def describe(self) -> Iterable[Metric]:
        """Return no samples, because registration must not query the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families."""
        yield from self._queue()
        yield from self._workers()
        stages = SummaryMetricFamily(
            "vertebra_stage_seconds", "Time of each stage of jobs that succeeded, seconds.", labels=["stage"]
        )
        for stage, (count, seconds) in sorted(stage_times(self._store).items()):
            stages.add_metric([stage], count_value=count, sum_value=seconds)
        yield stages

    def _queue(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "vertebra_queue_age_seconds", "Age of the oldest queued job, seconds.", value=queue_age(self._store)
        )
        claimed_at = last_claim(self._store)
        yield GaugeMetricFamily(
            "vertebra_last_claim_timestamp_seconds", "When a worker last began a job, Unix time; 0: never.",
            value=claimed_at or 0.0,
        )  # fmt: skip

    def _workers(self) -> Iterable[Metric]:
        alive = list_alive(self._store, self._alive_within_s)
        states = GaugeMetricFamily("vertebra_workers", "Pool processes that report, by state.", labels=["state"])
        starting = sum(worker.starting is not None for worker in alive)
        states.add_metric(["ready"], len(alive) - starting)
        states.add_metric(["starting"], starting)
        yield states
        memory = GaugeMetricFamily(
            "vertebra_worker_peak_memory_bytes", "Largest resident memory of a pool process so far.", labels=["worker"]
        )
        for worker in alive:
            if worker.peak_memory_bytes is not None:
                memory.add_metric([worker.name], worker.peak_memory_bytes)
        yield memory
