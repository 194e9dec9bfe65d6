"""Tasks whose truth is given in a table: the shipped seeds, each with a model answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from preflect.errors import DataError
from preflect.schemas import GraderSpec
from preflect.sim.world.task import Solution, Task, fold

_GRADER: Final[TypeAdapter[GraderSpec]] = TypeAdapter(GraderSpec)


def read_known(paths: Iterable[Path]) -> Mapping[str, Task]:
    """The tasks of the given JSONL files by their folded instruction, the input merged below it.

    Rows without a model answer and without a reference answer are left out.
    Raises: DataError naming the file and line of a row that is no JSON object with an instruction.
    """
    known: dict[str, Task] = {}
    for path in paths:
        for number, line in enumerate(_lines(path), start=1):
            task = _task_of(line, f"{path}:{number}") if line.strip() else None
            if task is not None:
                known[fold(task.instruction)] = task
    return known


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a JSONL file of known tasks") from error


def _task_of(line: bytes, place: str) -> Task | None:
    try:
        row = cast("dict[str, Any]", orjson.loads(line))
        instruction = str(row["instruction"])
        given = cast("dict[str, Any] | None", row.get("grader"))
        grader = _GRADER.validate_json(orjson.dumps(given)) if given else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{place}: want a JSON object with an instruction and a valid grader, got {error}") from error
    metadata = cast("dict[str, Any]", row.get("metadata") or {})
    reference = row.get("reference_answer") or (given or {}).get("reference")
    answer = metadata.get("model_answer") or row.get("response") or reference
    if not answer:
        return None
    merged = f"{instruction}\n\n{row['input']}" if row.get("input") else instruction
    solution = Solution(reference=None if reference is None else str(reference), grader=grader, result=str(answer))
    return Task(
        family=str(metadata.get("task_type", "known")), instruction=merged, solution=solution, exact=grader is None
    )
