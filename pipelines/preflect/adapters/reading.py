"""The seed instructions of a run: surveyed before any call, then streamed as samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from preflect.adapters.input_columns import ColumnsSeen, columns_of
from preflect.adapters.input_fields import input_row
from preflect.adapters.input_row import BadRow, InputRow, RawRow
from preflect.adapters.input_sources import HubDataset, resolve
from preflect.adapters.row_files import RawRows, rows_of_file
from preflect.errors import DataError
from preflect.grading import validate_grader
from preflect.schemas import InputSpec, Instruction, Rejection, Response, Sample

_LISTED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSurvey:
    """What one pass over the input found, before any model is called."""

    rows: int
    """All rows, the bad ones too."""
    bad: tuple[BadRow, ...]
    """The first 20."""
    bad_count: int
    sha256: str
    """Of the file's bytes; of name, split and revision for a dataset of the Hub."""
    has_response: bool
    """True if any row brings a response."""
    columns: tuple[str, ...]
    """The file's own names for its columns."""
    notes: tuple[str, ...]
    """What is allowed in the input, and probably not meant."""

    def complaint(self, path: str) -> str:
        """The bad rows, one a line, with how many there are and what can be done."""
        listed = "\n".join(f"  {bad.line}" for bad in self.bad)
        more = f"\n  … and {self.bad_count - len(self.bad)} more" if self.bad_count > len(self.bad) else ""
        return (
            f"{path}: {self.bad_count} of {self.rows} rows cannot be used\n{listed}{more}\n"
            "Mend them, or leave them out with --skip-bad-rows, which keeps them in rejections.parquet."
        )


def read_rows(spec: InputSpec, base: Path | None = None) -> Iterator[InputRow | BadRow]:
    """Every row of the input, in its order and in constant memory, up to `spec.limit`.

    `base` is the recipe's folder, where a relative path is looked for after the current one.

    Raises: DataError: no such file, not what its extension says, empty, or without the columns that `spec` names (the
    last is known when all rows have been read); MissingPartError: the Hub cannot be reached.
    """
    return _rows(spec, base, ColumnsSeen(columns_of(spec)))


def raw_rows(spec: InputSpec, base: Path | None = None) -> RawRows:
    """The same rows with the columns that the file has; raises as `read_rows`."""
    return islice(_raw_rows(spec, base), spec.limit)


def read_samples(spec: InputSpec, base: Path | None = None) -> Iterator[Sample | Rejection]:
    """Every row as a sample, or as a rejection where it is bad or repeats an earlier one; raises as `read_rows`."""
    first_rows: dict[str, int] = {}
    file_name = _source_name(spec)
    for row in read_rows(spec, base):
        if isinstance(row, BadRow):
            yield Rejection(sample_id=row.row_id, stage="input", cause="input", reason=row.reason, detail=row.line)
            continue
        sample = _sample(row, spec, file_name, index=len(first_rows))
        first = first_rows.setdefault(sample.id, row.number)
        if first == row.number:
            yield sample
        else:
            yield sample.reject("input", "filter", "duplicate_row", f"row {row.number} repeats row {first}")


def survey(spec: InputSpec, base: Path | None = None) -> InputSurvey:
    """What one pass over the input finds; raises as `read_rows`."""
    seen = ColumnsSeen(columns_of(spec))
    bad: list[BadRow] = []
    bad_count = 0
    has_response = False
    for row in _rows(spec, base, seen):
        if isinstance(row, InputRow):
            has_response = has_response or row.response is not None
            continue
        bad_count += 1
        if bad_count <= _LISTED:
            bad.append(row)
    return InputSurvey(
        rows=seen.rows,
        bad=tuple(bad),
        bad_count=bad_count,
        sha256=_sha256(spec, base),
        has_response=has_response,
        columns=tuple(seen.names),
        notes=tuple(seen.notes(spec.path)),
    )


def _rows(spec: InputSpec, base: Path | None, seen: ColumnsSeen) -> Iterator[InputRow | BadRow]:
    complaint = validate_grader(spec.grader) if spec.grader else None
    if complaint:
        raise DataError(f"input.grader: {complaint}")
    for raw in raw_rows(spec, base):
        seen.note(raw.value if isinstance(raw, RawRow) else None)
        yield input_row(raw, seen.columns) if isinstance(raw, RawRow) else raw
    seen.check(spec.path)


def _raw_rows(spec: InputSpec, base: Path | None) -> RawRows:
    source = resolve(spec.path, base)
    if isinstance(source, Path):
        return rows_of_file(source)
    from preflect.adapters.hub_rows import rows_of_dataset  # noqa: PLC0415  # `datasets` takes a second to import

    return rows_of_dataset(source, spec.split)


def _sha256(spec: InputSpec, base: Path | None) -> str:
    source = resolve(spec.path, base)
    if isinstance(source, HubDataset):
        from preflect.adapters.hub_rows import dataset_sha256  # noqa: PLC0415  # `datasets` takes a second to import

        return dataset_sha256(source, spec.split)
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sample(row: InputRow, spec: InputSpec, file_name: str, index: int) -> Sample:
    instruction = Instruction(
        messages=row.messages,
        input=row.input,
        reference_answer=row.reference_answer,
        grader=row.grader or (spec.grader if row.reference_answer is not None else None),
    )
    responses = (Response(instruction_id=instruction.id, text=row.response, origin="dataset"),) if row.response else ()
    return Sample(
        id=instruction.id,
        index=index,
        source=row.source or file_name,
        source_id=row.source_id,
        instructions=(instruction,),
        responses=responses,
        metadata=row.metadata,
    )


def _source_name(spec: InputSpec) -> str:
    # The file's name alone: a path says more about somebody's machine than about the data.
    return spec.path if "://" in spec.path else Path(spec.path).name
