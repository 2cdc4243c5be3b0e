"""Spans of what clients ask for, sent to an OpenTelemetry collector where the usual variables name one.

FastMCP makes the spans. Its names, messages and stack traces of errors can quote a prompt, so only what is
listed here leaves.

Variables: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status

from gpt_image_mcp.environment import telemetry_understood

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from opentelemetry.util.types import AttributeValue

SERVICE = "gpt-image-mcp"
_METHOD, _TOOL, _PROMPT = "mcp.method.name", "gen_ai.tool.name", "gen_ai.prompt.name"
_KEPT = frozenset(
    {
        *(_METHOD, _TOOL, _PROMPT, "gen_ai.operation.name", "mcp.protocol.version"),
        *("fastmcp.server.name", "fastmcp.component.type", "fastmcp.span.seam"),
        *("error.type", "rpc.response.status_code", "exception.type", "enduser.id", "enduser.scope"),
    }
)
# Callers may ask for tools of any name.
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)


@contextmanager
def exporting_spans(*, grace_seconds: float) -> Generator[None]:
    """Sends spans inside the block, and what is left of them at its end, for so long at most.

    Raises:
        InvalidSetting: If one of OpenTelemetry's variables is malformed.
    """
    with telemetry_understood():
        provider = _provider()
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # By itself it would wait 30 seconds for a collector that is away.
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(grace_seconds)


def _provider() -> TracerProvider:
    named = OTELResourceDetector().detect().attributes
    resource = Resource.create({"service.name": SERVICE, **named})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_Careful(OTLPSpanExporter()))
    return provider


class _Careful(BatchSpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        """Queues what may leave of a span."""
        attributes = _kept(span.attributes)
        words = (attributes.get(name) for name in (_METHOD, _TOOL, _PROMPT))
        events = [Event(event.name, _kept(event.attributes), event.timestamp) for event in span.events]
        super().on_end(
            ReadableSpan(
                " ".join(str(word) for word in words if word) or SERVICE,
                span.context,
                span.parent,
                span.resource,
                attributes,
                events,
                kind=span.kind,
                status=Status(span.status.status_code),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )


def _kept(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    kept = {name: value for name, value in (attributes or {}).items() if name in _KEPT}
    return {
        name: value
        for name, value in kept.items()
        if name not in {_TOOL, _PROMPT} or _NAME.fullmatch(str(value))
    }
