"""OpenTelemetry traces from the gateway through the job's row to the worker. Off unless ``VERTEBRA_OTEL`` is set.

Spans name routes, jobs and stages. They hold no text of a request and of an error its type alone, so no patient data
leaves with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.jobs.settings import Settings, SettingsError

if TYPE_CHECKING:  # of the extra `otel`
    from opentelemetry.sdk.trace import TracerProvider

_PROPAGATOR = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None


def require(settings: Settings) -> None:
    """Raise `SettingsError` if the settings ask for traces and the extra ``otel`` is not installed."""
    if not settings.otel:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise SettingsError('VERTEBRA_OTEL needs OpenTelemetry: pip install "vertebra-stress[otel]".') from error


def start(settings: Settings, service: str) -> None:
    """Export the spans of this process over OTLP, if the settings say so. The ``OTEL_*`` variables say where to.

    Call it after the last fork. Raises as `require` does.
    """
    require(settings)
    if not settings.otel:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = {"service.name": service, "service.version": version("vertebra-stress")}
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: TracerProvider | None) -> None:
    """Give the spans of this process to a provider; ``None`` makes none."""
    global _provider
    _provider = provider


def stop() -> None:
    """Send what is not sent yet."""
    if _provider is not None:
        _provider.shutdown()
    use(None)


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Iterator[Span]:
    """Run a block as a span. An error that leaves the block marks it with the error's type.

    Parameters
    ----------
    name, kind, attributes
        See OpenTelemetry. The name has no ids.
    parent
        See `parent_of`; the span of this thread by default.
    """
    if _provider is None:
        yield trace.INVALID_SPAN
        return
    tracer = _provider.get_tracer("vertebra-stress")
    with tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def parent_of(traceparent: str | None) -> Context | None:
    """Return the context of a W3C ``traceparent``, of a request's header or of a row."""
    return None if traceparent is None else _PROPAGATOR.extract({"traceparent": traceparent})


def traceparent() -> str | None:
    """Return the W3C ``traceparent`` of the current span; ``None`` if there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
