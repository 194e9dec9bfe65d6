"""The process that runs one phase as a distilabel pipeline: `python -m preflect.adapters.distilabel_pipeline`.

What distilabel 1.5.3 does to those who trust it, and what is done about each, is tested one by one in
`tests/contracts/test_distilabel_traps.py`. Annotations here are evaluated: distilabel looks for `StepInput` itself.
"""

import logging
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

import datasets.config
import orjson
from distilabel.pipeline import Pipeline
from distilabel.steps.base import GeneratorStep, GlobalStep, Step, StepInput
from distilabel.typing import GeneratorStepOutput, StepColumns, StepOutput
from pydantic import PrivateAttr

from preflect.adapters.distilabel_rows import Counted, read_row, row_of
from preflect.engine.dataset import BlockWriter
from preflect.engine.executor import Outcome
from preflect.engine.live_files import LiveFiles, end_with_parent
from preflect.engine.lock import shared_use
from preflect.engine.phase_work import close_phase, stream_phase
from preflect.engine.plan import Phase, Plan
from preflect.engine.run_folder import RunFolder
from preflect.engine.sitting import Sitting
from preflect.errors import PreflectError, RunError, StoppedError

_LOG: Final = logging.getLogger(__name__)

BATCH: Final = 256
"""Rows handed on at a time: a batch costs distilabel some 20 ms, however small it is."""


class Share:
    """One process's part in a phase: the sitting as seen from there, and how it tells what became of it."""

    def __init__(self, run_path: str, phase_number: int, entry: str) -> None:
        self.folder = RunFolder(Path(run_path))
        self._files = LiveFiles(self.folder.live_path)
        self._files.announce()
        plan: Plan = resolve_name(entry)(run_path)
        self.sitting = Sitting(
            plan=plan,
            folder=self.folder,
            endpoints=orjson.loads(self._files.endpoints.read_bytes()),
            stop_requested=self._files.stop.exists,
            publish=self._files.publish,
        )
        self.phase: Phase = plan.phases[phase_number]

    @property
    def failed(self) -> bool:
        """Whether some step of the phase has told of a failure."""
        return self._files.outcome.exists()

    def tell(self, error: PreflectError | None) -> None:
        """Say how the phase ended; the first word stands."""
        self._files.tell(error)


@contextmanager
def telling(run_path: str) -> Generator[None]:
    """Tell of whatever breaks in a step: distilabel would swallow it, or wait for ever for the step's rows."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, PreflectError)
        told = error if known else RunError(f"a step of the distilabel pipeline broke: {type(error).__name__}: {error}")
        LiveFiles(RunFolder(Path(run_path)).live_path).tell(told)
        raise


class Stream(GeneratorStep):
    """The executor, yielding what is finished."""

    run_path: str
    phase_number: int
    entry: str
    _rows: Iterator[dict[str, Any]] = PrivateAttr(default_factory=lambda: iter(()))

    @property
    def outputs(self) -> StepColumns:
        """One JSON column: a wide row with a None in its first batch breaks distilabel's write buffer."""
        return ["row"]

    def load(self) -> None:
        """Begins the work: distilabel asks for rows when all its steps are there, and looks for that every 2.5 s."""
        super().load()
        with telling(self.run_path):
            self._rows = _begin(Share(self.run_path, self.phase_number, self.entry))

    def process(self, offset: int = 0) -> GeneratorStepOutput:  # noqa: ARG002  (distilabel's signature)
        """Rows in order of completion, then one that says how many there were and whether that is all."""
        with telling(self.run_path):
            while batch := list(islice(self._rows, BATCH)):
                yield batch, False
            yield [], True


def _begin(share: Share) -> Iterator[dict[str, Any]]:
    """Start the phase's calls; its rows as they finish."""
    with ExitStack() as work:
        work.enter_context(shared_use(share.folder.live_path))
        outcomes = work.enter_context(stream_phase(share.sitting, share.phase))
        return _rows(share, outcomes, work.pop_all())


def _rows(share: Share, outcomes: Iterator[Outcome], work: ExitStack) -> Iterator[dict[str, Any]]:
    sent = 0
    try:
        with work:
            for outcome in outcomes:
                sent += 1
                yield row_of(outcome)
    except PreflectError as error:
        _log_unless_stopped(error)
        share.tell(error)
        yield row_of(Counted(sent, complete=False))
    else:
        yield row_of(Counted(sent, complete=True))


class Write(Step):
    """Writes rows as blocks of the phase's dataset."""

    run_path: str
    phase_number: int
    entry: str
    _share: Share | None = PrivateAttr(None)
    _writer: BlockWriter | None = PrivateAttr(None)
    _received: int = PrivateAttr(0)

    @property
    def inputs(self) -> StepColumns:
        """What `Stream` gives."""
        return ["row"]

    @property
    def outputs(self) -> StepColumns:
        """How many rows have come so far."""
        return ["received"]

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yields once, since distilabel takes one yield a batch."""
        with telling(self.run_path):
            self._take(inputs)
        yield [{"row": "", "received": self._received} for _ in inputs]

    def _take(self, rows: Sequence[dict[str, Any]]) -> None:
        self._share = self._share or Share(self.run_path, self.phase_number, self.entry)
        self._writer = self._writer or BlockWriter(self._share.sitting.streamed(self._share.phase))
        for row in rows:
            item = read_row(row)
            if isinstance(item, Counted):
                self._end(self._share, self._writer, item)
            else:
                self._received += 1
                self._writer.add(item)

    def _end(self, share: Share, writer: BlockWriter, sent: Counted) -> None:
        if not sent.complete or self._received != sent.rows:
            writer.stop()
            share.tell(RunError(f"distilabel lost rows: {sent.rows} were sent, {self._received} arrived"))
            return
        writer.finish()
        if share.phase.closing is None:
            share.tell(None)


class Close(GlobalStep):
    """The phase's whole-set stage, over what `Write` wrote."""

    run_path: str
    phase_number: int
    entry: str

    @property
    def inputs(self) -> StepColumns:
        """Only a sign that all is written: the samples themselves are on disk."""
        return ["received"]

    @property
    def outputs(self) -> StepColumns:
        """A sign that all is closed."""
        return ["closed"]

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yields once, when the dataset is on disk."""
        with telling(self.run_path):
            share = Share(self.run_path, self.phase_number, self.entry)
            if not share.failed:
                with shared_use(share.folder.live_path):
                    share.tell(_close(share))
        yield [{**row, "closed": True} for row in inputs]


def _close(share: Share) -> PreflectError | None:
    try:
        close_phase(share.sitting, share.phase)
    except PreflectError as error:
        _log_unless_stopped(error)
        return error
    return None


def _log_unless_stopped(error: PreflectError) -> None:
    if not isinstance(error, StoppedError):
        _LOG.error("the phase failed", exc_info=error)


def pipeline_of(run_path: str, phase_number: int, entry: str, cache: str) -> Pipeline:
    """The phase as a pipeline, which keeps its files under `cache`."""
    share: dict[str, Any] = {"run_path": run_path, "phase_number": phase_number, "entry": entry}
    closes = resolve_name(entry)(run_path).phases[phase_number].closing is not None
    with Pipeline(name=f"phase-{phase_number}", cache_dir=cache) as pipeline:
        last: Step = Write(name="write", input_batch_size=BATCH, **share)
        Stream(name="stream", batch_size=BATCH, **share).connect(last)
        if closes:
            last.connect(Close(name="close", **share))
    return pipeline


def run_phase(run_path: str, phase_number: int, entry: str) -> None:
    """Run the phase's pipeline."""
    with tempfile.TemporaryDirectory(prefix="distilabel-", dir=RunFolder(Path(run_path)).live_path) as cache:
        # Its resume hangs or returns stale rows: nothing it caches outlives this block, nor the copy of its last
        # step's rows that it would leave in the user's Hugging Face cache.
        datasets.config.HF_DATASETS_CACHE = Path(cache)
        pipeline_of(run_path, phase_number, entry, cache).run(use_cache=False)


def main(arguments: Sequence[str]) -> None:
    """Run path, phase number and the plan's entry, as `DistilabelRunner` gives them."""
    sys.excepthook = sys.__excepthook__  # distilabel brings one that prints every local variable, keys included
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else a line for every request
    threading.Thread(target=end_with_parent, daemon=True).start()
    run_path, phase_number, entry = arguments
    run_phase(run_path, int(phase_number), entry)


if __name__ == "__main__":
    main(sys.argv[1:])
