"""The streaming executor, with real stages and no network."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.executor import Connect, Executor, Outcome
from preflect.engine.gate import RunGate
from preflect.engine.meter import Meter
from preflect.errors import (
    CallError,
    DataError,
    InputError,
    InterruptedRunError,
    PreflectError,
    RunError,
    TooManyRejectionsError,
)
from preflect.ports import Dropped, Stage
from preflect.schemas import Instruction, Message, Rejection, Sample


def sample(index: int) -> Sample:
    instruction = Instruction(messages=(Message(role="user", content=f"task {index}"),))
    return Sample(id=instruction.id, index=index, instructions=(instruction,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Takes the seconds that `pause` gives for a sample."""

    name: str = "sleep"
    pause: Callable[[int], float] = lambda _: 0.0
    seen: list[int] = field(default_factory=list[int])

    async def run(self, sample: Sample) -> Sample | Rejection:
        self.seen.append(sample.index)
        await asyncio.sleep(self.pause(sample.index))
        return sample.evolve(metadata={**sample.metadata, self.name: True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Fails as told for the samples that `when` picks."""

    name: str = "fail"
    when: Callable[[int], bool] = lambda _: True
    error: Exception = field(default_factory=lambda: CallError("call_timeout", "no reply"))

    async def run(self, sample: Sample) -> Sample | Rejection:
        if self.when(sample.index):
            raise self.error
        return sample


def connect_to(*stages: Stage) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncGenerator[Sequence[Stage]]:
        yield stages

    return connect


def executor(
    *stages: Stage, open_samples: int = 16, max_rejected: float = 1.0, gate: RunGate | None = None
) -> Executor:
    meter = Meter(None)
    meter.expect([stage.name for stage in stages], [])
    return Executor(
        connect_to(*stages),
        open_samples=open_samples,
        max_rejected=max_rejected,
        gate=gate or RunGate(),
        meter=meter,
        tick=lambda: None,
    )


def run_all(runner: Executor, count: int) -> list[Outcome]:
    with runner.stream(enumerate(map(sample, range(count)))) as outcomes:
        return list(outcomes)


@given(count=st.integers(0, 60), open_samples=st.integers(1, 20), modulus=st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_every_sample_comes_out_once_or_is_rejected_once(count: int, open_samples: int, modulus: int) -> None:
    stages = (Sleep(), Fail(when=lambda index: index % modulus == 0), Sleep(name="late"))
    outcomes = run_all(executor(*stages, open_samples=open_samples), count)
    assert sorted(outcome.ordinal for outcome in outcomes) == list(range(count))
    assert all((outcome.rejection is not None) == (outcome.ordinal % modulus == 0) for outcome in outcomes)


def test_a_slow_sample_holds_up_only_itself() -> None:
    stage = Sleep(pause=lambda index: 0.5 if index == 0 else 0.0)
    outcomes = run_all(executor(stage, open_samples=4), 50)
    assert outcomes[-1].ordinal == 0


def test_no_more_samples_are_open_than_allowed() -> None:
    most = 0
    now = 0

    @dataclass(frozen=True)
    class Count:
        name: str = "count"

        async def run(self, sample: Sample) -> Sample:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1
            return sample

    run_all(executor(Count(), open_samples=7), 40)
    assert most == 7


def test_a_failed_call_rejects_its_sample_as_it_stood() -> None:
    outcomes = run_all(executor(Sleep(), Fail(when=lambda index: index == 3)), 5)
    lost = next(outcome for outcome in outcomes if outcome.ordinal == 3)
    assert lost.rejection == Rejection(
        sample_id=sample(3).id, stage="fail", cause="call", reason="call_timeout", detail="no reply"
    )
    assert lost.sample is not None
    assert lost.sample.metadata == {"sleep": True}


def test_a_stage_may_hand_over_what_it_found_out_before_it_rejected() -> None:
    @dataclass(frozen=True)
    class Measure:
        name: str = "measure"

        async def run(self, sample: Sample) -> Dropped:
            return Dropped(sample.reject(self.name, "filter", "not_admitted"), sample.evolve(metadata={"score": 2}))

    (outcome,) = run_all(executor(Measure()), 1)
    assert outcome.rejection is not None
    assert outcome.sample is not None
    assert outcome.sample.metadata == {"score": 2}


def test_too_many_failed_calls_stop_the_run_with_the_last_reason() -> None:
    stage = Sleep()
    runner = executor(stage, Fail(), open_samples=4, max_rejected=0.2)
    with pytest.raises(TooManyRejectionsError, match=r"limits\.max_rejected = 0\.2.*call_timeout: no reply"):
        run_all(runner, 1000)
    assert len(stage.seen) < 40


def test_a_run_in_which_every_sample_was_lost_is_not_done_however_small() -> None:
    with pytest.raises(TooManyRejectionsError, match="3 of 3 samples were lost"):
        run_all(executor(Fail(), max_rejected=0.2), 3)
    assert len(run_all(executor(Fail(when=lambda index: index == 0), max_rejected=0.2), 5)) == 5
    with pytest.raises(TooManyRejectionsError, match="2 of 5 samples were lost"):
        run_all(executor(Fail(when=lambda index: index < 2), max_rejected=0.2), 5)


def test_a_failed_call_counts_as_a_loss_where_no_model_has_answered() -> None:
    @dataclass(frozen=True)
    class LoseCandidate:
        name: str = "respond"

        async def run(self, sample: Sample) -> Sample:
            return sample.evolve(rejections=(sample.reject(self.name, "call", "call_failed"),))

    with pytest.raises(TooManyRejectionsError, match="20 of 20"):
        run_all(executor(LoseCandidate(), max_rejected=0.2), 60)


def test_filtered_samples_do_not_count_as_failed() -> None:
    @dataclass(frozen=True)
    class Filter:
        name: str = "filter"

        async def run(self, sample: Sample) -> Rejection:
            return sample.reject(self.name, "filter", "tie")

    assert len(run_all(executor(Filter(), max_rejected=0.0), 100)) == 100


def test_a_closed_gate_ends_the_stream_after_what_was_open() -> None:
    gate = RunGate()
    finished: list[int] = []
    runner = executor(Sleep(pause=lambda _: 0.01), open_samples=5, gate=gate)

    def read() -> None:
        with runner.stream(enumerate(map(sample, range(1000)))) as outcomes:
            for outcome in outcomes:
                finished.append(outcome.ordinal)
                gate.close(InterruptedRunError("enough"))

    with pytest.raises(InterruptedRunError, match="enough"):
        read()
    assert 1 <= len(finished) < 20


def test_a_broken_stage_fails_the_run_and_names_the_error() -> None:
    with pytest.raises(
        RunError, match=r"stage 'fail' broke on sample [0-9a-f]{20}: ZeroDivisionError: division by zero"
    ):
        run_all(executor(Fail(error=ZeroDivisionError("division by zero"))), 3)


@pytest.mark.parametrize("error", [DataError("part-00001.parquet: damaged"), InputError("rows.jsonl:7: no JSON")])
def test_a_sample_that_cannot_be_read_ends_the_stream_after_what_was_open(error: PreflectError) -> None:
    def damaged() -> Iterator[tuple[int, Sample]]:
        yield from enumerate(map(sample, range(5)))
        raise error

    finished: list[int] = []
    runner = executor(Sleep(pause=lambda _: 0.1), Sleep(name="late"), open_samples=8)
    with pytest.raises(type(error), match=str(error)), runner.stream(damaged()) as outcomes:
        finished.extend(outcome.ordinal for outcome in outcomes)
    assert sorted(finished) == [0, 1, 2, 3, 4]


def test_whatever_else_breaks_the_reading_of_samples_is_named_and_waited_for_too() -> None:
    def gone() -> Iterator[tuple[int, Sample]]:
        yield 0, sample(0)
        raise FileNotFoundError(2, "No such file or directory", "part-00001.parquet")

    stage = Sleep(pause=lambda _: 0.1)
    later = Sleep(name="late")
    with (
        pytest.raises(RunError, match=r"the next sample cannot be read: FileNotFoundError: .*part-00001\.parquet"),
        executor(stage, later).stream(gone()) as outcomes,
    ):
        list(outcomes)
    assert later.seen == [0]


def test_a_reader_that_leaves_early_stops_the_work() -> None:
    stage = Sleep(pause=lambda _: 0.01)
    with executor(stage, open_samples=2).stream(enumerate(map(sample, range(10_000)))) as outcomes:
        next(outcomes)
    assert len(stage.seen) < 100
    assert not any(thread.name.startswith("preflect-executor") for thread in threading.enumerate())


def test_a_slow_reader_holds_the_executor_back() -> None:
    stage = Sleep()
    with executor(stage, open_samples=8).stream(enumerate(map(sample, range(5_000)))) as outcomes:
        next(outcomes)
        time.sleep(0.3)
        assert len(stage.seen) < 300


def test_garbage_is_looked_for_seldom_while_samples_stream_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    meanwhile: list[int] = []

    def pause(_: int) -> float:
        meanwhile.append(gc.get_threshold()[0])
        return 0.0

    run_all(executor(Sleep(pause=pause)), 3)
    assert min(meanwhile) > 10 * before[0]
    assert gc.get_threshold() == before
