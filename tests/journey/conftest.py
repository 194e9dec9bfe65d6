"""Runs as a user starts them: the command line in a process of its own, and a simulated endpoint that counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def preflect(tmp_path: Path) -> Run:
    """Run `preflect …` in `tmp_path` to its end; `env` adds variables."""

    def run(*words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            cwd=tmp_path,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def command(*words: str | Path) -> list[str]:
    """`preflect …` in this environment."""
    return [sys.executable, "-m", "preflect.cli", *map(str, words)]


def beside_this(module: str) -> list[psutil.Process]:
    """The processes that this one has started with `python -m module`."""
    return [child for child in psutil.Process().children() if module in _words(child)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


@dataclass(frozen=True)
class Simulator:
    """A simulated endpoint that outlives the runs which call it."""

    base_url: str

    def requests(self) -> int:
        """How many completions were asked for, by its own count."""
        counted = requests.get(self.base_url.removesuffix("/v1") + "/stats", timeout=5).json()
        return counted["requests"]

    def wait_for(self, count: int) -> None:
        """Return when so many completions were asked for, or after a minute."""
        deadline = time.monotonic() + 60
        while self.requests() < count and time.monotonic() < deadline:
            time.sleep(0.02)


@pytest.fixture
def simulator(tmp_path: Path) -> Generator[Simulator]:
    """A simulator on a free port, each reply taking 30 ms."""
    arguments = ["--latency-s", "0.03", "--truth", str(tmp_path / "truth.jsonl"), "--stop-with-parent"]
    with subprocess.Popen(
        [sys.executable, "-m", "preflect.sim", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Simulator(json.loads(process.stdout.readline())["base_url"])
        process.terminate()


WriteRecipe = Callable[..., Path]


@pytest.fixture
def write_recipe(tmp_path: Path) -> WriteRecipe:
    """Write `recipe.yaml`, a small selective reflection on the simulator, with `changes` to its top-level keys."""

    def write(**changes: Any) -> Path:
        recipe: dict[str, Any] = {
            "name": "small",
            "seed": 7,
            "engine": "local",
            "input": {"path": "preflect://seeds/instructions.jsonl", "limit": 24},
            "models": {"teacher": {"kind": "sim"}, "judge": {"kind": "sim"}, "student": {"kind": "ppm"}},
            "stages": [
                {"stage": "respond", "model": "teacher", "samples": 2},
                {"stage": "reflect_instruction", "model": "teacher"},
                {"stage": "select_instruction", "model": "student"},
                {"stage": "reflect_response", "model": "teacher"},
                {"stage": "select_response", "model": "student"},
                {"stage": "judge_aspects", "model": "judge"},
                {"stage": "grade"},
                {"stage": "pair"},
            ],
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps(recipe | changes, indent=1), encoding="utf-8")
        return path

    return write


def contents(run: Path) -> dict[str, str]:
    """Hash of each file that must be the same whenever the same work was done."""
    files = [
        *run.glob("samples/*"),
        *run.glob("phases/**/*.parquet"),
        *run.glob("export/**/*"),
        run / "rejections.parquet",
    ]
    return {str(path.relative_to(run)): sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
