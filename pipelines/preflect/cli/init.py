"""`preflect init`: a recipe to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from preflect.cli.output import AsJson, print_result
from preflect.errors import InputError


def init(
    file: Annotated[Path, typer.Argument(help="Where to write the recipe.")] = Path("recipe.yaml"),
    recipe: Annotated[
        str, typer.Option(help="Which of the recipes shipped with preflect to copy.")
    ] = "selective_reflection",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented recipe."""
    from preflect.adapters.shipped import shipped

    text = shipped(f"recipes/{recipe}.yaml").read_text(encoding="utf-8")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise InputError(f"{file} exists; name another file, or overwrite it with --force") from error
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}; name a file in a folder that exists") from error
    print_result(
        {"recipe": str(file), "copied_from": recipe},
        f"wrote {file}: edit models and input, then `preflect run {file}`",
        as_json=as_json,
    )
