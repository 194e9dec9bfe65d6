"""`preflect score`: IFD and reversed IFD of any dataset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preflect.cli.output import AsJson, Quiet
from preflect.cli.progress import Publish, progress_shown
from preflect.errors import DataError, InputError

if TYPE_CHECKING:
    from preflect.recipes.score import DatasetPair, PairScores
    from preflect.schemas import InputSpec, StudentSpec


def score(
    path: Annotated[str, typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or hf://org/name.")],
    student: Annotated[
        str, typer.Option(metavar="KIND:MODEL", help="ppm, transformers:FOLDER_OR_NAME, vllm:URL or sglang:URL.")
    ] = "ppm",
    template: Annotated[str | None, typer.Option(help="vicuna, alpaca, wiz, gpt2 or chat.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    max_length: Annotated[int | None, typer.Option(min=16, help="In tokens; in bytes for ppm.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="For vllm and sglang: a folder or a name on the Hub, as served without.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="For vllm and sglang: the variable that holds the key.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=COLUMN", help="Which column is what: instruction=question.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A .jsonl, .csv or .parquet file; JSON lines on stdout without.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score any dataset by a student: IFD and r-IFD.

    IFD says how much the instruction helps the student with the response, r-IFD how much the response tells it of the
    instruction; below 1 is help.
    """
    from preflect.adapters.score_table import check_table_path
    from preflect.cli.scores_out import write_scores
    from preflect.recipes.students import parse_student

    if out:
        check_table_path(out)
    spec = parse_student(
        student,
        template=template,
        dtype=dtype,
        max_length=max_length,
        tokenizer=tokenizer,
        api_key_env=api_key_env,
    )
    rows = _input(path, column or (), limit)
    with progress_shown(quiet=quiet or as_json) as publish:
        scores = asyncio.run(_all_scores(rows, spec, publish))
    write_scores(scores, out, as_json=as_json)


def _input(path: str, columns: Sequence[str], limit: int | None) -> InputSpec:
    """The dataset as a recipe would name it. Raises: InputError for a mapping that is none."""
    import json

    from pydantic import ValidationError

    from preflect.schemas import InputSpec

    pairs = [mapping.partition("=") for mapping in columns]
    if wrong := [field for field, equals, column in pairs if not (field and equals and column)]:
        raise InputError(f"--column {wrong[0]}: write it as FIELD=COLUMN, such as instruction=question")
    given = {"path": path, "columns": {field: column for field, _, column in pairs}, "limit": limit}
    try:
        return InputSpec.model_validate_json(json.dumps(given))
    except ValidationError as error:
        wrong_field, known = str(error.errors()[0]["loc"][1]), "instruction, input, response, messages and id"
        raise InputError(f"--column {wrong_field}=…: no such field; the fields are {known}") from error


async def _all_scores(rows: InputSpec, spec: StudentSpec, publish: Publish) -> list[PairScores]:
    from preflect.adapters.reading import read_rows, survey
    from preflect.recipes.score import pairs_of_rows, score_dataset
    from preflect.recipes.students import build_student

    found = survey(rows)
    if not found.has_response:
        raise DataError(
            f"{rows.path}: no row has a response, and without one there is nothing to score; the columns are "
            f"{', '.join(found.columns)}: name the right one with --column response=COLUMN"
        )
    pairs: Iterable[DatasetPair] = pairs_of_rows(read_rows(rows))
    return await _counted(score_dataset(pairs, build_student(spec)), found.rows, publish)


async def _counted(scores: AsyncIterator[PairScores], total: int, publish: Publish) -> list[PairScores]:
    import time

    from preflect.engine.progress import Snapshot

    since, unscorable = time.monotonic(), 0
    done: list[PairScores] = []
    async for one in scores:
        done.append(one)
        unscorable += one.reason is not None
        elapsed_s = time.monotonic() - since
        publish(
            Snapshot(
                total=total,
                finished=len(done),
                rejected=unscorable,
                stages=(),
                models=(),
                elapsed_s=elapsed_s,
                seconds_left=elapsed_s / len(done) * (total - len(done)),
            )
        )
    return done
