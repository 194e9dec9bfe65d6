"""Tasks of the world as rows that a recipe takes as input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from preflect.files import atomic_write
from preflect.sim.world import generate_task


def world_tasks(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Input rows with an id, an instruction, and where there is one a reference answer and a grader.

    The same seed gives the same rows, however many are asked for.
    """
    for number in range(count):
        task = generate_task(random.Random(f"{seed} {number}"))  # noqa: S311 - repeatable, no secret
        row: dict[str, Any] = {"id": f"world-{seed}-{number}", "instruction": task.instruction}
        if task.solution.reference is not None:
            row["reference_answer"] = task.solution.reference
        if task.solution.grader is not None:
            row["grader"] = task.solution.grader.model_dump(mode="json", exclude_none=True)
        yield {**row, "metadata": {"task_type": task.family}}


def write_tasks(path: Path, seed: int, count: int) -> None:
    """Write `count` input rows as JSONL; the file is whole or absent."""
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in world_tasks(seed, count))
