"""`preflect check`: whether a dataset may be trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from preflect.cli.output import AsJson, print_result
from preflect.errors import DataError, InputError

if TYPE_CHECKING:
    from preflect.export import CheckResult

_BY_COLUMN: Final = {"messages": "trl-sft", "chosen": "trl-dpo", "label": "trl-kto", "prompt": "trl-rft"}
"""What tells the rows of each format, the more telling column first."""
_WRONG_INPUT: Final = 2


def check(
    path: Annotated[Path, typer.Argument(help="A .parquet or .jsonl file, or a folder of them.")],
    format_: Annotated[
        str, typer.Option("--format", help="trl-sft, trl-dpo, trl-rft or trl-kto; trl: by the columns of each file.")
    ] = "trl",
    max_prompt_chars: Annotated[
        int | None, typer.Option(min=1, help="A longer prompt is bad: trainers drop it; default as in exports: 32768.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Validate any dataset: each bad row with id and reason."""
    from preflect.export import check_file, check_files
    from preflect.schemas import ExportSpec

    most = max_prompt_chars or ExportSpec().max_prompt_chars
    if format_ == "trl":
        datasets = _by_folder_and_format(path).items()
        results = [check_files(files, name, max_prompt_chars=most) for (_, name), files in datasets]
    else:
        results = [check_file(path, format_, max_prompt_chars=most)]
    print_result(_document(results), "\n".join(_lines(results)), as_json=as_json)
    if not all(result.is_good for result in results):
        raise typer.Exit(_WRONG_INPUT)


def _by_folder_and_format(path: Path) -> dict[tuple[Path, str], list[Path]]:
    """The files of each dataset: those of one folder whose columns are alike."""
    datasets: dict[tuple[Path, str], list[Path]] = {}
    for file in _files(path):
        datasets.setdefault((file.parent, _format_of(file)), []).append(file)
    return datasets


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if _is_dataset(p))
    if not files:
        raise DataError(f"{path} is neither a file nor a folder with .parquet or .jsonl files")
    return files


def _is_dataset(path: Path) -> bool:
    # A run keeps the rows that its export refused beside the rows it wrote.
    return path.suffix in {".parquet", ".jsonl"} and path.name != "refused.jsonl"


def _format_of(file: Path) -> str:
    """The format that the columns of a file say. Raises: InputError when they say none."""
    columns = _columns(file)
    found = next((name for column, name in _BY_COLUMN.items() if column in columns), None)
    if found is None:
        raise InputError(
            f"{file}: the columns {', '.join(columns) or '(none)'} tell no format; name it with --format trl-sft, "
            "trl-dpo, trl-rft or trl-kto"
        )
    return found


def _columns(file: Path) -> Sequence[str]:
    if file.suffix == ".jsonl":
        with file.open(encoding="utf-8", errors="replace") as lines:
            first = next((line for line in lines if line.strip()), "")
        try:
            row: Any = json.loads(first)
        except json.JSONDecodeError:
            return ()
        return [*cast("dict[str, Any]", row)] if isinstance(row, dict) else ()
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        return [*pl.read_parquet_schema(file)]
    except PolarsError as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from error


def _document(results: Sequence[CheckResult]) -> dict[str, Any]:
    return {
        "good": all(result.is_good for result in results),
        "rows": sum(result.rows for result in results),
        "bad": [asdict(row) for result in results for row in result.bad],
        "reserved_columns": sorted({column for result in results for column in result.reserved_columns}),
    }


def _lines(results: Sequence[CheckResult]) -> Iterator[str]:
    document = _document(results)
    for row in document["bad"]:
        named = f" ({row['id']})" if row["id"] else ""
        yield f"{row['file']}:{row['row']}{named}: {row['reason']}: {row['detail']}".rstrip(": ")
    if reserved := ", ".join(document["reserved_columns"]):
        yield f"reserved columns, which a trainer takes for its own: {reserved}; rename them"
    yield f"{document['rows']:,} rows, {len(document['bad']):,} bad"
