"""Traces and metrics of a run for OpenTelemetry, by the conventions for generative AI and `preflect.*` beside them.

No text of a prompt or a reply is exported, nor any key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from preflect.adapters.otlp import Export, providers
from preflect.files import write_text_atomically
from preflect.ports import CallMeter, StoredCall

_SCOPE: Final = "preflect"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
# The boundaries that the conventions ask for.
_SECONDS: Final = [0.01 * 2**power for power in range(14)]
_TOKENS: Final = [4.0**power for power in range(14)]

_TOTALS: Final = {
    "cost_usd": ("{USD}", "What finished calls cost."),
    "throttled": ("{call}", "Calls refused as too many (HTTP 429)."),
    "retries": ("{call}", "Calls asked again."),
    "hedged": ("{call}", "Slow calls asked a second time."),
    "replayed": ("{call}", "Replies taken from the journal."),
    "paused": ("s", "Waits that the endpoint asked for (Retry-After)."),
}
"""Name below `preflect.`, unit and meaning of what only grows."""

_Attributes = Mapping[str, str | int]


@contextmanager
def exported_run(export: Export, attributes: _Attributes) -> Generator[None]:
    """A span for the run while the block lasts."""
    with providers(export) as (traces, _), _span(traces.get_tracer(_SCOPE), "run", None, attributes) as span:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span))
        write_text_atomically(export.parent_path, carrier.get("traceparent", ""))
        yield


@contextmanager
def exported_calls(
    export: Export, meter: CallMeter, phase: str, stages: Collection[str], addresses: Mapping[str, tuple[str, str]]
) -> Generator[CallMeter]:
    """A span for the phase while the block lasts, and a meter that exports each call and passes it on to `meter`.

    Args: addresses gives base URL and the model's name there, by name in the recipe.
    """
    with (
        providers(export) as (traces, metrics),
        _span(tracer := traces.get_tracer(_SCOPE), phase, _parent(export), {"preflect.stages": [*stages]}) as span,
    ):
        about = {name: _about(name, served_model) for name, (_, served_model) in addresses.items()}
        where = {name: _where(base_url) for name, (base_url, _) in addresses.items()}
        calls = Calls(tracer, set_span_in_context(span), where)
        yield ExportedMeter(meter, about, calls, Instruments(metrics, about))


def _parent(export: Export) -> Context:
    with suppress(FileNotFoundError):
        return _PROPAGATOR.extract({"traceparent": export.parent_path.read_text(encoding="utf-8")})
    return Context()


def _about(name: str, served_model: str) -> dict[str, str | int]:
    """What all calls to a model have in common."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # whose protocol the endpoint speaks
        "gen_ai.request.model": served_model,
        "preflect.model": name,
    }


def _where(base_url: str) -> dict[str, str | int]:
    """Host and port alone: a URL may hold a password."""
    url = urlsplit(base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    return {"server.address": url.hostname or "", "server.port": port}


class Instruments:
    """Histograms are told of each call; counts are only added up here, and looked at when they are exported."""

    def __init__(self, provider: MeterProvider, about: Mapping[str, _Attributes]) -> None:
        meter = provider.get_meter(_SCOPE)
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "With retries.", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens by call.", explicit_bucket_boundaries_advisory=_TOKENS
        )
        self._about = about
        # Every model from the start: while one thread adds up, another one looks.
        self.in_flight, self.limit = dict.fromkeys(about, 0), dict.fromkeys(about, 0)
        self.totals = {name: dict.fromkeys(about, 0.0) for name in _TOTALS}
        see = self._seen
        meter.create_observable_up_down_counter("preflect.in_flight", [see(self.in_flight)], "{call}", "In flight.")
        meter.create_observable_gauge("preflect.limit", [see(self.limit)], "{call}", "So many may be in flight.")
        for name, (unit, meaning) in _TOTALS.items():
            meter.create_observable_counter(f"preflect.{name}", [see(self.totals[name])], unit, meaning)

    def _seen(self, by_model: Mapping[str, float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(value, self._about[model]) for model, value in by_model.items()]


@dataclass(frozen=True, slots=True)
class Calls:
    """Where the spans of calls go."""

    tracer: Tracer
    parent: Context
    where: Mapping[str, _Attributes]

    def export(self, model: str, until_ns: int, seconds: float, attributes: dict[str, Any], *, failed: bool) -> None:
        """A span that ended just now."""
        name = f"chat {attributes['gen_ai.request.model']}"
        since_ns = until_ns - int(seconds * 1e9)
        whole = {**attributes, **self.where[model]}
        span = self.tracer.start_span(name, self.parent, SpanKind.CLIENT, whole, start_time=since_ns)
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end(until_ns)


_retries: ContextVar[int] = ContextVar("_retries", default=0)
"""How often the present task asked its call again: the meter is told of models, not of calls."""


class ExportedMeter:
    """Passes every count on to `meter`, and exports it."""

    def __init__(
        self,
        meter: CallMeter,
        about: Mapping[str, _Attributes],
        calls: Calls,
        instruments: Instruments,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._meter = meter
        self._about = about
        self._calls = calls
        self._export = instruments
        self._clock = clock

    def started(self, model: str) -> None:
        """A call goes out."""
        self._meter.started(model)
        self._export.in_flight[model] += 1

    def held_back(self, model: str) -> None:
        """A call that was refused waits for its turn."""
        self._meter.held_back(model)
        self._export.in_flight[model] -= 1

    def retried(self, model: str) -> None:
        """A call is asked again."""
        self._meter.retried(model)
        _retries.set(_retries.get() + 1)
        self._export.totals["retries"][model] += 1

    def throttled(self, model: str) -> None:
        """A call was refused because there were too many."""
        self._meter.throttled(model)
        self._export.totals["throttled"][model] += 1

    def hedged(self, model: str) -> None:
        """A slow call was asked a second time."""
        self._meter.hedged(model)
        self._export.totals["hedged"][model] += 1

    def uncounted(self, model: str) -> None:
        """A reply came without a count of its tokens."""
        self._meter.uncounted(model)

    def allowed(self, model: str, calls: int) -> None:
        """So many calls may be in flight from now on."""
        self._meter.allowed(model, calls)
        self._export.limit[model] = calls

    def paused(self, model: str, seconds: float) -> None:
        """No call goes out for so long."""
        self._meter.paused(model, seconds)
        self._export.totals["paused"][model] += seconds

    def replayed(self, model: str) -> None:
        """A reply came from the journal."""
        self._meter.replayed(model)
        self._export.totals["replayed"][model] += 1

    def finished_call(self, model: str, call: StoredCall | None, out_s: float | None = None) -> None:
        """A call came back; None if it failed."""
        self._meter.finished_call(model, call, out_s)
        about, retries = self._about[model], _retries.get()
        _retries.set(0)
        seconds = out_s if out_s is not None else call.latency_s if call else 0.0
        told = {**about, **_of_reply(call)} if call else {**about, "error.type": "_OTHER"}
        self._export.in_flight[model] -= 1
        self._export.duration.record(seconds, told)
        if call:
            self._export.tokens.record(call.prompt_tokens, told | {"gen_ai.token.type": "input"})
            self._export.tokens.record(call.completion_tokens, told | {"gen_ai.token.type": "output"})
            self._export.totals["cost_usd"][model] += call.cost_usd
        whole = {**told, **(_of_call(call) if call else {}), **({"preflect.retries": retries} if retries else {})}
        self._calls.export(model, self._clock(), seconds, whole, failed=call is None)


def _of_reply(call: StoredCall) -> dict[str, str | int]:
    return {"gen_ai.response.model": call.served_by, "preflect.stage": call.stage}


def _of_call(call: StoredCall) -> dict[str, Any]:
    """What only a span says of a reply: all but its text, and what is none is left out."""
    seldom = {
        "gen_ai.usage.cache_read.input_tokens": call.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": call.reasoning_tokens,
        "preflect.cost_usd": call.cost_usd,
    }
    return {
        "gen_ai.response.finish_reasons": [call.finish_reason],
        "gen_ai.usage.input_tokens": call.prompt_tokens,
        "gen_ai.usage.output_tokens": call.completion_tokens,
        "preflect.sample_id": call.sample_id,
        **{name: value for name, value in seldom.items() if value},
    }


@contextmanager
def _span(tracer: Tracer, name: str, parent: Context | None, attributes: Mapping[str, Any]) -> Generator[Span]:
    """An open span; of an error only its kind, since its message may quote a reply."""
    span = tracer.start_span(name, parent, attributes=attributes)
    try:
        yield span
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()
