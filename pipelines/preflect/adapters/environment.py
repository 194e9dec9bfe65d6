"""The environment: the one place below the CLI that reads it, for secrets by the name of their variable."""

from __future__ import annotations

import os

from preflect.errors import InputError


def secret(name: str | None) -> str:
    """The variable's value, empty when no variable is named. Raises: InputError when it's not set."""
    if name is None:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise InputError(f"the environment variable {name} is not set; set it to the API key: export {name}=…")
    return value
