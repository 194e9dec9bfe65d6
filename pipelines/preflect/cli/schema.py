"""`preflect schema`: the JSON Schema of what preflect reads, keeps and writes."""

from __future__ import annotations

from types import FunctionType
from typing import Annotated, Any

import typer

from preflect.cli.output import AsJson, print_result
from preflect.errors import InputError


def schema(
    name: Annotated[
        str | None, typer.Argument(help="A record such as Sample, DpoRow or Recipe; none lists all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON Schema of a record."""
    from pydantic import TypeAdapter

    records = _records()
    if name is None:
        print_result({"names": [*records]}, "\n".join(records), as_json=as_json)
        return
    described = TypeAdapter[Any](_find(name, records)).json_schema()
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    print_result(dialect | described, "", as_json=True)


def _find(name: str, records: dict[str, Any]) -> Any:
    """The record of this name, in any case. Raises: InputError, with the nearest name."""
    from difflib import get_close_matches

    by_lower = {record.lower(): record for record in records}
    if name.lower() in by_lower:
        return records[by_lower[name.lower()]]
    near = get_close_matches(name.lower(), by_lower, n=1)
    hint = (
        f"did you mean '{by_lower[near[0]]}'? `preflect schema` lists all"
        if near
        else f"known are {', '.join(records)}"
    )
    raise InputError(f"no record is called '{name}'; {hint}")


def _records() -> dict[str, Any]:
    """Every type that `preflect.schemas` exports, by name."""
    from preflect import schemas

    values = vars(schemas)
    bases = ("Schema", "Identified")
    return {
        name: values[name]
        for name in sorted(schemas.__all__)
        if name not in bases and not isinstance(values[name], int | FunctionType)
    }
