"""Raw rows of .jsonl, .json, .csv and .parquet files, streamed; a file that is not what its name says is refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, cast

import orjson

from preflect.adapters.input_row import BadRow, RawRow
from preflect.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

RawRows = Iterator[RawRow | BadRow]

_MAX_JSON_BYTES: Final = 256 * 2**20
_MAX_CSV_FIELD: Final = 16 * 2**20
_PARQUET_BATCH: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"
_PARQUET_MAGIC: Final = b"PAR1"
_FOREIGN: Final = {
    _PARQUET_MAGIC: "a Parquet file: name it .parquet",
    b"\x1f\x8b": "gzip-compressed: unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "zstd-compressed: unpack it with unzstd",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet: unpack it, or export it as CSV",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"version https://git-lfs": "a Git LFS pointer, not the data: fetch the data with git lfs pull",
}


def rows_of_file(path: Path) -> RawRows:
    """Each row with its number; one that cannot be parsed is a bad row and the rest goes on.

    Raises: DataError: the file is empty, unreadable, or not what its extension says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: preflect reads {', '.join(_READERS)}, not {path.suffix or 'files without extension'}")
    try:
        _check_head(path)
        yield from reader(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _check_head(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4096)
    is_parquet = head.startswith(_PARQUET_MAGIC)
    if not head.removeprefix(_BOM).strip():
        raise DataError(f"{path}: the file is empty; it should hold one row per instruction")
    if path.suffix.lower() == ".parquet":
        if not is_parquet:
            raise DataError(f"{path}: not a Parquet file (it starts with {head[:8]!r}); {_what_it_may_be(head)}")
        return
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{path}: not a {path.suffix} file but {what}")
    if b"\x00" in head:
        raise DataError(f"{path}: not a {path.suffix} file but binary data (it starts with {head[:8]!r})")


def _what_it_may_be(head: bytes) -> str:
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            return f"it is {what}"
    first = head.removeprefix(_BOM).lstrip()[:1]
    named = {b"{": "it looks like JSON Lines: name it .jsonl", b"[": "it looks like a JSON array: name it .json"}
    return named.get(first, "write it again, or name it after what it is")


def _jsonl_rows(path: Path) -> RawRows:
    first = True
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            text = _decoded(line, path, number).strip()
            if not text:
                continue
            if first:
                _check_first_line(text, path)
                first = False
            yield _parsed_line(text, number)


def _parsed_line(text: str, number: int) -> RawRow | BadRow:
    try:
        return RawRow(number, orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return RawRow(number, text).refused(
            "bad_json", f"not valid JSON at column {error.colno}: {error.msg}; mend the line"
        )


def _check_first_line(text: str, path: Path) -> None:
    if text.startswith("["):
        raise DataError(f"{path}: holds a JSON array, not one object per line; name it .json")
    if text == "{":
        raise DataError(f"{path}: holds one object over several lines; write each object on a line of its own")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: {_not_utf8(error)}") from error


def _not_utf8(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8, or convert it with iconv -f latin1 -t utf-8"


def _json_rows(path: Path) -> RawRows:
    size = path.stat().st_size
    if size > _MAX_JSON_BYTES:
        raise DataError(
            f"{path}: {size >> 20} MiB, and a .json is read whole, so {_MAX_JSON_BYTES >> 20} MiB are allowed; "
            f"make it streamable with: jq -c '.[]' {path.name} > {path.stem}.jsonl"
        )
    values: object = _whole_json(path)
    if not isinstance(values, list):
        raise DataError(f"{path}: holds no JSON array of rows; with one object per line it should be named .jsonl")
    for number, value in enumerate(cast("list[object]", values), start=1):
        yield RawRow(number, value)


def _whole_json(path: Path) -> object:
    content = path.read_bytes().removeprefix(_BOM)
    try:
        return orjson.loads(content.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {_not_utf8(error)}") from error
    except orjson.JSONDecodeError as error:
        jsonl = "; with one object per line it should be named .jsonl" if content.lstrip()[:1] == b"{" else ""
        raise DataError(f"{path}:{error.lineno}: not valid JSON at column {error.colno}: {error.msg}{jsonl}") from error


def _csv_rows(path: Path) -> RawRows:
    # The library's own limit of 128 KiB a field is too small for documents; without one, an open quote eats the file.
    csv.field_size_limit(_MAX_CSV_FIELD)
    header: list[str] = []
    number = 0
    with path.open(encoding="utf-8-sig", newline="") as text:
        try:
            for number, record in enumerate(_records(csv.reader(text, strict=True)), start=1):
                if number == 1:
                    header = _csv_header(record, path)
                elif record:
                    yield _csv_row(record, header, number)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: after row {number}: {_not_utf8(error)}") from error


def _records(reader: Iterator[list[str]]) -> Iterator[list[str] | csv.Error]:
    """What the reader says, record by record; it goes on behind a record that it cannot parse."""
    while True:
        try:
            yield next(reader)
        except csv.Error as error:
            yield error
        except StopIteration:
            return


def _csv_row(record: list[str] | csv.Error, header: list[str], number: int) -> RawRow | BadRow:
    if isinstance(record, csv.Error):
        return RawRow(number, str(record)).refused("bad_csv", f"not valid CSV: {record}; double each quote in a field")
    if len(record) != len(header):
        remedy = f"has {len(record)} fields, the header {len(header)}; quote fields that hold a comma or a line break"
        return RawRow(number, record).refused("wrong_field_count", remedy)
    return RawRow(number, dict(zip(header, record, strict=True)))


def _csv_header(names: list[str] | csv.Error, path: Path) -> list[str]:
    if isinstance(names, csv.Error):
        raise DataError(f"{path}:1: the header is not valid CSV: {names}; double each quote in a name")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path}:1: the header names {', '.join(map(repr, twice))} twice; give each column its own name"
        )
    other = re.search(r"[;\t|]", names[0]) if len(names) == 1 else None
    if other:
        raise DataError(f"{path}:1: the columns are separated by {other[0]!r}; separate them by commas")
    return names


def _parquet_rows(path: Path) -> RawRows:
    import polars as pl  # noqa: PLC0415  # heavy, and most files are JSON Lines
    from polars.exceptions import PolarsError  # noqa: PLC0415

    number = 0
    try:
        for batch in pl.scan_parquet(path, glob=False).collect_batches(chunk_size=_PARQUET_BATCH, maintain_order=True):
            for value in batch.iter_rows(named=True):
                number += 1
                yield RawRow(number, value)
    except PolarsError as error:
        raise DataError(f"{path}: a damaged Parquet file: {error}; write or fetch it again") from error


_READERS: Final[dict[str, Callable[[Path], RawRows]]] = {
    ".jsonl": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
