"""Runs on the distilabel engine that several tests look at, each in a home of its own."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preflect.adapters.sim_process import simulated_endpoint
from preflect.engine.live_files import LiveFiles
from preflect.engine.run_folder import RunFolder
from preflect.engine.waiting_blocks import WaitingBlocks
from preflect.schemas import Manifest, Recipe, SimModel

ROOT = Path(__file__).resolve().parents[2]
KEY_NAME, KEY = "TRAPS_API_KEY", "sk-4f0c9d2be7a1-never-to-be-written"


@dataclass(frozen=True)
class Ended:
    """A command that came to its end."""

    code: int
    output: str
    errors: str


class Home:
    """A user's home and temporary folder, and what is run there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / "home"
        self.home.mkdir()
        # A short path: the address of multiprocessing's socket is below it, and may have 107 characters at most.
        self.temporary = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, self.temporary, ignore_errors=True)

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        """A Python program in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
        own = {"HOME": str(self.home), "TMPDIR": str(self.temporary), KEY_NAME: KEY}
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=self.path,
            env=kept | own | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def preflect(self, *words: str | Path) -> subprocess.Popen[str]:
        """`preflect …`."""
        return self.start("-m", "preflect.cli", *words)

    def write_recipe(self, name: str, instructions: Iterable[str], teacher: dict[str, Any]) -> Path:
        """A small recipe named `traps`, on the distilabel engine."""
        rows = self.path / f"{name}.jsonl"
        rows.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in instructions))
        recipe = {
            "name": "traps",
            "engine": "distilabel",
            "input": {"path": str(rows)},
            "models": {"teacher": teacher},
            "stages": [{"stage": "respond", "model": "teacher"}, {"stage": "reflect_response", "model": "teacher"}],
        }
        (self.path / f"{name}.yaml").write_text(json.dumps(recipe))
        return self.path / f"{name}.yaml"


def ended(process: subprocess.Popen[str]) -> Ended:
    output, errors = process.communicate(timeout=120)
    return Ended(process.returncode, output, errors)


@dataclass(frozen=True)
class Traps:
    """What was run, in one home."""

    home: Home
    alone: Ended
    first: Ended
    second: Ended
    broken: Ended

    @property
    def report(self) -> dict[str, Any]:
        """What `distilabel_alone.py` found."""
        return json.loads(self.alone.output.splitlines()[-1])


def run_traps(home: Home, apart: Home) -> Traps:
    """Distilabel alone; two runs of ours with different rows, one after the other; one whose `Write` step fails."""
    in_the_way = home.path / "broken" / "phases" / "0-rejected" / "part-00000.parquet" / "folder"
    in_the_way.mkdir(parents=True)
    log, truth = home.path / "sim.log", home.path / "truth.jsonl"
    with simulated_endpoint({"teacher": SimModel()}, 7, truth, [], log) as base_url:
        teacher = {"kind": "openai", "model": "sim:teacher", "base_url": base_url, "api_key_env": KEY_NAME}
        recipes = {
            name: home.write_recipe(name, (f"Name {number} {things}." for number in range(6)), teacher)
            for name, things in {"first": "rivers", "second": "birds", "broken": "trees"}.items()
        }
        alone = apart.start(ROOT / "tests" / "contracts" / "distilabel_alone.py")
        broken = home.preflect("run", recipes["broken"], "--run", "broken", "--quiet")
        first = ended(home.preflect("run", recipes["first"], "--run", "first", "--quiet"))
        second = home.preflect("run", recipes["second"], "--run", "second", "--quiet")
        return Traps(home, ended(alone), first, ended(second), ended(broken))


def run_of_five_rows(path: Path, *before: str) -> RunFolder:
    """A run of one phase, of a whole-set stage behind these per-sample ones, ready for its steps."""
    (path / "rows.jsonl").write_text("".join(json.dumps({"instruction": f"Name {n} fish."}) + "\n" for n in range(5)))
    stages = [{"stage": name} for name in (*before, "dedup")]
    fields = {"name": "steps", "input": {"path": str(path / "rows.jsonl")}, "stages": stages}
    folder = RunFolder(path / "run")
    files = LiveFiles(folder.live_path)
    files.endpoints.parent.mkdir(parents=True)
    files.endpoints.write_text("{}")
    folder.write_recipe(Recipe.model_validate_json(json.dumps(fields)))
    folder.write_manifest(
        Manifest(
            name="steps",
            status="running",
            simulated=False,
            seed=0,
            engine="distilabel",
            input_path="rows.jsonl",
            input_sha256="0" * 64,
            input_rows=5,
            recipe_id="",
            versions={},
            started_at="2024-01-01T00:00:00+00:00",
        )
    )
    folder.phase(0, closed=False, last=False).create()
    WaitingBlocks(folder).clear()
    return folder
