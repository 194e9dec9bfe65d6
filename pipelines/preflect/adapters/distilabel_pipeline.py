"""The process that runs one phase as a distilabel pipeline: `python -m preflect.adapters.distilabel_pipeline`.

What distilabel 1.5.3 does to those who trust it, and what is done about each, is tested one by one in
`tests/contracts/test_distilabel_traps.py`. Annotations here are evaluated: distilabel looks for `StepInput` itself.
"""

import logging
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from queue import SimpleQueue
from typing import Any, Final

import datasets.config
import orjson
from distilabel.pipeline import Pipeline
from distilabel.steps.base import GeneratorStep, GlobalStep, Step, StepInput
from distilabel.typing import GeneratorStepOutput, StepColumns, StepOutput
from pydantic import PrivateAttr

from preflect.engine.executor import Outcome
from preflect.engine.live_files import LiveFiles, end_with_parent
from preflect.engine.lock import shared_use
from preflect.engine.phase_work import close_phase, write_stream
from preflect.engine.plan import Phase, Plan
from preflect.engine.run_folder import RunFolder
from preflect.engine.sitting import Sitting
from preflect.engine.waiting_blocks import WaitingBlocks
from preflect.errors import PreflectError, RunError, StoppedError
from preflect.interpreter import collecting_seldom

_LOG: Final = logging.getLogger(__name__)


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

    def tell(self, error: PreflectError | None) -> None:
        """Say how the phase ended; the first word stands."""
        self._files.tell(error)


@contextmanager
def telling(run_path: str) -> Generator[None]:
    """Tell and log whatever breaks in a step: distilabel would swallow it, or wait for ever for the step's rows."""
    try:
        yield
    except Exception as error:
        _log_unless_stopped(error)
        known = isinstance(error, PreflectError)
        told = error if known else RunError(f"a step of the distilabel pipeline broke: {type(error).__name__}: {error}")
        LiveFiles(RunFolder(Path(run_path)).live_path).tell(told)
        raise


class Stream(GeneratorStep):
    """The executor, yielding the blocks that are finished."""

    run_path: str
    phase_number: int
    entry: str
    _rows: SimpleQueue[dict[str, Any]] | None = PrivateAttr(None)

    @property
    def outputs(self) -> StepColumns:
        """A `block` with its number; at the end whether the set is `whole` or `broken`, and how many there were."""
        return ["says", "number"]

    def load(self) -> None:
        """Begins the work: distilabel asks for rows when all its steps are there, and looks for that every 2.5 s."""
        super().load()
        with telling(self.run_path):
            share = Share(self.run_path, self.phase_number, self.entry)
            self._rows = SimpleQueue()
            ThreadPoolExecutor(1).submit(self._work, share, self._rows)

    def _work(self, share: Share, rows: SimpleQueue[dict[str, Any]]) -> None:
        waiting, sent = WaitingBlocks(share.folder), 0

        def hand_over(block: int, outcomes: list[Outcome]) -> None:
            nonlocal sent
            waiting.put(block, outcomes)
            sent += 1
            rows.put({"says": "block", "number": block})

        end = "broken"
        try:
            with telling(self.run_path), shared_use(share.folder.live_path):
                write_stream(share.sitting, share.phase, hand_over)
            end = "whole"
        finally:
            rows.put({"says": end, "number": sent})

    def process(self, offset: int = 0) -> GeneratorStepOutput:  # noqa: ARG002  (distilabel's signature)
        """Blocks in order of completion, and the end."""
        assert self._rows is not None
        is_last = False
        while not is_last:
            row = self._rows.get()
            is_last = row["says"] != "block"
            yield [row], is_last


class Write(Step):
    """Writes blocks of the phase's dataset, in a thread: `Stream` is asked for the next when this step is back."""

    run_path: str
    phase_number: int
    entry: str
    _share: Share | None = PrivateAttr(None)
    _thread: ThreadPoolExecutor | None = PrivateAttr(None)
    _writing: list[Future[None]] = PrivateAttr(default_factory=list[Future[None]])

    @property
    def inputs(self) -> StepColumns:
        """What `Stream` gives."""
        return ["says", "number"]

    @property
    def outputs(self) -> StepColumns:
        """Whether all that was sent is on disk."""
        return ["is_whole"]

    def load(self) -> None:
        """Reads the plan."""
        super().load()
        with telling(self.run_path):
            self._share = Share(self.run_path, self.phase_number, self.entry)
            self._thread = ThreadPoolExecutor(1)

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yields once, since distilabel takes one yield a batch."""
        with telling(self.run_path):
            results = [{**row, "is_whole": self._take(row["says"], row["number"])} for row in inputs]
        yield results

    def _take(self, says: str, number: int) -> bool:
        assert self._share is not None
        assert self._thread is not None
        if says == "block":
            self._writing.append(self._thread.submit(self._write, self._share, number))
            return False
        for writing in self._writing:
            writing.result()
        return self._end(self._share, says, sent=number)

    def _write(self, share: Share, block: int) -> None:
        with telling(self.run_path), shared_use(share.folder.live_path):
            WaitingBlocks(share.folder).write(block, share.sitting.streamed(share.phase))

    def _end(self, share: Share, says: str, sent: int) -> bool:
        """Tell how it ended; where a step has told of a failure, that stands."""
        received = len(self._writing)
        if says == "whole" and received == sent:
            if share.phase.closing is None:
                share.tell(None)
            return True
        lost = f"distilabel lost blocks: {sent} were sent, {received} arrived"
        share.tell(RunError(lost if says == "whole" else "the samples of a phase broke off"))
        return False


class Close(GlobalStep):
    """The phase's whole-set stage, over what `Write` wrote."""

    run_path: str
    phase_number: int
    entry: str

    @property
    def inputs(self) -> StepColumns:
        """Only a sign that all is written: the samples themselves are on disk."""
        return ["is_whole"]

    @property
    def outputs(self) -> StepColumns:
        """A sign that all is closed."""
        return ["closed"]

    def process(self, inputs: StepInput) -> StepOutput:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yields once, when the dataset is on disk."""
        with telling(self.run_path):
            share = Share(self.run_path, self.phase_number, self.entry)
            with shared_use(share.folder.live_path):
                # Of a batch that failed distilabel makes Nones.
                is_whole = any(row["is_whole"] is True for row in inputs)
                share.tell(_close(share) if is_whole else RunError("not all samples of a phase were written"))
        yield [{**row, "closed": True} for row in inputs]


def _close(share: Share) -> PreflectError | None:
    try:
        close_phase(share.sitting, share.phase)
    except PreflectError as error:
        _log_unless_stopped(error)
        return error
    return None


def _log_unless_stopped(error: Exception) -> None:
    if not isinstance(error, StoppedError):
        _LOG.error("the phase failed", exc_info=error)


class Uncached(Pipeline):
    """A pipeline that writes nothing down for its resume, which hangs or returns stale rows: it takes 20 ms a batch."""

    def _cache(self) -> None:
        pass

    def _register_batch(self, batch: Any) -> None:
        assert self._batch_manager is not None
        self._batch_manager.register_batch(batch)  # pyright: ignore[reportUnknownMemberType] - its path has no type


def pipeline_of(run_path: str, phase_number: int, entry: str, cache: str) -> Pipeline:
    """The phase as a pipeline, which keeps its files under `cache`."""
    share: dict[str, Any] = {"run_path": run_path, "phase_number": phase_number, "entry": entry}
    closes = resolve_name(entry)(run_path).phases[phase_number].closing is not None
    with Uncached(name=f"phase-{phase_number}", cache_dir=cache) as pipeline:
        last: Step = Write(name="write", input_batch_size=1, **share)
        Stream(name="stream", batch_size=1, **share).connect(last)
        if closes:
            last.connect(Close(name="close", **share))
    return pipeline


def run_phase(run_path: str, phase_number: int, entry: str) -> None:
    """Run the phase's pipeline."""
    with tempfile.TemporaryDirectory(prefix="distilabel-", dir=RunFolder(Path(run_path)).live_path) as cache:
        # Its resume hangs or returns stale rows: nothing it caches outlives this block, nor the copy of its last
        # step's rows that it would leave in the user's Hugging Face cache.
        datasets.config.HF_DATASETS_CACHE = Path(cache)
        pipeline = pipeline_of(run_path, phase_number, entry, cache)
        LiveFiles(RunFolder(Path(run_path)).live_path).announce()
        pipeline.run(use_cache=False)


def main(arguments: Sequence[str]) -> None:
    """Run path, phase number and the plan's entry, as `DistilabelRunner` gives them."""
    sys.excepthook = sys.__excepthook__  # distilabel brings one that prints every local variable, keys included
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else a line for every request
    threading.Thread(target=end_with_parent, daemon=True).start()
    run_path, phase_number, entry = arguments
    with collecting_seldom():  # its steps' processes are copies of this one
        run_phase(run_path, int(phase_number), entry)


if __name__ == "__main__":
    main(sys.argv[1:])
