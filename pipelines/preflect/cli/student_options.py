"""Options of the commands that ask a student about a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

Template = Annotated[str | None, typer.Option(help="vicuna, alpaca, wiz, gpt2 or chat.")]
Dtype = Annotated[str | None, typer.Option(help="For transformers: float32, bfloat16 or float16.")]
MaxLength = Annotated[int | None, typer.Option(min=16, help="In tokens; in bytes for ppm.")]
Tokenizer = Annotated[
    str | None, typer.Option(help="For vllm and sglang: a folder or a name on the Hub, as served without.")
]
KeyName = Annotated[
    str | None, typer.Option(metavar="NAME", help="For vllm and sglang: the variable that holds the key.")
]
Columns = Annotated[
    list[str] | None, typer.Option(metavar="FIELD=COLUMN", help="Which column is what: instruction=question.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first rows.")]
