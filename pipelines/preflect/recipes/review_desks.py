"""Review desks by what was said of them: opened where they are used."""

from __future__ import annotations

from pathlib import Path

from preflect.adapters.jsonl_desk import JsonlDesk
from preflect.desk import ReviewDesk
from preflect.schemas import DeskSpec, JsonlDeskSpec


def open_desk(spec: DeskSpec) -> ReviewDesk:
    """The desk itself. Raises: MissingPartError, InputError: it can't be reached."""
    if isinstance(spec, JsonlDeskSpec):
        return JsonlDesk(Path(spec.path))
    raise NotImplementedError


def place_of(spec: DeskSpec) -> str:
    """Where it is, for people."""
    if isinstance(spec, JsonlDeskSpec):
        return spec.path
    return f"{spec.workspace}/{spec.dataset} in {spec.url or 'the embedded Argilla'}"
