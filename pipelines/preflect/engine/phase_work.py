"""The work of a phase, whichever runner carries it: its stream, and its whole-set stage."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from preflect.engine.dataset import BLOCK, BlockWriter, Dataset, WriteBlock
from preflect.engine.executor import Executor, Outcome, ticking
from preflect.engine.losses import StageLosses, Watched
from preflect.engine.meter import Meter
from preflect.engine.plan import Phase, calls_of, open_samples
from preflect.engine.sitting import Sitting, Tools
from preflect.ports import Dropped, Stage, WholeSetStage
from preflect.schemas import Rejection, Sample


@contextmanager
def stream_phase(sitting: Sitting, phase: Phase) -> Generator[Iterator[Outcome]]:
    """The outcomes of the phase's per-sample stages for all samples whose block is not on disk yet.

    Raises (while iterating): StoppedError, RunError.
    """
    done: deque[Outcome] = deque()
    rows = -(-rows_into(sitting, phase) // sitting.share.of)
    with sitting.tools(rows) as tools:
        tools.meter.weigh(calls_of(sitting.plan.recipe, phase))
        waiting = _still_to_do(sitting, phase, done, tools.meter)
        if not phase.stages:
            yield _merged((Outcome(ordinal, sample) for ordinal, sample in waiting), done)
            return
        executor = Executor(
            lambda: _open_stages(tools, phase),
            open_samples=max(1, min(rows, open_samples(sitting.plan.recipe, phase))),
            max_rejected=_max_rejected(sitting),
            gate=tools.gate,
            meter=tools.meter,
            tick=tools.tick,
        )
        with executor.stream(waiting) as outcomes:
            yield _merged(outcomes, done)


def write_stream(sitting: Sitting, phase: Phase, write: WriteBlock | None = None) -> None:
    """Run the phase's per-sample stages and write what they leave. Raises: StoppedError, RunError.

    Args: write takes a whole block to be written elsewhere.
    """
    writer = BlockWriter(sitting.streamed(phase), write, may_be_empty=sitting.share.of == 1)
    with stream_phase(sitting, phase) as outcomes, writer:
        for outcome in outcomes:
            writer.add(outcome)


def _merged(outcomes: Iterable[Outcome], done: deque[Outcome]) -> Iterator[Outcome]:
    """The outcomes, and what becomes `done` while the stream reads its input; a stop leaves that where it was read."""
    for outcome in outcomes:
        yield outcome
        while done:
            yield done.popleft()
    yield from done


def rows_into(sitting: Sitting, phase: Phase) -> int:
    """How many samples go into the phase, at most."""
    plan = sitting.plan
    return plan.input_rows if phase.number == 0 else sitting.result(plan.phases[phase.number - 1]).rows()


def _still_to_do(sitting: Sitting, phase: Phase, done: deque[Outcome], meter: Meter) -> Iterator[tuple[int, Sample]]:
    """The input less the blocks on disk; what is finished of an unfinished block goes to `done`.

    What failed calls have lost is not finished, be its block on disk or not: the endpoint may be well by now.
    """
    dataset = sitting.streamed(phase)
    partial: dict[int, tuple[Sample, Rejection | None]] = {}
    mine = written = False
    total = 0
    for ordinal, sample in enumerate(sitting.input_of(phase)):
        if ordinal % BLOCK == 0:
            mine = sitting.share.has(ordinal // BLOCK)
            written = mine and _is_final(dataset, ordinal // BLOCK)
            partial = {} if written or not mine else dataset.partial_outcomes(ordinal // BLOCK)
        if not mine:
            continue
        total += 1
        found, rejection = partial.get(sample.index, (None, None))
        if written:
            meter.kept()
        elif found is None or _lost_a_call(sample, found, rejection):
            yield ordinal, sample
        else:
            meter.kept()
            done.append(Outcome(ordinal, found, rejection))
    meter.total_known(total)


def _max_rejected(sitting: Sitting) -> float:
    # Whoever has a share sees too little of the run, which is judged as a whole at its end.
    return sitting.plan.recipe.limits.max_rejected if sitting.share.of == 1 else 1.0


def _is_final(dataset: Dataset, block: int) -> bool:
    if dataset.lost_calls(block):
        dataset.reopen(block)
    return dataset.has(block)


def _lost_a_call(before: Sample, after: Sample, rejection: Rejection | None) -> bool:
    """Whether a call of this phase failed on the way from `before` to `after`."""
    of_candidates = after.rejections[len(before.rejections) :]
    return any(lost is not None and lost.cause == "call" for lost in (rejection, *of_candidates))


@asynccontextmanager
async def _open_stages(tools: Tools, phase: Phase) -> AsyncGenerator[Sequence[Stage]]:
    async with tools.sitting.plan.connect(replace(phase, closing=None), tools.wiring) as connected:
        recipe = tools.sitting.plan.recipe
        losses = StageLosses(_max_rejected(tools.sitting), calls_of(recipe, phase))
        yield [Watched(stage, losses) for stage in connected.stages]


def close_phase(sitting: Sitting, phase: Phase) -> None:
    """Run the phase's whole-set stage over what the stream left, and write its dataset.

    Raises: StoppedError, RunError.
    """
    samples = sitting.streamed(phase).samples()
    with sitting.tools(None) as tools, sitting.result(phase).replacement() as writer:
        asyncio.run(_close(tools, phase, samples, writer))


async def _close(tools: Tools, phase: Phase, samples: Iterator[Sample], writer: BlockWriter) -> None:
    plan = tools.sitting.plan
    # Only the stage that runs here: a student of the stream's stages would be loaded once more for nothing.
    async with ticking(tools.tick), plan.connect(replace(phase, stages=()), tools.wiring) as connected:
        assert connected.closing is not None
        async for outcome in _run_whole_set(connected.closing, samples):
            writer.add(_marked(outcome) if plan.simulated else outcome)


def _marked(outcome: Outcome) -> Outcome:
    """As simulated: a sample that the stage made itself is not yet."""
    return replace(outcome, sample=outcome.sample.evolve(simulated=True)) if outcome.sample else outcome


async def _run_whole_set(stage: WholeSetStage, samples: Iterator[Sample]) -> AsyncIterator[Outcome]:
    """Outcomes in the stage's order; a rejected sample is kept as it stood."""
    under_way: dict[str, Sample] = {}

    def remembered() -> Iterator[Sample]:
        for sample in samples:
            under_way[sample.id] = sample
            yield sample

    ordinal = 0
    async for item in stage.run_all(remembered()):
        if isinstance(item, Rejection):
            yield Outcome(ordinal, under_way.pop(item.sample_id, None), item)
        elif isinstance(item, Dropped):
            under_way.pop(item.rejection.sample_id, None)
            yield Outcome(ordinal, item.sample, item.rejection)
        else:
            under_way.pop(item.id, None)
            yield Outcome(ordinal, item)
        ordinal += 1
