"""The gateway: the FastAPI application that joins the API and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from app.api import (
    archive,
    bundles,
    control,
    health,
    job_events,
    jobs,
    keys,
    metrics,
    problem_types,
    report_schemas,
    result_links,
    results,
    retry,
    submission,
    tenant_events,
    webhooks,
)
from app.api.cross_origin import CrossOrigin
from app.api.error_handlers import install_error_handlers
from app.api.known_hosts import KnownHosts
from app.api.middleware import MeasureRequests, SecurityHeaders
from app.api.path_prefix import PathPrefix, check_prefix, describe_prefix
from app.api.plain_requests import PlainRequests
from app.api.request_ids import RequestIds
from app.api.services import Services
from app.api.traces import TraceRequests
from app.jobs import logs
from app.jobs.settings import Settings
from app.pages import routes as pages
from app.pages.problem_page import present

DESCRIPTION = """Stress in a vertebra from a CT, and optionally a mask of the vertebra.

Submit with `POST /v1/jobs`, poll `GET /v1/jobs/{id}` or follow `GET /v1/jobs/{id}/events`, fetch
`GET /v1/jobs/{id}/results`. World coordinates are
NIfTI RAS+ in millimetres (mm), stress is in megapascal (MPa), force in newton (N), intensities in Hounsfield units
(HU). Every error is an RFC 9457 problem; `GET` its `type` for a description. Every answer has an `X-Request-Id`, yours
if you send one, and the service's log lines name it. Research software, not for diagnosis.
"""


ROUTES = (
    submission, jobs, job_events, tenant_events, control, retry, results, archive, result_links, webhooks, keys,
    bundles, health, metrics, problem_types, report_schemas, pages,
)  # fmt: skip


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the gateway. It opens its services when it starts to serve.

    Parameters
    ----------
    settings
        Without them the gateway reads the environment (see `app.gateway`).
    """
    if settings is None:
        settings = Settings()
        logs.configure(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_in_threadpool(Services.open, settings)
        app.state.services = services
        services.start()
        try:
            yield
        finally:
            await run_in_threadpool(services.close)

    app = FastAPI(
        title="vertebra-stress",
        version=version("vertebra-stress"),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # the framework's pages load scripts from a CDN, and hospitals are offline
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    install_error_handlers(app, present)
    app.add_middleware(PlainRequests)
    if settings.cors_origins:
        app.add_middleware(CrossOrigin, origins=settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(KnownHosts, settings=settings)
    app.add_middleware(MeasureRequests)
    if settings.otel:
        app.add_middleware(TraceRequests)
    app.add_middleware(RequestIds)  # outside of the others, so that what they write has the id
    for module in ROUTES:
        app.include_router(module.router)
    if settings.path_prefix:
        app.add_middleware(PathPrefix, prefix=settings.path_prefix)
        check_prefix(settings.path_prefix)
        describe_prefix(app, settings.path_prefix)
    return app


def _operation_id(route: APIRoute) -> str:
    """Return the name of the route's function; the HEAD route of a result shares the function of GET."""
    method = "head_" if route.methods == {"HEAD"} else ""
    return method + route.name
