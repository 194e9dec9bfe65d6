"""Run a plan from its first sample to its report, and go on where a sitting left off."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final

from preflect.engine.counts import count_stages
from preflect.engine.journal import open_journal
from preflect.engine.lock import sole_use
from preflect.engine.plan import Plan
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder, new_run_path
from preflect.engine.sitting import Sitting
from preflect.engine.storage import write_rejections
from preflect.errors import BudgetError, InputError, PreflectError, StoppedError
from preflect.schemas import Manifest, Rejection, Sample, content_id

_VERSIONS_OF: Final = ("preflect", "openai", "distilabel", "polars", "pydantic")


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run."""

    folder: RunFolder
    manifest: Manifest


def _never() -> bool:
    return False


def _ignore(_: Snapshot) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a caller follows a run and asks it to stop."""

    stop_requested: Callable[[], bool] = _never
    """Asked some ten times a second; True lets calls in flight come back, starts no new ones, and keeps everything."""
    publish: Callable[[Snapshot], None] = _ignore
    """Given the counts some ten times a second, from another thread."""


def run(plan: Plan, path: Path | None = None, watch: Watch | None = None) -> RunResult:
    """Run a plan in a new folder.

    Args: path defaults to `data/runs/<name>-<time>`.
    Raises: StoppedError with everything kept and how to resume; RunError; InputError when the folder holds a run.
    """
    folder = RunFolder(path or new_run_path(plan.recipe))
    if folder.manifest_path.exists():
        raise InputError(
            f"{folder.path} already holds a run; go on with `preflect resume {folder.path}`, or name another folder"
        )
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_recipe(plan.recipe)
    folder.write_manifest(_first_manifest(plan))
    return _sit(plan, folder, watch or Watch())


def resume(plan: Plan, folder: RunFolder, watch: Watch | None = None) -> RunResult:
    """Go on with a run that was stopped or killed; a finished one is returned as it is.

    Raises: as `run`; InputError when the input is no longer what the run began with.
    """
    manifest = folder.manifest()
    if manifest.status == "done":
        return RunResult(folder, manifest)
    if manifest.input_sha256 != plan.input_sha256:
        raise InputError(
            f"{plan.recipe.input.path} has changed since the run began (sha256 {plan.input_sha256[:12]}…, was "
            f"{manifest.input_sha256[:12]}…): put it back, or start a new run"
        )
    return _sit(plan, folder, watch or Watch())


def _first_manifest(plan: Plan) -> Manifest:
    return Manifest(
        name=plan.recipe.name,
        status="running",
        simulated=plan.simulated,
        seed=plan.recipe.seed,
        engine=plan.recipe.engine,
        input_path=plan.recipe.input.path,
        input_sha256=plan.input_sha256,
        input_rows=plan.input_rows,
        recipe_id=_recipe_id(plan),
        versions={"python": platform.python_version()} | {name: version(name) for name in _VERSIONS_OF},
        prompts=dict(plan.prompts),
        started_at=_now(),
    )


def _recipe_id(plan: Plan) -> str:
    return content_id(plan.recipe.model_dump(mode="json"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sit(plan: Plan, folder: RunFolder, watch: Watch) -> RunResult:
    with sole_use(folder.live_path), _reasons_kept(folder):
        # A later sitting may bring a larger budget.
        folder.write_recipe(plan.recipe)
        folder.write_manifest(
            folder.manifest().evolve(status="running", message="", simulated=plan.simulated, recipe_id=_recipe_id(plan))
        )
        with _timed(folder), plan.services(folder) as endpoints:
            _carry_phases(plan, folder, watch, endpoints)
            rejected = _gather_rejections(plan, folder)
        result = _finish(plan, folder, rejected)
    shutil.rmtree(folder.live_path, ignore_errors=True)
    return result


@contextmanager
def _timed(folder: RunFolder) -> Generator[None]:
    since = time.monotonic()
    try:
        yield
    finally:
        with open_journal(folder.journal_path) as journal:
            journal.add_to_counter("wall_seconds", time.monotonic() - since)


@contextmanager
def _reasons_kept(folder: RunFolder) -> Generator[None]:
    """Write down why a sitting ended before its time, and say how to go on."""
    try:
        yield
    except PreflectError as error:
        status = "stopped" if isinstance(error, StoppedError) else "failed"
        with open_journal(folder.journal_path) as journal:
            spent, seconds = journal.counts(), round(journal.counter("wall_seconds"), 3)
        stopped = folder.manifest().evolve(status=status, message=str(error), calls=spent, seconds=seconds)
        folder.write_manifest(stopped.evolve(finished_at=_now()))
        if isinstance(error, StoppedError):
            larger = " --budget-usd MORE" if isinstance(error, BudgetError) else ""
            hint = f"everything is kept: go on with `preflect resume {folder.path}{larger}`"
            raise type(error)(f"{error}\n{hint}") from error
        raise


def _carry_phases(plan: Plan, folder: RunFolder, watch: Watch, endpoints: Mapping[str, str]) -> None:
    sitting = Sitting(
        plan=plan,
        folder=folder,
        endpoints=endpoints,
        stop_requested=watch.stop_requested,
        publish=watch.publish,
    )
    for phase in plan.phases[folder.manifest().phases_done :]:
        plan.runner.carry(phase, sitting)
        folder.write_manifest(folder.manifest().evolve(phases_done=phase.number + 1))


def _gather_rejections(plan: Plan, folder: RunFolder) -> int:
    """Bring the rejections of the input and of all phases into one file; returns how many the input had."""
    of_input: list[tuple[Rejection, Sample | None]] = [(row, None) for row in plan.read() if isinstance(row, Rejection)]
    sitting = Sitting(plan=plan, folder=folder, endpoints={}, stop_requested=_never, publish=_ignore)
    datasets = [
        dataset
        for phase in plan.phases
        for dataset in (sitting.streamed(phase), *([sitting.result(phase)] if phase.closing is not None else []))
    ]
    write_rejections(folder.rejections_path, chain(of_input, *(dataset.rejections() for dataset in datasets)))
    return len(of_input)


def _finish(plan: Plan, folder: RunFolder, input_rejected: int) -> RunResult:
    """Count, export, report; the manifest says `done` when all of it is on disk."""
    exports = plan.export(folder)
    with open_journal(folder.journal_path) as journal:
        manifest = folder.manifest().evolve(
            status="done",
            message="",
            input_rejected=input_rejected,
            stages=count_stages(plan, folder, journal, input_rejected),
            calls=journal.counts(),
            exports=exports,
            finished_at=_now(),
            seconds=round(journal.counter("wall_seconds"), 3),
        )
    plan.report(folder, manifest)
    folder.write_manifest(manifest)
    return RunResult(folder, manifest)
