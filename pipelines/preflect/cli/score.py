"""`preflect score`: IFD and reversed IFD of any dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preflect.cli.out_path import file_to_write
from preflect.cli.output import AsJson, Quiet, print_result
from preflect.cli.progress import progress_shown
from preflect.cli.student_options import Columns, Dtype, KeyName, Limit, MaxLength, Template, Tokenizer
from preflect.errors import InputError

if TYPE_CHECKING:
    from preflect.cli.score_work import ScoreWork
    from preflect.schemas import InputSpec


def score(
    path: Annotated[str, typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or hf://org/name.")],
    student: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:MODEL",
            help="ppm, which is the default, transformers:FOLDER_OR_NAME, onnx:DIR, vllm:URL or sglang:URL; several to "
            "compare.",
        ),
    ] = None,
    template: Template = None,
    dtype: Dtype = None,
    max_length: MaxLength = None,
    tokenizer: Tokenizer = None,
    api_key_env: KeyName = None,
    column: Columns = None,
    limit: Limit = None,
    out: Annotated[
        Path | None,
        typer.Option(callback=file_to_write, help="A .jsonl, .csv or .parquet file; JSON lines on stdout without."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="See on a sample how fit each student is for this dataset.")
    ] = False,
    pairs: Annotated[int, typer.Option(min=2, help="Rows that --calibrate draws.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of that draw.")] = 0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score any dataset by a student: IFD and r-IFD.

    IFD says how much the instruction helps the student with the response, r-IFD how much the response tells it of the
    instruction; below 1 is help. With --out a killed or stopped command goes on where it was when it is given again.

    With --calibrate only a sample is scored, as it is and with its responses shuffled: what the student doesn't tell
    apart there it won't tell apart elsewhere.
    """
    from preflect.adapters.input_sources import check_not_read
    from preflect.adapters.score_table import check_table_path
    from preflect.cli.score_work import prepared
    from preflect.recipes.students import parse_students

    if out and calibrate:
        raise InputError("--calibrate scores a sample and writes no file; leave --out out, or --calibrate")
    rows = dataset_spec(path, column or (), limit)
    if out:
        check_table_path(out)
        check_not_read(path, out)
    specs = parse_students(
        student or ["ppm"],
        template=template,
        dtype=dtype,
        max_length=max_length,
        tokenizer=tokenizer,
        api_key_env=api_key_env,
    )
    with progress_shown(quiet=quiet or as_json) as publish:
        work = prepared(rows, specs, publish)
        say = _calibrated(work, pairs, seed, as_json=as_json) if calibrate else _carried_out(work, out, as_json=as_json)
    say()


def _calibrated(work: ScoreWork, pairs: int, seed: int, *, as_json: bool) -> Callable[[], None]:
    from preflect.cli.calibration import document_of, text_of

    found = work.calibrate(pairs, seed)
    return lambda: print_result(document_of(found), text_of(found), as_json=as_json)


def _carried_out(work: ScoreWork, out: Path | None, *, as_json: bool) -> Callable[[], None]:
    """Do the work; what is left to say is said when the progress display is gone."""
    if out is None:
        return _to_stdout(work, as_json=as_json)
    from preflect.cli.score_work import going_on_after
    from preflect.cli.tally import text_of

    with going_on_after(out), work.kept(out) as (file, tally):
        file.write_to(out)
    document = tally.document()
    return lambda: print_result({"summary": document, "out": str(out)}, text_of(document, out), as_json=as_json)


def _to_stdout(work: ScoreWork, *, as_json: bool) -> Callable[[], None]:
    """Lines as the rows come; or one document, of which nothing may be printed before the last row is there."""
    import tempfile

    from preflect.cli.scores_out import print_line, print_rows
    from preflect.cli.tally import text_of

    # Where the reader has gone (`| head`) there is nothing more to do.
    with suppress(BrokenPipeError):
        if not as_json:
            document = work.hand_over(print_line).document()
            return lambda: print(text_of(document, None), file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder, work.kept(Path(folder) / "scores.jsonl") as (file, tally):
            print_rows(tally.document(), file.read())
    return lambda: None


def dataset_spec(path: str, columns: Sequence[str], limit: int | None) -> InputSpec:
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
