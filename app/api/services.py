"""The services that the routes use. A process opens them once, and routes receive them as a dependency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from app.api.job_watch import JobWatch
from app.api.metrics import RequestMetrics
from app.api.outlook_reader import OutlookReader
from app.api.probes import Probes
from app.api.row_reader import RowReader
from app.api.tenant_rate import TenantRate
from app.identity.authenticator import Authenticator
from app.identity.signing import Signer
from app.jobs.audit import AuditTrail
from app.jobs.blobs import BlobStore
from app.jobs.buckets import SharedBuckets
from app.jobs.queue import JobQueue
from app.jobs.reconciler import Reconciler
from app.jobs.settings import Settings
from app.jobs.store import JobStore, open_store
from app.jobs.sweeper import Sweeper
from app.webhooks.sender import WebhookSender


@dataclass(frozen=True)
class Services:
    """The services of a gateway process."""

    settings: Settings
    store: JobStore
    blobs: BlobStore
    queue: JobQueue
    row_reader: RowReader
    outlooks: OutlookReader
    job_watch: JobWatch
    probes: Probes
    tenant_rate: TenantRate
    reconciler: Reconciler
    sweeper: Sweeper
    registry: CollectorRegistry
    metrics: RequestMetrics
    authenticator: Authenticator
    signer: Signer
    webhooks: WebhookSender
    audit: AuditTrail
    buckets: SharedBuckets

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Connect to database, storage and queue. One that does not answer now is used when it does."""
        store = open_store(settings, may_be_away=True)
        blobs = BlobStore(settings.storage)
        queue = JobQueue(settings)
        registry = CollectorRegistry()
        row_reader = RowReader(store)
        outlooks = OutlookReader(row_reader, settings.worker_seen_within_s)
        buckets = SharedBuckets(settings.broker)
        return cls(
            settings=settings,
            store=store,
            blobs=blobs,
            queue=queue,
            row_reader=row_reader,
            outlooks=outlooks,
            job_watch=JobWatch(row_reader, outlooks),
            probes=Probes(),
            tenant_rate=TenantRate(settings.tenant_requests_per_s, buckets),
            reconciler=Reconciler(settings, store, queue),
            sweeper=Sweeper(settings, store, blobs),
            registry=registry,
            metrics=RequestMetrics(registry, store, settings),
            authenticator=Authenticator(settings, store.engine, buckets),
            signer=Signer(settings.signing_secrets),
            webhooks=WebhookSender(settings, store.engine),
            audit=AuditTrail(store.engine),
            buckets=buckets,
        )

    def start(self) -> None:
        """Start what runs beside the requests."""
        self.authenticator.warn_if_nobody_may_come()
        self.reconciler.start()
        self.sweeper.start()
        self.webhooks.start()

    def close(self) -> None:
        """Stop what runs beside the requests and disconnect."""
        self.reconciler.stop()
        self.sweeper.stop()
        self.row_reader.close()
        self.webhooks.stop()
        self.probes.close()
        self.queue.close()
        self.buckets.close()
        self.store.engine.dispose()


async def get_services(request: Request) -> Services:
    """Return the services of the application that handles the request."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]
