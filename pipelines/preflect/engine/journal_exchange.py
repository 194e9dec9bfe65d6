"""Calls on their way from one journal to another, directly or as a file that travels.

The file is Parquet with one row a call, in the order in which they became durable. Its columns are the fields of
`StoredCall`, the texts as they were, and `simulated`: whether any of the journal's answers is the simulated endpoint's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

import polars as pl

from preflect.engine.journal_file import (
    COLUMNS,
    LISTED,
    Row,
    connect,
    faults_named,
    is_simulated,
    mark_simulated,
    packed,
    reading,
    unpack,
    unpacked,
)
from preflect.engine.lock import is_held, remove_held, sole_use
from preflect.engine.run_folder import RunFolder, find_run
from preflect.engine.storage import read_schema, read_tables, write_table
from preflect.errors import InputError, RunError
from preflect.files import atomic_write
from preflect.ports import StoredCall

NAMED: Final = 20
"""Conflicts that are named; all are counted."""

_ROW_GROUP: Final = 4096
_DTYPES: Final = {"str": pl.String(), "str | None": pl.String(), "int": pl.Int64(), "float": pl.Float64()}
_OPTIONAL: Final = frozenset({"thinking"})
_CALLS: Final = pl.Schema({f.name: _DTYPES[str(f.type)] for f in fields(StoredCall)})
_FILE: Final = pl.Schema({**_CALLS, "simulated": pl.Boolean()})
_IMPORT: Final = f"INSERT INTO calls ({LISTED}, imported) VALUES ({', '.join('?' * len(COLUMNS))}, 1)"  # noqa: S608  (column names are our own)
_REPLY: Final = ("text", "thinking", "finish_reason")
_SAME: Final = f"SELECT {', '.join(_REPLY)} FROM calls WHERE key = ?"  # noqa: S608
_PLACES: Final = tuple(COLUMNS.index(name) for name in _REPLY)
_CACHE_KIB: Final = 131_072
"""Room for the keys of some three million calls: they come in no order, and each would be written again and again."""


@dataclass(slots=True)
class Merged:
    """What an import did."""

    imported: int = 0
    known: int = 0
    """Calls that were there already, with the same reply."""
    conflicts: int = 0
    """Calls that were there already with another reply, which was kept."""
    conflicting: list[str] = field(default_factory=list[str])
    """The keys of the first of them."""


def export_calls(source: Path, to: Path) -> int:
    """Write all calls of a journal, or of another such file, to a file that travels; returns how many there are."""
    with _opened(source) as (rows, simulated):
        count = 0

        def table_of(batch: list[Row]) -> pl.DataFrame:
            nonlocal count
            count += len(batch)
            calls = pl.DataFrame([unpacked(row) for row in batch], schema=_CALLS, orient="row")
            return calls.with_columns(simulated=pl.lit(simulated))

        write_table(to, _FILE, rows, table_of, _ROW_GROUP)
    return count


def merge(sources: Sequence[Path], into: Path) -> Merged:
    """Bring all calls of journals, or of exported files, into a journal: all or none.

    What they cost was paid elsewhere, and does not count there as spent. A call that is there already stays as it is.
    Raises: InputError for a source that cannot be read; RunError when the journal cannot be written.
    """
    if into.exists():
        return _merge(sources, into)
    with atomic_write(into) as temporary:
        merged = _merge_anew(sources, temporary)
        if into.exists():
            raise InputError(f"{into} was made by another process meanwhile; import into it again")
    return merged


def _merge_anew(sources: Sequence[Path], into: Path) -> Merged:
    first, *others = sources
    if _is_exported(first):
        return _merge(sources, into)
    copied = _copy(first, into)
    merged = _merge(others, into)
    merged.imported += copied
    return merged


def _copy(source: Path, to: Path) -> int:
    """A journal's calls as the first of a new one; returns how many. Whoever asked for the file makes it durable."""
    with reading(source) as journal, closing(sqlite3.connect(to)) as copy, _writing(to):
        journal.backup(copy)
    # What is wrong with the copy's content is the source's fault; what else goes wrong, disk and rights, is not.
    with faults_named(source), _writing(to, sqlite3.OperationalError), closing(connect(to)) as copy:
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            copy.execute(f"PRAGMA {pragma}")
        copy.execute("DELETE FROM counters WHERE name <> 'simulated'")
        copy.execute("UPDATE calls SET imported = 1 WHERE NOT imported")
        count: int = copy.execute("SELECT count(*) FROM calls").fetchone()[0]
        return count


def import_into(name: str, sources: Sequence[Path]) -> Merged:
    """Merge into a run's journal, while nobody works on the run, or into a file; a new one is to end in `.sqlite`.

    Raises: as `merge`; InputError when there is no such run, or it is at work.
    """
    path = Path(name)
    of_run = RunFolder(path.parent)
    if path.resolve() == of_run.journal_path.resolve() and of_run.manifest_path.exists():
        return _import_into_run(of_run, sources)
    if path.is_file() or (path.suffix == ".sqlite" and not path.exists()):
        return merge(sources, path)
    return _import_into_run(find_run(name), sources)


def _import_into_run(folder: RunFolder, sources: Sequence[Path]) -> Merged:
    if is_held(folder.live_path):
        raise InputError(f"{folder.journal_path} is in use, a run is at work in {folder.path}; wait for it or stop it")
    with sole_use(folder.live_path, wait_s=0.0):
        merged = merge(sources, folder.journal_path)
        remove_held(folder.live_path)
    return merged


def _merge(sources: Iterable[Path], into: Path) -> Merged:
    merged = Merged()
    with _writing(into), closing(connect(into)) as journal:
        journal.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        with journal:
            journal.execute("BEGIN IMMEDIATE")
            for source in sources:
                with _opened(source) as (rows, simulated), _writing(into):
                    journal.executemany(_IMPORT, _new(rows, journal, merged))
                    if simulated:
                        mark_simulated(journal)
    return merged


@contextmanager
def _writing(into: Path, faults: type[sqlite3.Error] = sqlite3.Error) -> Generator[None]:
    try:
        yield
    except faults as error:
        raise RunError(f"cannot write the journal {into}: {error}") from error


def _new(rows: Iterator[Row], journal: sqlite3.Connection, merged: Merged) -> Iterator[Row]:
    """The calls that the journal has not; the others are counted."""
    for row in rows:
        there = journal.execute(_SAME, row[:1]).fetchone()
        if there is None:
            merged.imported += 1
            yield row
        elif _same(there, [row[place] for place in _PLACES]):
            merged.known += 1
        else:
            merged.conflicts += 1
            merged.conflicting += [row[0]][: NAMED - len(merged.conflicting)]


def _same(one: Sequence[str | bytes | None], other: Sequence[str | bytes | None]) -> bool:
    return [*map(unpack, one)] == [*map(unpack, other)]


def check_source(path: Path) -> bool:
    """Whether any answer in it is the simulated endpoint's. Raises: InputError when calls can't be read from it."""
    with _opened(path) as (_, simulated):
        return simulated


@contextmanager
def _opened(path: Path) -> Generator[tuple[Iterator[Row], bool]]:
    """The calls of a journal or of an exported file, as a journal's file has them; whether any is simulated."""
    if _is_exported(path):
        yield _rows_of_file(path), _file_is_simulated(path)
        return
    with reading(path) as journal:
        yield _rows_of_journal(journal, path), is_simulated(journal)


def _is_exported(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a run, a journal or its export") from error


def _rows_of_journal(journal: sqlite3.Connection, path: Path) -> Iterator[Row]:
    with faults_named(path):
        yield from map(packed, journal.execute(f"SELECT {LISTED} FROM listed"))  # noqa: S608


def _rows_of_file(path: Path) -> Iterator[Row]:
    for table in read_tables(path, _ROW_GROUP):
        for name in _CALLS:
            if name not in _OPTIONAL and table[name].has_nulls():
                raise _not_exported(path, name)
        yield from map(packed, table.select(COLUMNS).iter_rows())


def _file_is_simulated(path: Path) -> bool:
    schema = read_schema(path)
    for name, dtype in _FILE.items():
        if schema.get(name) != dtype:
            raise _not_exported(path, name)
    return any(table["simulated"].any() for table in read_tables(path, _ROW_GROUP))


def _not_exported(path: Path, column: str) -> InputError:
    return InputError(
        f"{path}: not a file that `preflect journal export` wrote: column '{column}' is missing, of another type or "
        f"has gaps; the columns are {', '.join(_FILE)}"
    )
