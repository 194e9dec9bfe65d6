"""Run a plan from its first sample to its report, and go on where a sitting left off."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Final, Literal

from preflect.engine.afterwards import afterwards
from preflect.engine.batches import BatchNotes
from preflect.engine.counts import count_stages
from preflect.engine.journal import LOST_USD, open_journal
from preflect.engine.lock import remove_held, sole_use
from preflect.engine.losses import Losses, StageLosses
from preflect.engine.plan import Phase, Plan, calls_of
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder, new_run_path
from preflect.engine.run_log import logged
from preflect.engine.sitting import Sitting
from preflect.engine.so_far import manifest_so_far, steps
from preflect.engine.traffic import traffic_so_far
from preflect.engine.way_on import with_way_on
from preflect.errors import AwaitingReviewError, InputError, PreflectError, StoppedError
from preflect.schemas import Manifest, OpenAIModel, Recipe, content_id

WAY_TO_A_MODEL: Final = (
    "concurrency",
    "rpm",
    "tpm",
    "limit",
    "hedge_after_s",
    "base_url",
    "timeout_s",
    "api_key_env",
    "mode",
    "batch",
    "price",
)
"""Of a model's keys those that may change on the way: none of them changes what is asked."""

_VERSIONS_OF: Final = ("preflect", "openai", "distilabel", "polars", "pydantic")


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run, or one that waits for people's reviews: then the manifest says `paused`."""

    folder: RunFolder
    manifest: Manifest


def _never() -> bool:
    return False


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a caller follows a run and asks it to stop."""

    stop_requested: Callable[[], bool] = _never
    """Asked some ten times a second; True lets calls in flight come back, starts no new ones, and keeps everything."""
    publish: Callable[[Snapshot], None] = _ignore
    """Given the counts some ten times a second, from another thread."""
    say: Callable[[str], None] = _ignore
    """Told in words what the run does where there is nothing to count."""

    def tell(self, what: str) -> None:
        """Say it; that nobody can hear it is no reason to end the run."""
        with suppress(OSError):
            self.say(what)


def run(plan: Plan, path: Path | None = None, watch: Watch | None = None) -> RunResult:
    """Run a plan in a new folder.

    Args: path defaults to `data/runs/<name>-<time>`.
    Raises: StoppedError with everything kept and how to resume; RunError; InputError when the folder holds a run.
    """
    folder = RunFolder(path or new_run_path(plan.recipe))
    _check_free(folder)
    with sole_use(folder.live_path):
        # Another process may have begun a run here while this one waited for the folder.
        _check_free(folder)
        folder.write_recipe(plan.recipe)
        folder.write_manifest(_first_manifest(plan))
        return _sit(plan, folder, watch or Watch())


def _check_free(folder: RunFolder) -> None:
    if folder.manifest_path.exists():
        raise InputError(
            f"{folder.path} already holds a run; go on with `preflect resume {folder.path}`, or name another folder"
        )


def resume(plan: Plan, folder: RunFolder, watch: Watch | None = None) -> RunResult:
    """Go on with a run that was stopped or killed; a finished one is returned as it is.

    Raises: as `run`; InputError when input or recipe are no longer what the run began with.
    """
    if (manifest := folder.manifest()).status == "done":
        return RunResult(folder, manifest)
    with sole_use(folder.live_path):
        if (manifest := folder.manifest()).status == "done":
            return RunResult(folder, manifest)
        _check_unchanged(plan, folder, manifest)
        return _sit(plan, folder, watch or Watch())


def _check_unchanged(plan: Plan, folder: RunFolder, manifest: Manifest) -> None:
    if manifest.input_sha256 != plan.input_sha256:
        raise InputError(
            f"{plan.recipe.input.path} has changed since the run began (sha256 {plan.input_sha256[:12]}…, was "
            f"{manifest.input_sha256[:12]}…): put it back, or start a new run"
        )
    if manifest.work_id not in ("", _work_id(plan.recipe)):
        raise InputError(
            f"{folder.recipe_path} has changed since the run began, and what is done would not be of one recipe: put "
            f"it back, or start a new run; only limits and a model's {', '.join(WAY_TO_A_MODEL)} may change on the way"
        )
    for sent in BatchNotes(folder.batches_path).open_batches():
        model = plan.recipe.models[sent.model]
        if not isinstance(model, OpenAIModel) or model.mode != "batch":
            raise InputError(
                f"batch {sent.batch_id} of model '{sent.model}' is still at its endpoint, and its {len(sent.lines):,} "
                "requests would be paid twice: put `mode: batch` back until it is done, or give it up by removing "
                f"{folder.batches_path}"
            )


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
        skipped_bad_rows=plan.skip_bad_rows,
        recipe_id=_recipe_id(plan),
        work_id=_work_id(plan.recipe),
        versions={"python": platform.python_version()} | {name: version(name) for name in _VERSIONS_OF},
        prompts=dict(plan.prompts),
        started_at=_now(),
    )


def _recipe_id(plan: Plan) -> str:
    return content_id(plan.recipe.model_dump(mode="json"))


def _work_id(recipe: Recipe) -> str:
    way: set[str] = {*WAY_TO_A_MODEL}
    return content_id(recipe.model_dump(mode="json", exclude={"limits": True, "models": {"__all__": way}}))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sit(plan: Plan, folder: RunFolder, watch: Watch) -> RunResult:
    """From here to the end or the next stop; the folder is this process's alone."""
    try:
        with logged(folder):
            return _to_the_end(plan, folder, watch)
    except AwaitingReviewError:
        return RunResult(folder, manifest_so_far(folder))


def _to_the_end(plan: Plan, folder: RunFolder, watch: Watch) -> RunResult:
    with closing(plan.ending), _reasons_kept(folder):
        folder.forget_digests()
        # A later sitting may bring a larger budget.
        folder.write_recipe(plan.recipe)
        began = folder.manifest().evolve(status="running", message="", replay=plan.replay is not None)
        folder.write_manifest(began.evolve(simulated=plan.simulated, recipe_id=_recipe_id(plan)))
        if plan.replay is not None and plan.replay != folder.journal_path:
            from preflect.engine.journal_exchange import merge  # noqa: PLC0415  # polars

            merge([plan.replay], folder.journal_path)
        with _timed(folder), plan.services(folder) as endpoints:
            _carry_phases(plan, folder, watch, endpoints)
            rejected = _gather_rejections(plan, folder)
            _judge_losses(plan, folder)
        result = _finish(plan, folder, rejected, watch)
    remove_held(folder.live_path)
    return result


def _judge_losses(plan: Plan, folder: RunFolder) -> None:
    """As each sitting's stream was judged, so is the run: earlier sittings may have lost more than this one."""
    if folder.causes_of_loss().isdisjoint({"call", "reply"}):
        return
    max_rejected = plan.recipe.limits.max_rejected
    losses = Losses(max_rejected)
    of_stages = StageLosses(
        max_rejected, {k: n for phase in plan.phases for k, n in calls_of(plan.recipe, phase).items()}
    )
    for sample in folder.samples():
        losses.add(sample, None)
        of_stages.add_finished(sample)
    for rejection, sample in folder.rejections():
        if sample is not None:
            losses.add(sample, rejection)
    losses.judge_all()
    of_stages.judge_all()


@contextmanager
def _timed(folder: RunFolder) -> Generator[None]:
    since = time.monotonic()

    def keep_time() -> None:
        with open_journal(folder.journal_path) as journal:
            journal.add_to_counter("wall_seconds", time.monotonic() - since)

    with afterwards(keep_time):
        yield


@contextmanager
def _reasons_kept(folder: RunFolder) -> Generator[None]:
    """Write down why a sitting ended before its time, and say how to go on."""
    try:
        yield
    except StoppedError as error:
        hint = with_way_on(error, folder)
        paused = isinstance(error, AwaitingReviewError)
        _write_down(folder, "paused" if paused else "stopped", hint if paused else str(error))
        raise type(error)(hint) from error
    except PreflectError as error:
        _write_down(folder, "failed", str(error))
        raise
    except KeyboardInterrupt:
        _write_down(folder, "stopped", "ended at once on request")
        raise
    except BaseException as error:
        # Disk full, no memory, a fault of ours: a run that is over must not stand there as running.
        _write_down(folder, "failed", f"{type(error).__name__}: {error}")
        raise


def _write_down(folder: RunFolder, status: Literal["stopped", "paused", "failed"], message: str) -> None:
    ended = folder.manifest().evolve(status=status, message=message, finished_at=_now())
    # On a full disk this fails as well, and the first failure is the one to tell of.
    with suppress(OSError, PreflectError):
        folder.write_manifest(ended)
        with open_journal(folder.journal_path) as journal:
            seconds = round(journal.counter("wall_seconds"), 3)
            folder.write_manifest(
                ended.evolve(
                    calls=journal.counts(),
                    lost_usd=journal.counter(LOST_USD),
                    traffic=traffic_so_far(journal, folder.recipe().models),
                    seconds=seconds,
                )
            )


def _carry_phases(plan: Plan, folder: RunFolder, watch: Watch, endpoints: Mapping[str, str]) -> None:
    sitting = Sitting(
        plan=plan,
        folder=folder,
        endpoints=endpoints,
        stop_requested=watch.stop_requested,
        publish=_preparing(plan, watch.publish),
    )
    remaining = plan.phases[folder.manifest().phases_done :]
    _clear(folder, remaining[1:])
    for phase in remaining:
        plan.runner.carry(phase, sitting)
        folder.write_manifest(folder.manifest().evolve(phases_done=phase.number + 1))


def _preparing(plan: Plan, publish: Callable[[Snapshot], None]) -> Callable[[Snapshot], None]:
    """`publish`, and from the first finished sample on the run's end is prepared."""

    def published(snapshot: Snapshot) -> None:
        if snapshot.finished:
            plan.ending.prepare()
        publish(snapshot)

    return published


def _clear(folder: RunFolder, phases: Sequence[Phase]) -> None:
    """Remove what phases have left that must be run anew: reviews came in for an earlier one."""
    for phase in phases:
        last = phase.closing is None and phase == phases[-1]
        dataset = folder.phase(phase.number, closed=False, last=last)
        for left in (dataset.folder, dataset.rejected):
            shutil.rmtree(left, ignore_errors=True)


def _gather_rejections(plan: Plan, folder: RunFolder) -> int:
    """Bring the rejections of the input and of all phases into one file; returns how many the input had."""
    from preflect.engine.storage import count_rows, read_rejections, write_rejections  # noqa: PLC0415  # polars

    of_input = read_rejections(folder.input_rejections_path)
    later = (dataset.rejections() for _, dataset in steps(plan.recipe, folder))
    write_rejections(folder.rejections_path, chain(of_input, *later))
    return count_rows([folder.input_rejections_path])


def _finish(plan: Plan, folder: RunFolder, input_rejected: int, watch: Watch) -> RunResult:
    """Count, export, report; the manifest says `done` when all of it is on disk."""
    review = plan.review(folder)
    folder.write_manifest(folder.manifest().evolve(review=review))
    watch.tell("writing the training data")
    exports = plan.ending.export(folder, review)
    with open_journal(folder.journal_path) as journal:
        manifest = folder.manifest().evolve(
            status="done",
            message="",
            input_rejected=input_rejected,
            stages=count_stages(plan, folder, journal, input_rejected),
            calls=journal.counts(),
            traffic=traffic_so_far(journal, plan.recipe.models),
            lost_usd=journal.counter(LOST_USD),
            exports=exports,
            finished_at=_now(),
            seconds=round(journal.counter("wall_seconds"), 3),
        )
    watch.tell("writing the report")
    plan.ending.report(folder, manifest)
    folder.write_manifest(manifest)
    return RunResult(folder, manifest)
