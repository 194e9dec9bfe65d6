"""A run's training datasets: every sample's rows, validated, split and written."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import orjson

from preflect.export.checks import Problem, RowChecker
from preflect.export.parquet import write_rows
from preflect.export.rows import Kind, Unfit, rows_of
from preflect.export.split import Split
from preflect.export.trl import columns_of, shapes_of, uses_tools
from preflect.files import written_together
from preflect.schemas import ExportCounts, ExportSpec, Row, Sample

_SIDES = ("train", "test")


def export_run(samples: Iterable[Sample], out: Path, spec: ExportSpec, seed: int) -> tuple[ExportCounts, ...]:
    """Write `{sft,dpo,rft}/{train,test}.parquet` and `refused.jsonl` below `out`, all of them or none.

    A side without rows has no file. The samples are read once and not kept; rows stay in their order. No instruction
    stands on both sides of the split. The same samples, options and seed give the same bytes.
    """
    out.mkdir(parents=True, exist_ok=True)
    refused = out / "refused.jsonl"
    targets = [out / kind / f"{side}.parquet" for kind in spec.kinds for side in _SIDES]
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as spool, written_together([refused, *targets]) as to:
        split = Split(spec.test_fraction, seed)
        with ExitStack() as files:
            refusals = files.enter_context(to[refused].open("wb"))
            kinds = [
                _OneKind(kind, files.enter_context((Path(spool) / kind).open("w+b")), refusals, spec)
                for kind in spec.kinds
            ]
            for sample in samples:
                key = split.add(sample)
                for kind in kinds:
                    kind.take(sample, key)
        return tuple(kind.write(Path(spool), out, to, split) for kind in kinds)


class _OneKind:
    """The rows of one kind on their way: kept on disk until all samples are in and the split is known."""

    def __init__(self, kind: Kind, spool: BinaryIO, refusals: BinaryIO, spec: ExportSpec) -> None:
        self._kind: Kind = kind
        self._spool = spool
        self._refusals = refusals
        self._checker = RowChecker(kind, max_prompt_chars=spec.max_prompt_chars)
        self._refused = Counter[str]()
        self._with_tools = False
        self._simulated = False

    def take(self, sample: Sample, key: str) -> None:
        """Keep each of the sample's rows, or the reason why it's refused."""
        for row in rows_of(sample, self._kind):
            if isinstance(row, Unfit):
                self._refuse(sample, Problem(row.reason, row.detail))
            else:
                self._keep(sample, key, row)

    def _keep(self, sample: Sample, key: str, row: Row) -> None:
        columns = columns_of(row)
        problem = self._checker.check(columns)
        if problem is not None:
            self._refuse(sample, problem)
            return
        self._with_tools |= uses_tools(columns)
        self._simulated |= row.simulated
        self._spool.write(orjson.dumps([key, columns]) + b"\n")

    def _refuse(self, sample: Sample, problem: Problem) -> None:
        self._refused[problem.reason] += 1
        line = {"sample_id": sample.id, "kind": self._kind, "reason": problem.reason, "detail": problem.detail}
        self._refusals.write(orjson.dumps(line) + b"\n")

    def write(self, spool: Path, out: Path, to: dict[Path, Path], split: Split) -> ExportCounts:
        """Write both sides; one without rows has no file, since `datasets` can't load a folder with an empty one."""
        shapes = shapes_of(self._kind, with_tools=self._with_tools)
        note = {"kind": self._kind, "format": "trl", "simulated": self._simulated}
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
                key, columns = orjson.loads(line)
                side = "test" if split.is_test(key) else "train"
                sides[side].write(orjson.dumps(columns) + b"\n")
                counts[side] += 1
        return counts

    def _side(self, spool: Path, side: str) -> Path:
        return spool / f"{self._kind}-{side}"
