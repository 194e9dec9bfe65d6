"""Who runs the same work: preflect with both runners, plain aiohttp, and other pipelines in their own environments."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import Endpoint, ran, write_recipe, write_rows

PLAIN: Final = "plain aiohttp"
LOCAL: Final = "preflect, local"
DISTILABEL: Final = "preflect, distilabel"
ALONE: Final = "preflect's chat adapter alone"
THEIR_TASKS: Final = "distilabel's own tasks"
CURATOR: Final = "Curator"
DATA_DESIGNER: Final = "Data Designer"

ENGINES: Final = {LOCAL: "local", DISTILABEL: "distilabel"}
PEERS: Final = (THEIR_TASKS, CURATOR, DATA_DESIGNER)

_SCRIPTS: Final = {
    PLAIN: "plain_aiohttp.py",
    ALONE: "one_process.py",
    THEIR_TASKS: "distilabel_tasks.py",
    CURATOR: "curator_tasks.py",
    DATA_DESIGNER: "data_designer_tasks.py",
}
_ENVIRONMENTS: Final = {CURATOR: "curator", DATA_DESIGNER: "data-designer"}
LATENCY_S: Final = 0.5
FIXED: Final = {"lat": "fixed", "median": LATENCY_S}
_CLEAN: Final = {"rpm": 0, "capacity": 0, "over_429": 0}


@dataclass(frozen=True)
class Bench:
    """What a workload is given: the mock, where the peers' environments are, and how far it is shrunk."""

    endpoint: Endpoint
    peers: Path
    scale: float = 1.0
    seed: int = 1
    """Of the latencies: where a single long one falls is luck, the same for all contenders."""

    def count(self, full: int) -> int:
        """So many calls or samples of the full number."""
        return max(1, round(full * self.scale))

    def fresh(self, **settings: Any) -> Endpoint:
        """The mock with zeroed counters and nothing of an earlier workload's settings."""
        self.endpoint.reset(**_CLEAN | {"seed": self.seed} | settings)
        return self.endpoint

    def missing(self, who: str) -> bool:
        """Whether a contender's environment is not installed."""
        return who in _ENVIRONMENTS and not self._python(who).exists()

    def _python(self, who: str) -> Path:
        return self.peers / _ENVIRONMENTS[who] / "bin" / "python" if who in _ENVIRONMENTS else Path(sys.executable)

    def _command(self, who: str, race: Race, folder: Path) -> list[str | Path]:
        scripts = Path(__file__).resolve().parent / "peers"
        if who in ENGINES:
            return [
                sys.executable,
                scripts / "preflect_run.py",
                race.recipe(who, self.endpoint, folder),
                folder / "run",
            ]
        numbers = map(str, (race.samples, race.stages, race.concurrency))
        # Absolute, but not resolved: a virtual environment's python is a link.
        return [self._python(who).absolute(), scripts / _SCRIPTS[who], self.endpoint.base_url, *numbers]

    def laps(self, race: Race, contenders: Iterable[str]) -> dict[str, Lap]:
        """Each contender in its turn; who is not installed is left out. Raises: RuntimeError when one fails."""
        return {who: self._lap(race, who) for who in contenders if not self.missing(who)}

    def _lap(self, race: Race, who: str) -> Lap:
        self.fresh(**race.latency)
        with tempfile.TemporaryDirectory() as name:
            done = ran(self._command(who, race, Path(name)), cwd=Path(name))
        stats = self.endpoint.stats()
        if stats["ok"] < race.samples * race.stages:
            raise RuntimeError(f"{who} ended after {stats['ok']} of {race.samples * race.stages} replies")
        own = json.loads(done.output.splitlines()[-1])
        return Lap(
            whole_s=done.whole_s,
            own_s=own["own_s"],
            work_s=done.ended - stats["t_first"],
            span_s=stats["span"],
            own_cpu_s=own["own_cpu_s"],
        )


@dataclass(frozen=True)
class Race:
    """The same work for all: so many samples through so many calls, one after another."""

    samples: int
    stages: int
    concurrency: int
    latency: dict[str, Any]

    def recipe(self, who: str, endpoint: Endpoint, folder: Path) -> Path:
        """The work as a recipe: a sample's stages follow each other, as its chained calls do elsewhere."""
        model = {"kind": "openai", "model": "mock", "base_url": endpoint.base_url, "concurrency": self.concurrency}
        stage = {"stage": "respond", "model": "teacher"}
        return write_recipe(
            folder / "recipe.yaml",
            engine=ENGINES[who],
            input={"path": str(write_rows(folder / "rows.jsonl", self.samples))},
            models={"teacher": model},
            # Equal requests would be asked once: each stage has its own temperature.
            stages=[stage | {"temperature": number / 10} for number in range(self.stages)],
            export={"kinds": ["sft"]},
        )


@dataclass(frozen=True)
class Lap:
    """What one contender took, in seconds."""

    whole_s: float
    """The whole process, interpreter and imports included."""
    own_s: float
    """By its own clock, after its imports: start of the engine, the work, and the writing of what it writes."""
    work_s: float
    """From its first request to the end of the process."""
    span_s: float
    """From its first request to the last reply, by the server's clock."""
    own_cpu_s: float
    """CPU of its main process and its threads, after its imports."""
