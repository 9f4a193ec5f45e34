"""OpenTelemetry spans, one for each generation, where OpenTelemetry's environment variables name a collector.

Without these variables OpenTelemetry is not imported. The engine's spans (engine_proc/adapter/observing) are children
of the spans here.
"""

import os
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

VARIABLES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "traceparent"
VARIABLE = "HTTP_TRACEPARENT"
"""The WSGI variable of the header `PARENT`."""
MOST_CHARS = 55
"""Length of a `traceparent`."""

_tracer: "Tracer | None" = None
_making = threading.Lock()


@cache
def enabled() -> bool:
    """Return whether one of `VARIABLES` is set."""
    return any(os.environ.get(name) for name in VARIABLES)


def load() -> None:
    """Import OpenTelemetry if it is used. At a worker's first request this would hold all others for 100 ms."""
    if enabled():
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        import_module("opentelemetry.sdk.trace.export")
        OTLPSpanExporter()  # what it needs to send is imported when one is made


def begin(environ: Mapping[str, Any]) -> "Span | None":
    """Start the span of a WSGI request, a child of the client's if there is one. None: nothing is traced."""
    if not enabled():
        return None
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    names = {name: f"HTTP_{name.upper()}" for name in (PARENT, "tracestate")}
    headers = {name: environ[variable] for name, variable in names.items() if variable in environ}
    context = TraceContextTextMapPropagator().extract(headers)
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    attributes = {"http.request.method": method, "url.path": path}
    name = f"{method} {path}"
    return _get_tracer().start_span(name, context=context, kind=SpanKind.SERVER, attributes=attributes)


def given(environ: Mapping[str, Any]) -> str:
    """Return the `traceparent` that the client has sent, for a generation that begins later. Empty: none."""
    value: str = environ.get(VARIABLE, "")
    return value if enabled() and len(value) <= MOST_CHARS else ""


def parent(span: "Span | None") -> str:
    """Return W3C's `traceparent` that makes the engine's spans children of `span`; an empty string for None."""
    if span is None:
        return ""
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return carrier.get(PARENT, "")


def end(span: "Span | None", fields: Mapping[str, Any]) -> None:
    """End `span` with `fields`, those of the request's log line, as its attributes."""
    if span is None:
        return
    from opentelemetry.trace import Status, StatusCode

    names = {
        "status": "http.response.status_code",
        "model": "gen_ai.response.model",
        "id": "gen_ai.response.id",
        "finish": "gen_ai.response.finish_reasons",
        "prompt_tokens": "gen_ai.usage.input_tokens",
        "completion_tokens": "gen_ai.usage.output_tokens",
        "ttft": "gen_ai.server.time_to_first_token",
        "key": "hearth.key",
        "request_id": "hearth.request_id",
    }
    span.set_attributes({name: fields[field] for field, name in names.items() if fields.get(field) is not None})
    if fields["status"] >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _get_tracer() -> "Tracer":
    """Return the worker's tracer, made for its first span: the exporter's thread would not survive a fork."""
    global _tracer
    with _making:
        if _tracer is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            provider = TracerProvider(resource=Resource.create({"service.name": "hearth-web"}))
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            _tracer = provider.get_tracer("hearth.web")
    return _tracer
