"""A phase's dataset on disk: blocks of samples in the order of the input, each whole or absent.

Samples finish in any order; a block is written when all its samples are through, so that files need no sorting and
the same samples give the same bytes. A block whose file exists is done, whatever died since.

What reads and writes the files is imported when it's needed: polars would be a fifth of all that a run does before its
first call.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from preflect.engine.executor import Outcome
from preflect.errors import PreflectError
from preflect.schemas import Rejection, Sample

BLOCK: Final = 256
"""Samples in a block."""


def parts_in(folder: Path) -> list[Path]:
    """The files of whole blocks, in the order of the input."""
    return sorted(folder.glob("part-*.parquet"))


def blocks_in(folder: Path) -> Iterator[tuple[Path, Iterator[Sample]]]:
    """Each of them with its samples, which are read when they are asked for."""
    from preflect.engine.storage import read_samples  # noqa: PLC0415  # polars

    for part in parts_in(folder):
        yield part, read_samples([part])


class Dataset:
    """Finished samples in `folder`, rejected ones beside it in `rejected`, as `part-00000.parquet` and so on.

    Args: on_block is given the name and the finished samples of each whole block before it is written.
    """

    def __init__(
        self, folder: Path, rejected: Path, on_block: Callable[[str, Sequence[Sample]], None] | None = None
    ) -> None:
        self.folder = folder
        self.rejected = rejected
        self._on_block = on_block

    def create(self) -> None:
        """Make the folders."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rejected.mkdir(parents=True, exist_ok=True)

    def has(self, block: int) -> bool:
        """Whether the block is done."""
        return self._stands(self._part(block))

    def _stands(self, part: Path) -> bool:
        return part.exists() and (self.rejected / part.name).exists()

    def rows(self) -> int:
        """How many finished samples there are."""
        from preflect.engine.storage import count_rows  # noqa: PLC0415  # polars

        return count_rows(parts_in(self.folder))

    def lost_calls(self, block: int) -> bool:
        """Whether failed calls have cost a finished block samples or candidates."""
        part = self._part(block)
        if not self._stands(part):
            return False
        from preflect.engine.storage import causes_of_loss  # noqa: PLC0415  # polars

        return "call" in causes_of_loss([part], self.rejected / part.name)

    def reopen(self, block: int) -> None:
        """Take a finished block for an unfinished one, of which all is kept that it holds."""
        part, partial = self._part(block), self._part(block, ".partial")
        # Were this process killed in between, neither would stand: then the journal has all the calls.
        part.replace(partial)
        (self.rejected / part.name).replace(self.rejected / partial.name)

    def write(self, block: int, outcomes: Iterable[Outcome]) -> None:
        """Write a whole block; the samples' file comes last, since it says that the block is done."""
        # What was kept of it goes first: were this process killed in between, its samples would stand there twice.
        partial = self._part(block, ".partial")
        for part in (partial, self.rejected / partial.name):
            part.unlink(missing_ok=True)
        self._write(block, outcomes, "")

    def write_partial(self, block: int, outcomes: Iterable[Outcome]) -> None:
        """Keep what is finished of a block when the run stops early, with what earlier sittings finished of it."""
        finished = self.partial_outcomes(block) | {
            o.sample.index: (o.sample, o.rejection) for o in outcomes if o.sample
        }
        self._write(block, [Outcome(index, *found) for index, found in finished.items()], ".partial")

    def _write(self, block: int, outcomes: Iterable[Outcome], suffix: str) -> None:
        from preflect.engine.storage import write_rejections, write_samples  # noqa: PLC0415  # polars

        ordered = sorted(outcomes, key=lambda outcome: outcome.ordinal)
        lost = [(o.rejection, o.sample) for o in ordered if o.rejection]
        write_rejections(self.rejected / self._part(block, suffix).name, lost)
        finished = [o.sample for o in ordered if o.sample and not o.rejection]
        if self._on_block and not suffix:
            self._on_block(self._part(block).stem, finished)
        write_samples(self._part(block, suffix), finished)

    def _part(self, block: int, suffix: str = "") -> Path:
        return self.folder / f"part-{block:05d}{suffix}.parquet"

    def partial_outcomes(self, block: int) -> dict[int, tuple[Sample, Rejection | None]]:
        """What an earlier sitting finished of an unfinished block, by the sample's index."""
        part = self._part(block, ".partial")
        if not self._stands(part):
            return {}
        from preflect.engine.storage import read_rejections, read_samples  # noqa: PLC0415  # polars

        done: dict[int, tuple[Sample, Rejection | None]] = {s.index: (s, None) for s in read_samples([part])}
        for rejection, sample in read_rejections(self.rejected / part.name):
            if sample:
                done[sample.index] = (sample, rejection)
        return done

    def samples(self) -> Iterator[Sample]:
        """All finished samples in the order of the input."""
        from preflect.engine.storage import read_samples  # noqa: PLC0415  # polars

        return read_samples(parts_in(self.folder))

    def rejections(self) -> Iterator[tuple[Rejection, Sample | None]]:
        """All rejected samples in the order of the input, each as it stood."""
        from preflect.engine.storage import read_rejections  # noqa: PLC0415  # polars

        for part in parts_in(self.folder):
            yield from read_rejections(self.rejected / part.name)

    @contextmanager
    def replacement(self) -> Generator[BlockWriter]:
        """A writer of the whole dataset anew; all of it is there when the block ends, or none."""
        fresh = Dataset(_beside(self.folder), _beside(self.rejected), self._on_block)
        try:
            fresh.create()
            writer = BlockWriter(fresh)
            yield writer
            writer.finish()
            # The samples come last: they say that the dataset is there.
            for written, place in ((fresh.rejected, self.rejected), (fresh.folder, self.folder)):
                shutil.rmtree(place, ignore_errors=True)
                written.replace(place)
        finally:
            for left in (fresh.folder, fresh.rejected):
                shutil.rmtree(left, ignore_errors=True)


def _beside(folder: Path) -> Path:
    fresh = folder.with_name(folder.name + ".tmp")
    # What a killed process left of it.
    shutil.rmtree(fresh, ignore_errors=True)
    return fresh


WriteBlock = Callable[[int, list[Outcome]], None]
"""Writes a whole block, given its number."""


class BlockWriter:
    """Collects outcomes into blocks; leaving the `with` block early keeps unfinished blocks as partial ones.

    Args: write writes the whole ones, by default the dataset itself; may_be_empty is False for one of several writers,
    of whom each has blocks of its own.
    """

    def __init__(self, dataset: Dataset, write: WriteBlock | None = None, *, may_be_empty: bool = True) -> None:
        self._dataset = dataset
        self._write = write or dataset.write
        self._may_be_empty = may_be_empty
        self._open: dict[int, list[Outcome]] = {}
        self.written = 0

    def add(self, outcome: Outcome) -> None:
        """Take one outcome; the last one of a block writes it."""
        block = outcome.ordinal // BLOCK
        waiting = self._open.setdefault(block, [])
        waiting.append(outcome)
        if len(waiting) == BLOCK:
            self._write(block, self._open.pop(block))
            self.written += BLOCK

    def finish(self) -> None:
        """All outcomes have come: the open block is the last one, and whole. An empty set is one empty block."""
        if self._may_be_empty and not self._open and not self.written and not self._dataset.has(0):
            self._open[0] = []
        for block, outcomes in self._open.items():
            self._write(block, outcomes)
            self.written += len(outcomes)
        self._open = {}

    def stop(self) -> None:
        """The run stops early: keep what is there."""
        for block, outcomes in self._open.items():
            self._dataset.write_partial(block, outcomes)
        self._open = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
            return
        # On a full disk this fails as well, and the first failure is the one to tell of; the journal has the calls.
        with suppress(OSError, PreflectError):
            self.stop()
