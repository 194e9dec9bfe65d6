"""A path that a command is to write to, looked at before anything is done."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def file_to_write(path: Path | None) -> Path | None:
    """The path of an option, as it is. Raises: typer.BadParameter, which names the option."""
    return path and _fit(path, is_folder=False)


def folder_to_write(path: Path | None) -> Path | None:
    """As `file_to_write`."""
    return path and _fit(path, is_folder=True)


def _fit(path: Path, *, is_folder: bool) -> Path:
    try:
        fault = _fault_of(path, is_folder=is_folder)
    except OSError as error:
        fault = f"can be no path here ({error.strerror})"
    if fault:
        raise typer.BadParameter(f"{str(path)!r} {fault}; name a path that can be written")
    return path


def _fault_of(path: Path, *, is_folder: bool) -> str:
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there != path and not there.is_dir():
        return f"lies under {there}, which is a file"
    if there == path and there.is_dir() != is_folder:
        return "is a file, and a folder is wanted" if is_folder else "is a folder, and a file is wanted"
    folder = there if there.is_dir() else there.absolute().parent
    # What is there is written over in one step, which its folder has to allow, or appended to.
    fits = os.access(folder, os.W_OK | os.X_OK) or (not there.is_dir() and os.access(there, os.W_OK))
    return "" if fits else f"lies in {folder}, which cannot be written"
