"""OpenTelemetry spans in the form of vLLM's own server: one per sequence, from its arrival to its end."""

import os

from vllm.tracing import SpanAttributes, SpanKind, extract_trace_context, init_tracer, instrument_manual

from engine_proc.adapter.observing.metrics import SequenceStats

TRACES, ALL = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
PARENT = "traceparent"


def endpoint() -> str | None:
    """Return the URL that spans are sent to, from OpenTelemetry's environment variables. None: no tracing."""
    found = os.environ.get(TRACES)
    if found is None and (base := os.environ.get(ALL)):
        found = f"{base.rstrip('/')}/v1/traces"
    if found:
        os.environ.setdefault(PROTOCOL, "http/protobuf")  # the web tier's protocol; vLLM's default is gRPC
    return found or None


class Traces:
    """Sends spans to an OpenTelemetry endpoint, if there is one."""

    def __init__(self, endpoint: str | None) -> None:
        """`endpoint` is a URL. None: do nothing."""
        self.enabled = endpoint is not None
        if endpoint is not None:
            os.environ.setdefault("OTEL_SERVICE_NAME", "hearth-engine")
            init_tracer("hearth.engine", endpoint)

    def ended(self, parent: str, stats: SequenceStats, prompt_tokens: int, max_tokens: int | None) -> None:
        """Send the span of a finished sequence. `parent` is the `traceparent` of the web tier's span."""
        seconds = {
            SpanAttributes.GEN_AI_LATENCY_TIME_TO_FIRST_TOKEN: stats.first_token_latency,
            SpanAttributes.GEN_AI_LATENCY_TIME_IN_QUEUE: stats.scheduled_ts - stats.queued_ts,
            SpanAttributes.GEN_AI_LATENCY_TIME_IN_MODEL_PREFILL: stats.first_token_ts - stats.scheduled_ts,
            SpanAttributes.GEN_AI_LATENCY_TIME_IN_MODEL_DECODE: stats.last_token_ts - stats.first_token_ts,
        }
        counts = {
            SpanAttributes.GEN_AI_USAGE_PROMPT_TOKENS: prompt_tokens,
            SpanAttributes.GEN_AI_USAGE_COMPLETION_TOKENS: stats.num_generation_tokens,
        }
        if max_tokens is not None:
            counts[SpanAttributes.GEN_AI_REQUEST_MAX_TOKENS] = max_tokens
        instrument_manual(
            span_name="llm_request",
            start_time=int(stats.arrival_time * 1e9),
            attributes=seconds | counts,
            context=extract_trace_context({PARENT: parent}),
            kind=SpanKind.SERVER,
        )
