"""Validates any dataset on disk."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from preflect.errors import DataError
from preflect.export.checks import Problem, RowChecker, RowKind
from preflect.export.parquet import parquet_rows
from preflect.export.trl import RESERVED

CheckFormat = Literal["trl-sft", "trl-dpo", "trl-rft", "trl-kto"]

_KINDS: Final[dict[str, RowKind]] = {"trl-sft": "sft", "trl-dpo": "dpo", "trl-rft": "rft", "trl-kto": "kto"}

_SIDE: Final = re.compile(r"(train|test|validation|valid|val|dev|eval)(?![^\W_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that must not be trained on."""

    file: str
    row: int
    """From 1, as lines are counted."""
    id: str | None
    """The row's `id` or `sample_id`, where it has one."""
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a dataset's check found."""

    rows: int
    bad: tuple[BadRow, ...] = ()
    reserved_columns: tuple[str, ...] = ()
    """Columns whose names a trainer would take for its own."""

    @property
    def reasons(self) -> dict[str, int]:
        """Bad rows by reason."""
        return dict(Counter(row.reason for row in self.bad))

    @property
    def is_good(self) -> bool:
        """Whether everything may be trained on."""
        return not self.bad and not self.reserved_columns


def check_file(path: Path, format: str, *, max_prompt_chars: int | None = None) -> CheckResult:  # noqa: A002 - the option's own name
    """Check each row of a Parquet or JSONL file, or of all such files below a folder (see `check_files`).

    Raises: DataError when there is no such file, it can't be read, or the format is unknown.
    """
    return check_files(_files(path), format, max_prompt_chars=max_prompt_chars)


def check_files(files: Sequence[Path], format: str, *, max_prompt_chars: int | None = None) -> CheckResult:  # noqa: A002
    """Check the files of one dataset, one row at a time: no row twice, no prompt in files of two sides of a split.

    Files named `train…`, `test…`, `validation…` (`valid`, `val`, `dev`, `eval`) are the sides.
    Raises: DataError when a file can't be read, or the format is unknown.
    """
    if format not in _KINDS:
        raise DataError(f"unknown format {format!r}; known are {', '.join(get_args(CheckFormat))}")
    tally = _Tally(RowChecker(_KINDS[format], max_prompt_chars=max_prompt_chars))
    for file in files:
        side = _SIDE.match(file.stem)
        for number, row in enumerate(_rows(file), start=1):
            tally.add(str(file), number, row, side[1].lower() if side else None)
    return CheckResult(tally.rows, tuple(tally.bad), tuple(sorted(tally.columns & RESERVED)))


@dataclass(slots=True)
class _Tally:
    checker: RowChecker
    rows: int = 0
    bad: list[BadRow] = field(default_factory=list[BadRow])
    columns: set[str] = field(default_factory=set[str])

    def add(self, file: str, number: int, row: dict[str, Any] | Problem, side: str | None) -> None:
        self.rows += 1
        problem = row if isinstance(row, Problem) else self.checker.check(row, side)
        fields: dict[str, Any] = {} if isinstance(row, Problem) else row
        self.columns.update(fields)
        if problem is not None:
            row_id = fields.get("id", fields.get("sample_id"))
            shown = None if row_id is None else str(row_id)
            self.bad.append(BadRow(file, number, shown, problem.reason, problem.detail))


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise DataError(f"{path} does not exist")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in {".parquet", ".jsonl"})
    if not files:
        raise DataError(f"{path} holds no .parquet or .jsonl file")
    return files


def _rows(path: Path) -> Iterator[dict[str, Any] | Problem]:
    match path.suffix:
        case ".parquet":
            return parquet_rows(path)
        case ".jsonl":
            return _jsonl_rows(path)
        case other:
            raise DataError(
                f"{path}: {other or 'no suffix'} is not a format to check; right would be .parquet or .jsonl"
            )


def _jsonl_rows(path: Path) -> Iterator[dict[str, Any] | Problem]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from (_json_row(line) for line in lines)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error


def _json_row(line: str) -> dict[str, Any] | Problem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Problem("not_json", str(error))
    if isinstance(row, dict):
        return cast("dict[str, Any]", row)
    return Problem("not_an_object", f"the line holds {type(row).__name__}")
