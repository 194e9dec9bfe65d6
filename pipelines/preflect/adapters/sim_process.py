"""The simulated endpoint as a process of its own, which ends with the run."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from preflect.errors import RunError
from preflect.interpreter import python_module
from preflect.schemas import SimModel


@contextmanager
def simulated_endpoint(
    models: Mapping[str, SimModel], seed: int, truth: Path, known: Sequence[Path], log: Path
) -> Generator[str]:
    """Base URL of a fresh simulator for all these models, on a free loopback port, while the block runs.

    It stops when this process ends, however that happens: its standard input then closes.
    Raises: RunError when it does not come up.
    """
    truth.parent.mkdir(parents=True, exist_ok=True)
    command = python_module("preflect.sim", "--port", 0, "--seed", seed, "--truth", truth)
    profiles = {simulated_name(name): _profile(spec, seed) for name, spec in models.items()}
    command += ["--profiles", orjson.dumps(profiles).decode(), "--stop-with-parent"]
    for path in known:
        command += ["--known", str(path)]
    with (
        log.open("ab") as errors,
        # A session of its own: Ctrl-C is for the run, which still needs answers to the calls in flight.
        subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            process.terminate()


def simulated_name(name: str) -> str:
    """The name under which requests ask for a simulated model: what it makes says in each place that it's simulated."""
    return f"sim:{name}"


def _profile(spec: SimModel, seed: int) -> dict[str, Any]:
    return {
        "seed": seed if spec.seed is None else spec.seed,
        "latency_s": spec.latency_s,
        "rates": spec.rates.model_dump(mode="json"),
    }


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RunError(f"the simulated endpoint did not start; see {log}")
    address: str = orjson.loads(line)["base_url"]
    return address
