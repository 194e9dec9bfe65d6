"""Packages that not everybody installs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from preflect.errors import MissingPartError


def see_that_parts_are_there(need: str, parts: Iterable[str], extra: str) -> None:
    """Import the packages. Raises: MissingPartError: one is missing; the message is `need` and how to get it."""
    try:
        for part in parts:
            import_module(part)
    except ImportError as error:
        raise MissingPartError(f"{need} ({error}); pip install 'preflect[{extra}]'") from error
