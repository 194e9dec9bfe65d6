"""The journal's file: a SQLite database, its tables and formats, and how texts stand in it.

A row lies by its number, in the order of arrival, with an index on its key. A table WITHOUT ROWID, ordered by key, took
1.7 times the space and 2.4 times the CPU to write: a call's texts are too large for the pages of an index.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from preflect.errors import InputError, RunError
from preflect.ports import StoredCall

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT_VERSION: Final = 2

COLUMNS: Final = tuple(f.name for f in fields(StoredCall))
LISTED: Final = ", ".join(COLUMNS)
INSERT: Final = f"INSERT OR IGNORE INTO calls ({LISTED}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  (column names are our own)
_TEXTS: Final = (COLUMNS.index("text"), COLUMNS.index("thinking"))
_CALLS: Final = """
CREATE TABLE calls (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, model TEXT NOT NULL, stage TEXT NOT NULL,
    sample_id TEXT NOT NULL, text TEXT NOT NULL, thinking TEXT, finish_reason TEXT NOT NULL, served_by TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL, latency_s REAL NOT NULL,
    cached_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, imported INTEGER NOT NULL DEFAULT 0
)
"""
_COUNTERS: Final = "CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID"
# Format 1 had its calls ordered by key, their texts as they are, and two counts of tokens less.
_FROM_FORMAT_1: Final = f"""
INSERT INTO calls ({LISTED})
SELECT key, model, stage, sample_id, pack(text), pack(thinking), finish_reason, served_by, prompt_tokens,
    completion_tokens, cost_usd, latency_s, 0, 0
FROM calls_1
"""  # noqa: S608  (column names are our own)

# What each format's calls are to a reader: this format's columns.
_OF_FORMAT_1: Final = "*, 0 AS cached_tokens, 0 AS reasoning_tokens, 0 AS imported"
_VIEWS: Final = {1: _OF_FORMAT_1, FORMAT_VERSION: "*"}

_LEVEL: Final = 1
"""zstd's: the third level makes a reply 2 % smaller, and takes a fifth longer."""
_SHORT: Final = 200
"""Bytes below which a text stays as it is: it would shrink by a quarter at most."""
_compressor: Final = zstd.ZstdCompressor(_LEVEL)
_fields: Final = attrgetter(*COLUMNS)

Row = tuple[Any, ...]
Packed = str | bytes | None
"""A text as it stands in the file: as it is, or as a zstd frame of its UTF-8."""


def pack(text: Packed) -> Packed:
    """A text as the file holds it: compressed where that makes it smaller."""
    if not isinstance(text, str) or len(text) < _SHORT:
        return text
    plain = text.encode()
    packed = _compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)
    return packed if len(packed) < len(plain) else text


def unpack(packed: Packed) -> str | None:
    """What was packed."""
    # One frame each: the decompressor itself, since `zstd.decompress` looks for more of them.
    return zstd.ZstdDecompressor().decompress(packed).decode() if isinstance(packed, bytes) else packed


def plain_bytes(text: Packed) -> int:
    """How many bytes the text has in UTF-8; a frame's head tells it."""
    if isinstance(text, bytes):
        return zstd.get_frame_info(text).decompressed_size or len(zstd.decompress(text))
    return len((text or "").encode())


def packed(row: Sequence[Any]) -> Row:
    """A row of `LISTED` as the file holds it."""
    return _with_texts(row, pack)


def unpacked(row: Sequence[Any]) -> Row:
    """A row of `LISTED` with its texts as they were."""
    return _with_texts(row, unpack)


def _with_texts(row: Sequence[Any], change: Callable[[Any], Packed]) -> Row:
    values = list(row)
    for place in _TEXTS:
        values[place] = change(values[place])
    return tuple(values)


def row_of(call: StoredCall) -> Row:
    """A call as the file holds it."""
    return packed(_fields(call))


def call_of(row: Sequence[Any]) -> StoredCall:
    """The call that a row of `LISTED` holds."""
    return StoredCall(**dict(zip(COLUMNS, unpacked(row), strict=True)))


def connect(path: Path) -> sqlite3.Connection:
    """The journal at `path` to read and write, made where there is none, brought to this format where it is older.

    Raises: RunError when it cannot be opened (disk full, no permission, not a journal, a later format).
    """
    try:
        connection = _open(str(path))
        # First, since the next line writes to the file.
        _check_ours(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit survives a power cut, not only the death of this process.
        connection.execute("PRAGMA synchronous=FULL")
        if _format(connection) != FORMAT_VERSION:
            _bring_up_to_date(connection)
    except sqlite3.Error as error:
        raise RunError(f"cannot open the journal {path}: {error}") from error
    return connection


def counter(connection: sqlite3.Connection, name: str) -> float:
    """The number that the journal keeps under this name; 0 if there is none."""
    row = connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
    return row[0] if row else 0.0


def mark_simulated(connection: sqlite3.Connection) -> None:
    """Say that answers of the simulated endpoint may be among those of the journal."""
    connection.execute("INSERT OR REPLACE INTO counters VALUES ('simulated', 1)")


def is_simulated(connection: sqlite3.Connection) -> bool:
    """Whether that was said."""
    return connection.execute("SELECT 1 FROM counters WHERE name = 'simulated'").fetchone() is not None


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """The journal at `path` as it is at this moment, of whichever format, with its calls in the view `listed`.

    Raises: InputError when it is no journal, damaged, or of a later format, or cannot be read where it lies.
    """
    with faults_named(path), closing(_open(_address(path), uri=True)) as connection:
        connection.execute("BEGIN")
        version = _format(connection)
        if version not in _VIEWS:
            raise InputError(f"{path}: not a journal, or of a later format ({version}) than {FORMAT_VERSION}")
        connection.execute(f"CREATE TEMP VIEW listed AS SELECT {_VIEWS[version]} FROM calls")  # noqa: S608
        connection.execute(f"SELECT {LISTED}, imported FROM listed LIMIT 0")  # noqa: S608
        yield connection


def _address(path: Path) -> str:
    """The journal as SQLite is to open it for reading: it writes beside a journal even then, where it may."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    if os.access(path.parent, os.W_OK):
        return address
    log, index = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    if not log.exists() or not log.stat().st_size:
        return f"{address}&immutable=1"  # which is blind to the log
    if not index.exists():
        raise InputError(
            f"{path}: its last calls stand in {log.name}, and SQLite reads that only where it may write; copy both to "
            "such a folder"
        )
    return address


@contextmanager
def faults_named(path: Path) -> Generator[None]:
    """Raises: InputError that names the file where SQLite cannot read it."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: not a journal, or damaged ({error}); name a run, its journal.sqlite, or a copy that is whole"
        ) from error


def _open(place: str, *, uri: bool = False) -> sqlite3.Connection:
    # Whoever uses it uses it in one thread at a time, if not always in the one that opened it.
    return sqlite3.connect(place, timeout=60, check_same_thread=False, isolation_level=None, uri=uri)


def _format(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    with connection:
        connection.execute("BEGIN")  # another process may be making it a journal just now
        version = _format(connection)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if version > FORMAT_VERSION:
        raise RunError(f"the journal {path} has format {version}; this preflect reads {FORMAT_VERSION}")
    if tables if version == 0 else "calls" not in tables:
        raise RunError(f"{path} is a database of something else, not a journal; name another file")


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """One transaction, so that a file is of one format at any moment, whatever dies meanwhile."""
    connection.create_function("pack", 1, pack, deterministic=True)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Looked at again: another process may have done it while this one waited.
        match _format(connection):
            case 0:
                connection.execute(_CALLS)
                connection.execute(_COUNTERS)
            case 1:
                connection.execute("ALTER TABLE calls RENAME TO calls_1")
                connection.execute(_CALLS)
                connection.execute(_FROM_FORMAT_1)
                connection.execute("DROP TABLE calls_1")
            case _:
                return
        connection.execute(f"PRAGMA user_version={FORMAT_VERSION}")
