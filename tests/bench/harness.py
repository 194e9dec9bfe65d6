"""What the benchmarks share: a mock endpoint, recipes, runs as processes of their own, tables of figures."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

READY_S = 10.0


@dataclass(frozen=True)
class Endpoint:
    """A running OpenAI-compatible server that counts."""

    base_url: str

    def reset(self, **settings: Any) -> None:
        """Zero the counters, and set latency and faults."""
        requests.post(self.base_url.removesuffix("/v1") + "/reset", json=settings, timeout=READY_S).raise_for_status()

    def stats(self) -> dict[str, Any]:
        """Its counters; `span` is the seconds from the first request to the last reply."""
        return requests.get(self.base_url.removesuffix("/v1") + "/stats", timeout=READY_S).json()


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mock_endpoint(command: Sequence[str]) -> Generator[Endpoint]:
    """The mock server started by `command`, to which `--port N` is added; it ends with the block."""
    port = free_port()
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        endpoint = Endpoint(f"http://127.0.0.1:{port}/v1")
        try:
            _wait_until_ready(endpoint)
            yield endpoint
        finally:
            process.terminate()


def _wait_until_ready(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            endpoint.stats()
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def write_rows(path: Path, count: int) -> Path:
    """A JSONL input of `count` different instructions."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({"id": str(number), "instruction": f"Describe the number {number} in a few words."}))
            file.write("\n")
    return path


def write_recipe(path: Path, **values: Any) -> Path:
    """A recipe file; JSON is YAML."""
    path.write_text(json.dumps({"name": "bench", **values}), encoding="utf-8")
    return path


def preflect(*arguments: str | Path) -> list[str]:
    """The command line of preflect in this environment."""
    return [sys.executable, "-m", "preflect.cli", *map(str, arguments)]


def run_quietly(command: Sequence[str]) -> dict[str, Any]:
    """Run a preflect command with `--json` and return its document; its messages go to the terminal."""
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Ran:
    """A command that ran to its end: what it printed, and what it took."""

    output: str
    whole_s: float
    """From the start of the process to its end, interpreter and imports included."""
    ended: float
    """By the monotonic clock, which all processes of a machine share."""


def ran(command: Sequence[str | Path], cwd: Path | None = None, *, code: int = 0) -> Ran:
    """Run a command to its end. Raises: RuntimeError with its last words when it ends with another exit code."""
    since = time.monotonic()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, check=False)
    ended = time.monotonic()
    if done.returncode != code:
        said = done.stderr.strip() or done.stdout.strip()
        raise RuntimeError(f"{Path(command[1]).name} ended with exit code {done.returncode}, not {code}: {said[-500:]}")
    return Ran(done.stdout, ended - since, ended)


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row)} |")
