"""`preflect filter`: the rows of any dataset that a filter of the literature keeps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from preflect.cli.out_path import file_to_write
from preflect.cli.output import AsJson, Quiet, print_result
from preflect.cli.progress import progress_shown
from preflect.cli.score import dataset_spec
from preflect.cli.student_options import Columns, Dtype, KeyName, Limit, MaxLength, Template, Tokenizer
from preflect.errors import InputError

if TYPE_CHECKING:
    from preflect.cli.score_work import ScoreWork
    from preflect.curation.choice import Filter


def filter_rows(
    path: Annotated[str, typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or hf://org/name.")],
    out: Annotated[
        Path, typer.Option(callback=file_to_write, help="For the rows kept: a .jsonl, .csv or .parquet file.")
    ],
    by: Annotated[
        Literal["cherry", "superfiltering", "superfiltering_d"],
        typer.Option(help="Highest ifd_loss below 1; highest ifd_ppl below 1; of those the ones that stand for all."),
    ] = "superfiltering",
    keep: Annotated[str, typer.Option(metavar="SHARE", help="Of all rows, such as 10% or 0.1.")] = "10%",
    pool: Annotated[str, typer.Option(metavar="SHARE", help="What superfiltering_d chooses from.")] = "20%",
    embeddings: Annotated[
        str, typer.Option(metavar="KIND", help="For superfiltering_d: hashed, or transformers:FOLDER_OR_NAME.")
    ] = "hashed",
    student: Annotated[
        str,
        typer.Option(metavar="KIND:MODEL", help="ppm, transformers:FOLDER_OR_NAME, onnx:DIR, vllm:URL or sglang:URL."),
    ] = "ppm",
    template: Template = None,
    dtype: Dtype = None,
    max_length: MaxLength = None,
    tokenizer: Tokenizer = None,
    api_key_env: KeyName = None,
    column: Columns = None,
    limit: Limit = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Keep the part of a dataset that a student's scores prefer: Cherry, Superfiltering and Superfiltering.D.

    Rows are kept as they are, from Parquet to Parquet with their types. Beside them, in NAME.rejected.jsonl, stands why
    each other row is not. A killed or stopped command goes on where it was when it is given again.
    """
    from preflect.cli.score_work import prepared
    from preflect.recipes.filter_rows import check_out
    from preflect.recipes.students import build_filter, parse_student

    spec = parse_student(
        student,
        template=template,
        dtype=dtype,
        max_length=max_length,
        tokenizer=tokenizer,
        api_key_env=api_key_env,
    )
    rows = dataset_spec(path, column or (), limit)
    shares = _share("--keep", keep), _share("--pool", pool)
    check_out(rows, out)
    chosen = build_filter(by, *shares, embeddings)
    with progress_shown(quiet=quiet or as_json) as publish:
        document = _filtered(prepared(rows, [spec], publish), chosen, out)
    print_result(document, _text_of(document), as_json=as_json)


def _share(option: str, text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise InputError(f"{option} {text}: write a share above nought and up to all, such as 10% or 0.1")
    return share


def _filtered(work: ScoreWork, chosen: Filter, out: Path) -> dict[str, Any]:
    from preflect.cli.score_work import going_on_after
    from preflect.recipes.filter_rows import filter_rows as written

    with going_on_after(out), work.kept(out) as (file, tally), file.made_use_of():
        made = written(work.rows, file.read(), chosen, out)
    return {"by": chosen.by, "student": tally.document()["student"], **asdict(made)}


def _text_of(document: dict[str, Any]) -> str:
    lines = [f"kept {document['kept']:,} of {document['rows']:,} rows by {document['by']} under {document['student']}"]
    lines += [f"  {count:,} {reason}" for reason, count in document["rejected"].items()]
    if document["student"] == "ppm":
        lines.append("  ppm is a lexical proxy: it sees shared words and phrases, not meaning")
    return "\n".join([*lines, f"wrote {document['out']} and {document['rejected_out']}"])
