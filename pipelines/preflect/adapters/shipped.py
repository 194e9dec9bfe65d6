"""Where the seeds and recipes are that travel with preflect."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from preflect.errors import DataError

# A wheel holds them inside the package; an editable checkout in `data/` at its top. The namespace package has no single
# folder of its own, so both are found from this file.
_HOMES: Final = tuple(Path(__file__).resolve().parents[level] / "data" for level in (1, 3))
_KINDS: Final = ("seeds", "recipes")


def shipped(relative: str) -> Path:
    """Path of what is shipped as `relative`, for example `seeds/instructions.jsonl`.

    Raises: DataError: nothing of that name is shipped; the message lists what is.
    """
    parts = Path(relative).parts
    if parts and parts[0] in _KINDS and ".." not in parts:
        for home in _HOMES:
            if (home / relative).exists():
                return home / relative
    raise DataError(f"preflect://{relative}: not shipped with preflect; shipped are {', '.join(shipped_names())}")


def shipped_names() -> tuple[str, ...]:
    """Names of all shipped files, as `shipped` takes them, in order."""
    found = (path for home in _HOMES for kind in _KINDS for path in (home / kind).glob("*.*"))
    return tuple(sorted(f"{path.parent.name}/{path.name}" for path in found))
