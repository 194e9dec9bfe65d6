"""A path that a command is to write to, looked at before anything is done."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def fit_to_write(path: Path | None) -> Path | None:
    """The path of an option, as it is. Raises: typer.BadParameter, which names the option."""
    if path is not None and (fault := _fault_of(path)):
        raise typer.BadParameter(f"{str(path)!r} {fault}; name a path that can be written")
    return path


def _fault_of(path: Path) -> str:
    try:
        there = next(place for place in (path, *path.absolute().parents) if place.exists())
    except OSError as error:
        return f"can be no path here ({error.strerror})"
    if there != path and not there.is_dir():
        return f"lies under {there}, which is a file"
    folder = there if there.is_dir() else there.absolute().parent
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"lies in {folder}, which cannot be written"
