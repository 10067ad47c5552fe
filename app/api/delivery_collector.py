"""The figures of webhooks for ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.webhooks.deliveries import STATES, DeliveryStore


class DeliveryCollector(Collector):
    """Reads the number of webhooks in each state from the rows, at each scrape."""

    def __init__(self, deliveries: DeliveryStore) -> None:
        self._deliveries = deliveries

    def describe(self) -> Iterable[Metric]:
        """Return no samples, because registration must not query the database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield the metric family."""
        counts = self._deliveries.count_by_state()
        family = GaugeMetricFamily("vertebra_webhook_deliveries", "Webhooks kept, by state.", labels=["state"])
        for state in STATES:
            family.add_metric([state], counts.get(state, 0))
        yield family
