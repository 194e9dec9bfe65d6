"""Runs of the engine with small real stages: many blocks, many stops, one result."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine import Watch, resume, run
from preflect.engine.dataset import BLOCK
from preflect.engine.journal import open_journal
from preflect.engine.local import LocalRunner
from preflect.engine.lock import sole_use
from preflect.engine.plan import Connected, Phase, Plan, Wiring
from preflect.engine.progress import Snapshot
from preflect.engine.run_folder import RunFolder
from preflect.errors import CallError, InputError, InterruptedRunError, RunError, StoppedError
from preflect.ports import Purse, Stage
from preflect.schemas import ExportCounts, Instruction, Manifest, Message, Recipe, Rejection, ReviewCounts, Sample

from .journals import full_disk

ROWS = 2 * BLOCK + 30
LIMITS = {"open_samples": 40, "max_rejected": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wander:
    """Takes its time with each sample, rejects every seventh, and stops the run when `patience` is used up.

    While its endpoint is ill, every eleventh sample is lost and every thirteenth loses a candidate.
    """

    name: str
    patience: list[int] = field(default_factory=lambda: [10**9])
    ill: bool = False

    async def run(self, sample: Sample) -> Sample | Rejection:
        self.patience[0] -= 1
        if self.patience[0] < 0:
            raise InterruptedRunError("enough")
        await asyncio.sleep(random.random() / 1000)
        if self.ill and sample.index % 11 == 5:
            raise CallError("call_failed", "HTTP 500")
        if self.ill and sample.index % 13 == 5:
            return sample.evolve(rejections=(*sample.rejections, sample.reject(self.name, "call", "call_timeout")))
        if sample.index % 7 == 3 and self.name == "grade":
            return sample.reject(self.name, "filter", "tie")
        return sample.evolve(metadata={**sample.metadata, self.name: sample.index})


@dataclass(frozen=True, slots=True, kw_only=True)
class Double:
    """Yields every sample but each ninth, then a new one for every fifth."""

    name: str
    first_index: int

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection]:
        seen = list(samples)
        for sample in seen:
            yield sample.reject(self.name, "filter", "near_duplicate") if sample.index % 9 == 0 else sample
        for sample in seen[::5]:
            yield row(self.first_index + sample.index)


def row(index: int) -> Sample:
    instruction = Instruction(messages=(Message(role="user", content=f"task {index}"),))
    return Sample(id=instruction.id, index=index, instructions=(instruction,))


def read_rows() -> Iterator[Sample | Rejection]:
    yield Rejection(sample_id="row-1", stage="input", cause="input", reason="empty")
    yield from map(row, range(ROWS))


@contextmanager
def no_services(_: RunFolder) -> Generator[Mapping[str, str]]:
    yield {}


class NoEnding:
    """Writes nothing; counts how often it was asked to get ready and to give up."""

    def __init__(self) -> None:
        self.prepared = self.closed = 0

    def prepare(self) -> None:
        self.prepared += 1

    def digest(self, recipe: Recipe, samples: Sequence[Sample]) -> bytes:
        return b""

    def export(self, folder: RunFolder, review: ReviewCounts | None) -> tuple[ExportCounts, ...]:
        return ()

    def report(self, folder: RunFolder, manifest: Manifest) -> None:
        return None

    def close(self) -> None:
        self.closed += 1


class BrokenEnding(NoEnding):
    """Breaks off where it should export."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def export(self, folder: RunFolder, review: ReviewCounts | None) -> tuple[ExportCounts, ...]:
        raise self._error


def make_plan(patience: list[int] | None = None, *, ill: bool = False) -> Plan:
    """Three phases: a stream and a whole-set stage, a whole-set stage alone, a stream."""
    stages = [{"stage": "grade"}, {"stage": "dedup"}, {"stage": "dedup"}, {"stage": "grade"}]
    fields = {"name": "wander", "input": {"path": "rows"}, "stages": stages, "limits": LIMITS}
    recipe = Recipe.model_validate_json(json.dumps(fields))

    @asynccontextmanager
    async def connect(phase: Phase, _: Wiring) -> AsyncGenerator[Connected]:
        names = ("grade", "dedup", "dedup-2", "grade-2")
        streamed = tuple(Wander(name=names[place], patience=patience or [10**9], ill=ill) for place in phase.stages)
        last = phase.closing
        yield Connected(streamed, None if last is None else Double(name=names[last], first_index=10_000**last))

    return Plan(
        recipe=recipe,
        input_rows=ROWS + 1,
        input_sha256="0" * 64,
        read=read_rows,
        connect=connect,
        services=no_services,
        runner=LocalRunner(),
        entry="",
        ending=NoEnding(),
        prompts={},
    )


def contents(folder: Path) -> dict[str, str]:
    kept = {".parquet"}
    return {
        str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.suffix in kept
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in one go."""
    return run(make_plan(), tmp_path_factory.mktemp("whole") / "run").folder


def test_every_row_that_goes_into_a_stage_comes_out_or_is_rejected(whole: RunFolder) -> None:
    manifest = whole.manifest()
    assert manifest.input_rejected == 1
    rows = ROWS
    for count in manifest.stages:
        assert count.rows_in == rows
        assert count.rows_in + count.made == count.rows_out + count.rejected
        rows = count.rows_out
    assert [count.made > 0 for count in manifest.stages] == [False, True, True, False]
    assert rows == sum(1 for _ in whole.samples())
    assert sum(1 for _ in whole.rejections()) == 1 + sum(count.rejected for count in manifest.stages)


@given(stops=st.lists(st.integers(0, ROWS), min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_a_run_stopped_anywhere_and_resumed_gives_the_files_of_a_run_in_one_go(
    stops: list[int], whole: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("stopped") / "run")
    with suppress(StoppedError):
        run(make_plan([stops[0]]), folder.path)
    for patience in stops[1:]:
        with suppress(StoppedError):
            resume(make_plan([patience]), folder)
    assert resume(make_plan(), folder).manifest.stages[-1].rows_out == whole.manifest().stages[-1].rows_out
    assert contents(folder.path) == contents(whole.path)


def test_what_failed_calls_have_lost_is_asked_again_on_resume_and_nothing_else_is(
    whole: RunFolder, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InterruptedRunError):
        run(make_plan([2 * BLOCK + 10], ill=True), folder.path)
    part = folder.path / "phases" / "0" / "part-00000.parquet"
    assert part.exists()
    lost = sum(1 for index in range(ROWS) if 5 in (index % 11, index % 13))
    asked = [0]
    with pytest.raises(InterruptedRunError):
        resume(make_plan(asked), folder)
    assert not part.exists()
    finished_late = ROWS - 2 * BLOCK
    with pytest.raises(InterruptedRunError):
        resume(make_plan([lost + finished_late]), folder)
    assert folder.manifest().phases_done == 2
    resume(make_plan(), folder)
    assert contents(folder.path) == contents(whole.path)


def test_a_stopped_run_says_why_and_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match=rf"enough\n.*preflect resume {tmp_path}/run"):
        run(make_plan([100]), tmp_path / "run")
    assert RunFolder(tmp_path / "run").manifest().status == "stopped"
    assert RunFolder(tmp_path / "run").manifest().message == "enough"


def test_the_log_has_the_beginning_and_the_end_of_each_sitting_and_what_was_warned_of(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")

    def warn(_: Snapshot) -> None:
        logging.getLogger("preflect.some.adapter").warning("the endpoint is %s", "slow")

    with pytest.raises(InterruptedRunError):
        run(make_plan([100]), folder.path)
    resume(make_plan(), folder, Watch(publish=warn))
    logging.getLogger("preflect.some.adapter").warning("nobody's run")
    lines = folder.log_path.read_text(encoding="utf-8").splitlines()
    said = [line.split(" ", 1)[1] for line in lines]
    name, engine = folder.manifest().name, folder.manifest().engine
    assert said[0] == said[2] == f"{name}: begun, engine {engine}, preflect {version('preflect')}"
    assert re.fullmatch(rf"{name}: stopped after \d+\.\d s in all: enough", said[1])
    assert {*said[3:-1]} == {"warning: the endpoint is slow"}
    assert re.fullmatch(rf"{name}: done after \d+\.\d s in all", said[-1])
    assert all(datetime.fromisoformat(line.split(" ")[0]) for line in lines)


def test_files_that_are_lost_behind_the_engines_back_fail_the_run_and_are_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    # So much that the last phase is under way.
    with pytest.raises(InterruptedRunError):
        run(make_plan([ROWS + 50]), folder.path)
    assert folder.manifest().phases_done == 2
    (folder.path / "phases" / "1-closed" / "part-00001.parquet").unlink()
    with pytest.raises(RunError, match=r"rows were lost: .* went into stage 'dedup-2'"):
        resume(make_plan(), folder)
    assert folder.manifest().status == "failed"
    assert "rows were lost" in folder.manifest().message


def test_a_failure_at_the_very_end_is_written_down(tmp_path: Path) -> None:
    ending = BrokenEnding(RunError("no room for the export"))
    with pytest.raises(RunError, match="no room"):
        run(replace(make_plan(), ending=ending), tmp_path / "run")
    assert RunFolder(tmp_path / "run").manifest().status == "failed"
    assert resume(make_plan(), RunFolder(tmp_path / "run")).manifest.status == "done"


def test_another_input_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(make_plan([3]), tmp_path / "run")
    with pytest.raises(InputError, match=r"rows has changed since the run began \(sha256 111111111111…"):
        resume(replace(make_plan(), input_sha256="1" * 64), RunFolder(tmp_path / "run"))


def test_every_sample_of_a_simulated_run_says_so_wherever_it_was_made(tmp_path: Path) -> None:
    folder = run(replace(make_plan(), simulated=True), tmp_path / "run").folder
    assert folder.manifest().simulated
    samples = [*folder.samples(), *(sample for _, sample in folder.rejections() if sample)]
    assert max(sample.index for sample in samples) >= 10_000
    assert all(sample.simulated for sample in samples)


def test_progress_knows_how_many_samples_each_phase_has_and_which_are_finished(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    with pytest.raises(InterruptedRunError):
        run(make_plan([ROWS + BLOCK + 60]), tmp_path / "run", Watch(publish=seen.append))
    stopped, rows = seen[-1], sum(1 for _ in RunFolder(tmp_path / "run").phase(1, closed=True, last=False).samples())
    assert stopped.total == rows
    assert stopped.finished >= BLOCK
    seen.clear()
    resume(make_plan(), RunFolder(tmp_path / "run"), Watch(publish=seen.append))
    assert {snapshot.total for snapshot in seen} == {rows}
    assert seen[-1].finished == rows


def test_a_folder_that_another_run_takes_first_is_left_as_it_is(tmp_path: Path, whole: RunFolder) -> None:
    folder = RunFolder(tmp_path / "run")
    with ThreadPoolExecutor(1) as thread:
        with sole_use(folder.live_path):
            late = thread.submit(run, make_plan(), folder.path)
            time.sleep(0.3)
            assert not folder.recipe_path.exists()
            folder.write_manifest(whole.manifest())
        with pytest.raises(InputError, match="already holds a run; go on with `preflect resume"):
            late.result()
    assert folder.manifest() == whole.manifest()
    assert not folder.recipe_path.exists()


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (OSError(28, "No space left on device"), "failed", "OSError: [Errno 28] No space left on device"),
        (MemoryError(), "failed", "MemoryError: "),
        (KeyboardInterrupt(), "stopped", "ended at once on request"),
    ],
)
def test_whatever_ends_a_run_is_written_down_and_comes_out_as_it_is(
    end: BaseException, status: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(type(end)):
        run(replace(make_plan(), ending=BrokenEnding(end)), tmp_path / "run")
    manifest = RunFolder(tmp_path / "run").manifest()
    assert (manifest.status, manifest.message) == (status, message)
    assert manifest.finished_at
    assert resume(make_plan(), RunFolder(tmp_path / "run")).manifest.status == "done"


def gone(_: object) -> None:
    raise BrokenPipeError(32, "Broken pipe")


def test_that_nobody_reads_what_a_run_tells_is_no_reason_to_end_it(tmp_path: Path) -> None:
    assert run(make_plan(), tmp_path / "run", Watch(publish=gone, say=gone)).manifest.status == "done"


def with_stage(stage: Callable[[Wiring], Stage]) -> Plan:
    """The plan with this stage in its stream, and no other."""

    @asynccontextmanager
    async def connect(phase: Phase, wiring: Wiring) -> AsyncGenerator[Connected]:
        yield Connected((stage(wiring),), None if phase.closing is None else Double(name="dedup", first_index=10_000))

    return replace(make_plan(), connect=connect)


def test_a_stop_is_heard_although_nobody_reads_what_the_run_tells(tmp_path: Path) -> None:
    asked = Event()

    def publish(snapshot: Snapshot) -> None:
        if snapshot.finished:
            asked.set()
        gone(snapshot)

    with pytest.raises(InterruptedRunError, match="stopped on request"):
        run(
            with_stage(lambda _: Rest(name="grade")),
            tmp_path / "run",
            Watch(stop_requested=asked.is_set, publish=publish),
        )
    assert RunFolder(tmp_path / "run").manifest().status == "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Takes a while."""

    name: str

    async def run(self, sample: Sample) -> Sample:
        await asyncio.sleep(0.05)
        return sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose:
    """Pays for the first sample and gets nothing, while the disk is full; soon after it is no more."""

    name: str
    purse: Purse

    async def run(self, sample: Sample) -> Sample:
        if sample.index == 0:
            with full_disk():
                async with self.purse.hold(0.25) as held:
                    held.lose(0.25)
                await asyncio.sleep(0.4)
        await asyncio.sleep(0.05)
        return sample


def test_losses_that_cannot_be_written_down_end_the_run_and_are_not_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RunError, match="cannot write the journal"):
        run(with_stage(lambda wiring: Lose(name="grade", purse=wiring.purse)), folder.path)
    with open_journal(folder.journal_path) as journal:
        assert journal.spent_usd() == 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Finishes some samples, and is then told that the disk is full, which it is until `disk` is closed."""

    name: str
    disk: ExitStack

    async def run(self, sample: Sample) -> Sample:
        await asyncio.sleep(0.01)
        if sample.index > 100:
            self.disk.enter_context(full_disk())
            raise RunError("cannot write the journal: the disk is full")
        return sample


def test_on_a_full_disk_the_first_failure_is_told_although_all_else_fails_as_well(tmp_path: Path) -> None:
    with ExitStack() as disk, pytest.raises(RunError, match=r"^cannot write the journal: the disk is full$"):
        run(with_stage(lambda _: Fill(name="grade", disk=disk)), tmp_path / "run")
    assert resume(make_plan(), RunFolder(tmp_path / "run")).manifest.status == "done"


def with_recipe(**changes: object) -> Plan:
    plan = make_plan()
    return replace(plan, recipe=Recipe.model_validate_json(json.dumps(plan.recipe.model_dump(mode="json") | changes)))


TEACHER = {"kind": "openai", "model": "m", "temperature": 0.5}


def test_a_recipe_that_asks_for_other_work_is_not_gone_on_with_but_its_limits_and_addresses_may_change(
    tmp_path: Path,
) -> None:
    first = replace(with_recipe(models={"teacher": TEACHER}), ending=BrokenEnding(OSError("No space")))
    with pytest.raises(OSError, match="No space"):
        run(first, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    for changes in ({"models": {"teacher": TEACHER | {"temperature": 0.7}}}, {"seed": 8}):
        other = with_recipe(**({"models": {"teacher": TEACHER}} | changes))
        with pytest.raises(InputError, match=r"recipe\.yaml has changed since the run began.*only limits"):
            resume(other, folder)
    elsewhere = TEACHER | {"base_url": "http://other/v1", "concurrency": 3, "api_key_env": "OTHER_KEY"}
    plan = with_recipe(models={"teacher": elsewhere}, limits={"open_samples": 7})
    assert resume(plan, folder).manifest.status == "done"
    assert folder.recipe() == plan.recipe


def test_who_watches_is_told_what_the_run_does_when_all_samples_are_through(tmp_path: Path) -> None:
    said: list[str] = []
    run(make_plan(), tmp_path / "run", Watch(say=said.append))
    assert said == ["writing the training data", "writing the report"]


def test_the_end_is_prepared_while_samples_are_in_work_and_given_up_after_each_sitting(tmp_path: Path) -> None:
    ending = NoEnding()
    run(replace(make_plan(), ending=ending), tmp_path / "run")
    assert ending.prepared > 0
    assert ending.closed == 1
