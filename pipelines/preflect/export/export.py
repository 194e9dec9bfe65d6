"""A run's training datasets: every sample's rows, validated, split and written."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from preflect.export.checks import Fingerprint, Problem, Repeats
from preflect.export.intake import Intake, take
from preflect.export.parquet import write_rows
from preflect.export.rows import Kind
from preflect.export.split import Split
from preflect.export.trl import shapes_of
from preflect.files import written_together
from preflect.schemas import ExportCounts, ExportSpec, Sample

_SIDES: Final = ("train", "test")
_AT_ONCE: Final = 256


def export_run(samples: Iterable[Sample], out: Path, spec: ExportSpec, seed: int) -> tuple[ExportCounts, ...]:
    """As `write_export`, of samples that are read once and not kept."""
    return write_export(_taken(iter(samples), spec), out, spec, seed)


def _taken(samples: Iterator[Sample], spec: ExportSpec) -> Iterator[Intake]:
    while (intake := take(islice(samples, _AT_ONCE), spec)).samples:
        yield intake


def write_export(intakes: Iterable[Intake], out: Path, spec: ExportSpec, seed: int) -> tuple[ExportCounts, ...]:
    """Write `{sft,dpo,rft}/{train,test}.parquet` and `refused.jsonl` below `out`, all of them or none.

    A side without rows has no file. Rows stay in their order. No instruction stands on both sides of the split. The
    same samples, options and seed give the same bytes, however they were taken in.
    """
    out.mkdir(parents=True, exist_ok=True)
    refused = out / "refused.jsonl"
    targets = [out / kind / f"{side}.parquet" for kind in spec.kinds for side in _SIDES]
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as spool, written_together([refused, *targets]) as to:
        split = Split(spec.test_fraction, seed)
        with ExitStack() as files:
            refusals = files.enter_context(to[refused].open("wb"))
            kinds: dict[Kind, _OneKind] = {
                kind: _OneKind(kind, files.enter_context((Path(spool) / kind).open("w+b")), refusals)
                for kind in spec.kinds
            }
            for intake in intakes:
                _put(intake, kinds, split)
        return tuple(kind.write(Path(spool), out, to, split) for kind in kinds.values())


def _put(intake: Intake, kinds: Mapping[Kind, _OneKind], split: Split) -> None:
    lines = iter(intake.lines)
    for sample_id, keys, results in intake.samples:
        split.add(sample_id, keys)
        for kind, found in results:
            if isinstance(found, Problem):
                kinds[kind].refuse(sample_id, found)
            else:
                kinds[kind].keep(sample_id, found, next(lines))
    for kind in intake.with_tools:
        kinds[kind].with_tools = True
    for kind in intake.simulated:
        kinds[kind].simulated = True


class _OneKind:
    """The rows of one kind on their way: kept on disk until all samples are in and the split is known."""

    def __init__(self, kind: Kind, spool: BinaryIO, refusals: BinaryIO) -> None:
        self._kind: Kind = kind
        self._spool = spool
        self._refusals = refusals
        self._repeats = Repeats()
        self._refused = Counter[str]()
        self.with_tools = False
        self.simulated = False

    def keep(self, sample_id: str, row: Fingerprint, line: bytes) -> None:
        """Keep a row, unless an earlier one speaks against it."""
        if problem := self._repeats.check(row):
            self.refuse(sample_id, problem)
        else:
            self._spool.write(orjson.dumps(sample_id) + b"\t" + line + b"\n")

    def refuse(self, sample_id: str, problem: Problem) -> None:
        """Write down why there is no row."""
        self._refused[problem.reason] += 1
        line = {"sample_id": sample_id, "kind": self._kind, "reason": problem.reason, "detail": problem.detail}
        self._refusals.write(orjson.dumps(line) + b"\n")

    def write(self, spool: Path, out: Path, to: dict[Path, Path], split: Split) -> ExportCounts:
        """Write both sides; one without rows has no file, since `datasets` can't load a folder with an empty one."""
        shapes = shapes_of(self._kind, with_tools=self.with_tools)
        note = {"kind": self._kind, "format": "trl", "simulated": self.simulated}
        rows = self._divide(spool, split)
        for side in filter(rows.get, _SIDES):
            write_rows(to[out / self._kind / f"{side}.parquet"], self._side(spool, side), shapes, note)
        refused = dict(sorted(self._refused.items()))
        return ExportCounts(kind=self._kind, format="trl", train=rows["train"], test=rows["test"], refused=refused)

    def _divide(self, spool: Path, split: Split) -> Counter[str]:
        """Bring the rows into a file for each side; returns how many each has."""
        counts = Counter[str]()
        with ExitStack() as files:
            lines = files.enter_context((spool / self._kind).open("rb"))
            sides = {side: files.enter_context(self._side(spool, side).open("wb")) for side in _SIDES}
            for line in lines:
                sample_id, _, columns = line.partition(b"\t")
                side = "test" if split.is_test(orjson.loads(sample_id)) else "train"
                sides[side].write(columns)
                counts[side] += 1
        return counts

    def _side(self, spool: Path, side: str) -> Path:
        return spool / f"{self._kind}-{side}"
