"""Scores on their way to a file: kept row by row beside it, so that whatever dies, the same command goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

import orjson
from pydantic import JsonValue

from preflect.adapters.score_table import check_table_path, write_table, writing
from preflect.engine.lock import remove_held, sole_use
from preflect.errors import InputError
from preflect.recipes.score import SCORE_SCHEMA, PairScores

Job = Mapping[str, JsonValue]
"""All that a row's scores depend on: the input by its hash, the student, and their options."""

_NEW: Final = b"\n"


@dataclass(slots=True)
class ScoreFile:
    """The rows scored so far, one a line under a line that says what job they belong to."""

    folder: Path
    rows: int
    """How many there are, those of earlier sittings too."""
    _lines: BinaryIO

    def add(self, scores: PairScores) -> None:
        """Keep one row more; when this returns the process may be killed."""
        self._lines.write(orjson.dumps(scores, option=orjson.OPT_APPEND_NEWLINE))
        self._lines.flush()
        self.rows += 1

    def read(self) -> Iterator[PairScores]:
        """Every row so far, in the order of the input."""
        with _rows_of(self.folder).open("rb") as lines:
            next(lines)
            for line in lines:
                yield PairScores(**orjson.loads(line))

    def write_to(self, out: Path) -> None:
        """Make the table of all rows, whole or not at all; then nothing is left of the folder."""
        with self.made_use_of():
            write_table(map(asdict, self.read()), SCORE_SCHEMA, out)

    @contextmanager
    def made_use_of(self) -> Generator[None]:
        """The block makes of the rows what they are for. Raises: InputError: it failed, and they are still there."""
        try:
            yield
        except InputError as error:
            kept = (
                f"{self.folder} holds the scores: the same command takes them, or --out X where it is named X.partial"
            )
            raise InputError(f"{error}; {kept}") from error
        remove_held(self.folder)


def partial_folder(out: Path) -> Path:
    """Where the rows are until all are there: `scores.parquet.partial` beside `scores.parquet`."""
    return out.with_name(f"{out.name}.partial")


@contextmanager
def open_score_file(out: Path, job: Job) -> Generator[ScoreFile]:
    """The rows that an earlier sitting of this very job left beside `out`, to be gone on with; or none yet.

    Raises: InputError: `out` is no place for a table, another process is at work on it, or the rows there are another
    job's.
    """
    check_table_path(out)
    folder = partial_folder(out)
    with writing(out):
        folder.mkdir(exist_ok=True)
    with sole_use(folder, wait_s=0):
        path = _rows_of(folder)
        end, rows = _whole_lines(path, job) if path.exists() else (0, 0)
        with path.open("ab") as lines:
            # Half a line is what a kill, or a power cut, left of a row.
            lines.truncate(end)
            if not end:
                lines.write(orjson.dumps(job, option=orjson.OPT_APPEND_NEWLINE))
                lines.flush()
            yield ScoreFile(folder, rows, lines)


def _rows_of(folder: Path) -> Path:
    return folder / "rows.jsonl"


def _whole_lines(path: Path, job: Job) -> tuple[int, int]:
    """Up to which byte the file can be used, and how many rows that are. Raises: InputError: they are another job's."""
    with path.open("rb") as lines:
        first = lines.readline()
        if not _is_whole(first):
            return 0, 0
        _check_same(orjson.loads(first), job, path.parent)
        end, rows = len(first), 0
        for line in lines:
            if not _is_whole(line):
                break
            end, rows = end + len(line), rows + 1
        return end, rows


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(_NEW) and isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _check_same(kept: Job, job: Job, folder: Path) -> None:
    keys = [key for key in {**job, **kept} if kept.get(key) != job.get(key)]
    if keys:
        differing = "; ".join(f"{key} {kept.get(key)}, now {job.get(key)}" for key in keys)
        raise InputError(
            f"{folder} holds rows of another job ({differing}); go on with it by the arguments it was begun with, "
            "name another --out, or remove the folder"
        )
