"""What a collector of OpenTelemetry gets of a real run: counts that are the manifest's, and no text."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from preflect.engine.run_folder import RunFolder

from .conftest import Run, Simulator, WriteRecipe
from .endpoint import Endpoint, failed, said, serving

KEY = "sk-telemetry-test-0123456789"
ENGINES = pytest.mark.parametrize("engine", ["local", "distilabel"])


@dataclass
class Collector:
    """Keeps what it is sent."""

    status: int = 200
    after_s: float = 0.0
    address: str = ""
    bodies: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    @property
    def everything(self) -> bytes:
        return b"".join(body for _, body in self.bodies)

    def spans(self) -> Iterator[Span]:
        for path, body in self.bodies:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        yield from scope.spans

    def metrics(self) -> dict[str, list[Metric]]:
        """By name, as each process told of them last: they are sums since its start."""
        last: dict[tuple[str, str], Metric] = {}
        for path, body in self.bodies:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    instance = attributes(resource.resource.attributes)["service.instance.id"]
                    for scope in resource.scope_metrics:
                        last |= {(metric.name, instance): metric for metric in scope.metrics}
        by_name: dict[str, list[Metric]] = {}
        for (name, _), metric in last.items():
            by_name.setdefault(name, []).append(metric)
        return by_name


def attributes(pairs: Any) -> dict[str, Any]:
    def value_of(pair: KeyValue) -> Any:
        kind = pair.value.WhichOneof("value")
        assert kind
        value = getattr(pair.value, kind)
        return [one.string_value for one in value.values] if kind == "array_value" else value

    return {pair.key: value_of(pair) for pair in pairs}


@contextmanager
def collecting(collector: Collector) -> Generator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            time.sleep(collector.after_s)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
            return None

    class Server(ThreadingHTTPServer):
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            return None  # a run that gave up waiting

    with Server(("127.0.0.1", 0), Handler) as server:
        collector.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def variables(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "TEST_KEY": KEY}


def models(simulator: Simulator) -> dict[str, Any]:
    teacher = {"kind": "openai", "model": "sim-large", "base_url": simulator.base_url, "api_key_env": "TEST_KEY"}
    return {"teacher": teacher | {"price": {"input": 1.0, "output": 2.0}}, "judge": teacher, "student": {"kind": "ppm"}}


def sums(metrics: list[Metric], *names: str) -> dict[tuple[Any, ...], float]:
    """A histogram's sums, or a counter's values, by these attributes."""
    totals: dict[tuple[Any, ...], float] = defaultdict(float)
    for metric in metrics:
        for point in metric.histogram.data_points:
            totals[tuple(attributes(point.attributes)[name] for name in names)] += point.sum
        for point in metric.sum.data_points:
            totals[tuple(attributes(point.attributes)[name] for name in names)] += point.as_int or point.as_double
    return totals


@ENGINES
def test_a_run_is_exported_with_the_manifests_counts_and_without_any_text(
    engine: str, tmp_path: Path, preflect: Run, simulator: Simulator, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(engine=engine, models=models(simulator), limits={"max_rejected": 1.0})
    with collecting(Collector()) as collector:
        done = preflect("run", recipe, "--run", "run", "--quiet", env=variables(collector))
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path / "run")
    calls = folder.manifest().calls
    metrics, spans = collector.metrics(), [*collector.spans()]

    tokens = sums(metrics["gen_ai.client.token.usage"], "preflect.model", "preflect.stage", "gen_ai.token.type")
    assert tokens == {(c.model, c.stage, "input"): c.prompt_tokens for c in calls} | {
        (c.model, c.stage, "output"): c.completion_tokens for c in calls
    }
    assert sums(metrics["preflect.cost_usd"])[()] == pytest.approx(sum(c.cost_usd for c in calls))
    assert sums(metrics["preflect.in_flight"])[()] == 0

    by_name = Counter(span.name for span in spans)
    assert by_name == {"run": 1, "phase 0": 1, "chat sim-large": sum(c.calls for c in calls)}
    run, phase = (next(span for span in spans if span.name == name) for name in ("run", "phase 0"))
    assert phase.parent_span_id == run.span_id
    asked = [span for span in spans if span.name == "chat sim-large"]
    assert {(span.trace_id, span.parent_span_id) for span in asked} == {(run.trace_id, phase.span_id)}
    told = [attributes(span.attributes) for span in asked]
    assert Counter((one["preflect.model"], one["preflect.stage"]) for one in told) == Counter(
        {(c.model, c.stage): c.calls for c in calls}
    )
    assert sum(one["gen_ai.usage.output_tokens"] for one in told) == sum(c.completion_tokens for c in calls)
    assert {one["preflect.sample_id"] for one in told} >= {sample.id for sample in folder.samples()}
    assert all(span.end_time_unix_nano - span.start_time_unix_nano >= 0.03e9 for span in asked)

    assert KEY.encode() not in collector.everything
    texts = [text for sample in folder.samples() for text in (sample.instruction.text, sample.responses[0].text)]
    assert len(texts) > 20
    # By pieces: any that leaked would not need to be whole.
    assert [text for text in texts if text[:40].encode() in collector.everything] == []


def test_faults_are_exported_as_retries_and_failed_calls(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    first: set[str] = set()

    def answer(asked: str) -> Any:
        if asked == "Fail.":
            return failed(400, "no such thing")
        if asked not in first:
            first.add(asked)
            return failed(503, "busy")
        return said("A robin.")

    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "Name a bird."}\n{"instruction": "Fail."}\n', encoding="utf-8")
    with serving(Endpoint(answer)) as endpoint, collecting(Collector()) as collector:
        teacher = {"kind": "openai", "model": "m", "base_url": endpoint.base_url}
        recipe = write_recipe(
            input={"path": str(rows)},
            models={"teacher": teacher},
            stages=[{"stage": "respond", "model": "teacher"}],
            limits={"max_rejected": 1.0},
        )
        done = preflect("run", recipe, "--run", "run", env=variables(collector))
    assert done.returncode == 0, done.stderr
    assert "traffic  teacher: 1 asked again" in done.stdout
    assert sums(collector.metrics()["preflect.retries"])[()] == 1
    spans = {span.status.code: attributes(span.attributes) for span in collector.spans() if span.name == "chat m"}
    assert spans[Status.STATUS_CODE_UNSET]["preflect.retries"] == 1
    assert spans[Status.STATUS_CODE_UNSET]["server.address"] == "127.0.0.1"
    assert spans[Status.STATUS_CODE_UNSET]["gen_ai.response.finish_reasons"] == ["stop"]
    assert spans[Status.STATUS_CODE_ERROR]["error.type"] == "_OTHER"


@pytest.mark.parametrize(
    ("engine", "status", "reason"),
    [
        ("local", None, "127.0.0.1 cannot be reached (ConnectionError)"),
        ("local", 503, "127.0.0.1 answered HTTP 503"),
        ("distilabel", 401, "127.0.0.1 answered HTTP 401"),
    ],
)
def test_a_collector_that_fails_is_told_of_once_in_the_log_and_asked_no_more(
    engine: str, status: int | None, reason: str, preflect: Run, write_recipe: WriteRecipe
) -> None:
    recipe = write_recipe(engine=engine)
    with collecting(Collector(status=status or 200)) as collector:
        # No server has port 9 of this machine.
        address = collector.address if status else "http://127.0.0.1:9"
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_METRIC_EXPORT_INTERVAL": "50"}
        done = preflect("run", recipe, "--run", "run", "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert "OpenTelemetry" not in done.stderr + done.stdout
    log = (recipe.parent / "run" / "run.log").read_text(encoding="utf-8")
    assert log.count("OpenTelemetry") == 1
    assert reason in log
    # One try of each exporter: the phase's two and the run's.
    assert len(collector.bodies) <= 3


def test_a_collector_that_hangs_is_left_behind(preflect: Run, write_recipe: WriteRecipe) -> None:
    with collecting(Collector(after_s=600)) as collector:
        done = preflect("run", write_recipe(), "--run", "run", env=variables(collector))
    assert done.returncode == 0, done.stderr
    assert len(collector.bodies) == 3


def test_a_variable_that_is_not_as_it_should_be_is_told_of_in_the_log_and_the_run_goes_on(
    tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    with collecting(Collector()) as collector:
        env = variables(collector) | {"OTEL_METRIC_EXPORT_INTERVAL": "0"}
        done = preflect("run", write_recipe(), "--run", "run", "--quiet", env=env)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert "OpenTelemetry: one of its variables is not as it should be: interval value 0" in log
    assert {path for path, _ in collector.bodies} == {"/v1/traces"}


WITHOUT_THE_EXTRA = "import sys; sys.modules['opentelemetry'] = None; from preflect.cli import main; sys.exit(main())"


def test_without_the_extra_a_note_says_how_to_get_it_and_the_run_goes_on(
    tmp_path: Path, write_recipe: WriteRecipe
) -> None:
    with collecting(Collector()) as collector:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_THE_EXTRA, "run", str(write_recipe()), "--run", "run", "--quiet"],
            cwd=tmp_path,
            env=os.environ | variables(collector),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "note: an OTLP endpoint is set, and the run will not be exported: OpenTelemetry is not installed; "
        "pip install 'preflect[otel]'\n"
    )
    assert collector.bodies == []


def test_a_protocol_that_is_not_spoken_is_pointed_out(preflect: Run, write_recipe: WriteRecipe) -> None:
    with collecting(Collector()) as collector:
        env = variables(collector) | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        done = preflect("run", write_recipe(), "--run", "run", "--quiet", env=env)
    assert done.returncode == 0, done.stderr
    assert "note: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and the run is exported by http/protobuf" in done.stderr
    assert collector.bodies


@pytest.mark.parametrize(
    "env",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}],
    ids=["disabled", "none"],
)
def test_what_the_standard_variables_turn_off_is_off(
    env: dict[str, str], preflect: Run, write_recipe: WriteRecipe
) -> None:
    with collecting(Collector()) as collector:
        done = preflect("run", write_recipe(), "--run", "run", "--quiet", env=variables(collector) | env)
    assert done.returncode == 0, done.stderr
    assert collector.bodies == []


def test_a_replay_of_simulated_models_is_exported_as_well(preflect: Run, write_recipe: WriteRecipe) -> None:
    assert preflect("run", write_recipe(), "--run", "run", "--quiet").returncode == 0
    with collecting(Collector()) as collector:
        replay = ("run", write_recipe(), "--run", "again", "--replay", "run", "--quiet")
        done = preflect(*replay, env=variables(collector))
    assert done.returncode == 0, done.stderr
    assert collector.bodies


def test_a_run_that_is_not_sampled_exports_its_metrics_alone(preflect: Run, write_recipe: WriteRecipe) -> None:
    with collecting(Collector()) as collector:
        env = variables(collector) | {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SERVICE_NAME": "mine"}
        done = preflect("run", write_recipe(), "--run", "run", "--quiet", env=env)
    assert done.returncode == 0, done.stderr
    assert {path for path, _ in collector.bodies} == {"/v1/metrics"}
    assert b"mine" in collector.everything
