"""`preflect student export`: a model in a form that is scored without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from preflect.cli.out_path import folder_to_write
from preflect.cli.output import AsJson, print_result


def export(
    model: Annotated[str, typer.Argument(help="A folder, or a name on the Hugging Face Hub.")],
    to: Annotated[
        Path,
        typer.Argument(metavar="DIR", callback=folder_to_write, help="The folder to write to, new or empty."),
    ],
    revision: Annotated[str | None, typer.Option(help="The model's, on the Hub.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a causal language model as ONNX, which scores as it does, and without torch.

    The graph gives what each token costs, in float32, and is compared with the model before the folder appears.
    """
    from preflect.adapters.onnx_export import export_student, size_bytes

    card, size = export_student(model, to, revision=revision), size_bytes(to)
    text = (
        f"wrote {card.model} ({card.revision}) to {to}, {size / 1e6:,.1f} MB\n"
        f"score with it: preflect score DATASET --student onnx:{to}"
    )
    document = {"to": str(to), "model": card.model, "revision": card.revision, "bytes": size}
    print_result(document, text, as_json=as_json)


COMMANDS: Final[tuple[tuple[Any, str, str], ...]] = (
    (export, "export", "preflect student export Qwen/Qwen2.5-0.5B qwen-onnx"),
)
