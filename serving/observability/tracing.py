"""Traces by OpenTelemetry, where it is installed and asked for.

Where spans go is told by OpenTelemetry's own variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``.
"""

from __future__ import annotations

from fastapi import FastAPI

from retrieval import InputError


def instrument(app: FastAPI) -> None:
    """Make a span of every request.

    Raises:
        InputError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InputError("serve.telemetry: pip install 'likewise[telemetry]'") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "likewise"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls="livez,readyz,metrics"
    )
