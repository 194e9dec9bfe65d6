"""What becomes of a meter's counts on their way to OpenTelemetry, by its own SDK."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from preflect.adapters.telemetry import Calls, ExportedMeter, Instruments
from preflect.engine.meter import Meter
from preflect.ports import StoredCall

CALL = StoredCall(
    key="k",
    model="teacher",
    stage="respond",
    sample_id="s",
    text="what nobody else should read",
    thinking=None,
    finish_reason="length",
    served_by="large-2026",
    prompt_tokens=100,
    completion_tokens=50,
    cost_usd=0.25,
    latency_s=2.0,
    cached_tokens=64,
)


@dataclass
class Rig:
    meter: ExportedMeter
    inner: Meter
    reader: InMemoryMetricReader
    exporter: InMemorySpanExporter

    def points(self) -> dict[str, list[Any]]:
        """Data points by the name of their metric."""
        read = self.reader.get_metrics_data()
        assert read
        scopes = [scope for resource in read.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: [*metric.data.data_points] for scope in scopes for metric in scope.metrics}

    def values(self) -> dict[str, float]:
        """Of what is counted."""
        return {name: points[0].value for name, points in self.points().items() if name.startswith("preflect.")}


@pytest.fixture
def rig() -> Rig:
    inner, reader, exporter = Meter(None), InMemoryMetricReader(), InMemorySpanExporter()
    inner.expect((), ("teacher",))
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    about = {"teacher": {"gen_ai.request.model": "large", "preflect.model": "teacher"}}
    calls = Calls(traces.get_tracer("test"), Context(), {"teacher": {"server.address": "localhost"}})
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False), about)
    return Rig(ExportedMeter(inner, about, calls, instruments), inner, reader, exporter)


def test_every_count_is_exported_and_passed_on(rig: Rig) -> None:
    rig.meter.allowed("teacher", 64)
    rig.meter.allowed("teacher", 32)
    for _ in range(4):
        rig.meter.started("teacher")
    rig.meter.throttled("teacher")
    rig.meter.held_back("teacher")
    rig.meter.paused("teacher", 12.5)
    rig.meter.retried("teacher")
    rig.meter.hedged("teacher")
    rig.meter.replayed("teacher")
    rig.meter.finished_call("teacher", CALL)
    assert rig.values() == {
        "preflect.limit": 32,
        "preflect.in_flight": 2,
        "preflect.throttled": 1,
        "preflect.paused": 12.5,
        "preflect.retries": 1,
        "preflect.hedged": 1,
        "preflect.replayed": 1,
        "preflect.cost_usd": 0.25,
    }
    seen = rig.inner.snapshot().models[0]
    assert (seen.allowed, seen.in_flight, seen.calls, seen.cost_usd) == (32, 2, 1, 0.25)
    assert (seen.throttled, seen.retries, seen.hedged, seen.replayed) == (1, 1, 1, 1)
    assert seen.paused_s > 12


def test_a_calls_span_lasts_as_long_as_it_was_out_and_has_its_own_retries(rig: Rig) -> None:
    async def ask(retries: int, out_s: float) -> None:
        rig.meter.started("teacher")
        for _ in range(retries):
            await asyncio.sleep(0)
            rig.meter.retried("teacher")
        rig.meter.finished_call("teacher", CALL, out_s)

    async def both() -> None:
        await asyncio.gather(ask(0, 1.0), ask(2, 3.0))

    asyncio.run(both())
    first, second = rig.exporter.get_finished_spans()
    assert [(span.end_time or 0) - (span.start_time or 0) for span in (first, second)] == [1e9, 3e9]
    assert (second.attributes or {})["preflect.retries"] == 2
    assert dict(first.attributes or {}) == {
        "gen_ai.request.model": "large",
        "gen_ai.response.model": "large-2026",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "server.address": "localhost",
        "preflect.model": "teacher",
        "preflect.stage": "respond",
        "preflect.sample_id": "s",
        "preflect.cost_usd": 0.25,
    }


def test_where_nobody_tells_how_long_it_was_out_a_span_lasts_as_long_as_the_attempt_that_brought_the_reply(
    rig: Rig,
) -> None:
    rig.meter.finished_call("teacher", CALL)
    (span,) = rig.exporter.get_finished_spans()
    assert (span.end_time or 0) - (span.start_time or 0) == 2e9


def test_a_failed_call_counts_no_tokens(rig: Rig) -> None:
    rig.meter.started("teacher")
    rig.meter.finished_call("teacher", None, 0.5)
    points = rig.points()
    assert "gen_ai.client.token.usage" not in points
    (duration,) = points["gen_ai.client.operation.duration"]
    assert (duration.sum, duration.attributes["error.type"]) == (0.5, "_OTHER")
