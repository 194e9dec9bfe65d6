"""The way to an OpenTelemetry collector, which never holds up, fails or floods a run.

Endpoints, headers, sampling and intervals are the libraries' own affair: they read OpenTelemetry's standard variables.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import MeterProvider as AnyMeterProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.trace import TracerProvider as AnyTracerProvider

from preflect.adapters.environment import Signal

_LOG: Final = logging.getLogger("opentelemetry")
"""The libraries' own."""

SILENCE_S: Final = 30.0
"""How long a collector that failed is left alone; what there is to export meanwhile is dropped, or summed up later."""
FLUSH_S: Final = 5.0
"""The most that the end of a phase waits for a collector that does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is to be exported of a run, and its files: where its processes meet, and its log."""

    signals: Collection[Signal]
    run: str
    live_path: Path
    log_path: Path

    @property
    def parent_path(self) -> Path:
        """The run's span, for the processes that carry its phases."""
        return self.live_path / "traceparent"


@contextmanager
def providers(export: Export) -> Generator[tuple[AnyTracerProvider, AnyMeterProvider]]:
    """Providers of this block's own, not the process's: what they hold is exported when it ends."""
    _listen(_FirstWord(export.live_path / "telemetry-told", export.log_path))
    ends: list[Callable[[], None]] = []
    traces, metrics = NoOpTracerProvider(), NoOpMeterProvider()
    try:
        resource = _resource(export.run)
        if "traces" in export.signals:
            spans = BatchSpanProcessor(OTLPSpanExporter(session=_Way()))
            traces = TracerProvider(resource=resource, shutdown_on_exit=False)
            traces.add_span_processor(spans)
            ends.append(traces.shutdown)
        if "metrics" in export.signals:
            reader = PeriodicExportingMetricReader(OTLPMetricExporter(session=_Way()))
            metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
            ends.append(metrics.shutdown)
    except ValueError as error:
        _LOG.warning("one of its variables is not as it should be: %s", error)
    try:
        yield traces, metrics
    finally:
        _flush(ends)


def _resource(run: str) -> Resource:
    # Each process counts from zero, so each is an instance of its own.
    resource = Resource.create({"service.instance.id": str(uuid.uuid4()), "preflect.run": run})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "preflect", "service.version": version("preflect")}))
    return resource


def _flush(ends: Collection[Callable[[], None]]) -> None:
    """End the exporters side by side; one that hangs is left behind, in threads that end with the process."""
    threads = [threading.Thread(target=end, daemon=True) for end in ends]
    until_s = time.monotonic() + FLUSH_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(until_s - time.monotonic(), 0.0))


class UnreachableError(requests.RequestException):
    """The collector failed. No connection error to the exporters, which would try again and again."""


class _Way(requests.Session):
    """The way to the collector: once it fails, it's left alone for a while."""

    def __init__(self) -> None:
        super().__init__()
        self._silent_until_s = 0.0

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As requests' own. Raises: UnreachableError, at once where it was raised a moment ago."""
        if time.monotonic() < self._silent_until_s:
            raise UnreachableError("the collector failed a moment ago")
        # Its host alone: some collectors take their token in the rest.
        host = urlsplit(request.url or "").hostname
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            self._silent_until_s = time.monotonic() + SILENCE_S
            raise UnreachableError(f"{host} cannot be reached ({type(error).__name__})") from error
        if not response.ok:
            self._silent_until_s = time.monotonic() + SILENCE_S
            raise UnreachableError(f"{host} answered HTTP {response.status_code}")
        return response


class _FirstWord(logging.Handler):
    """Writes the first complaint of a sitting to the run's log, and no other."""

    def __init__(self, told: Path, log: Path) -> None:
        super().__init__(logging.WARNING)
        self._told = told
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Whichever process comes first makes the file that says it's told."""
        with suppress(OSError):
            self._told.touch(exist_ok=False)
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"warning: OpenTelemetry: {record.getMessage()}; the run goes on, what is lost is lost\n")


def _listen(handler: _FirstWord) -> None:
    """Take all that OpenTelemetry logs: on the terminal it would break the display."""
    for earlier in [one for one in _LOG.handlers if isinstance(one, _FirstWord)]:
        _LOG.removeHandler(earlier)
    _LOG.addHandler(handler)
    _LOG.propagate = False
