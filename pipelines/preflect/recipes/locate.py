"""Where in the file each value of a recipe was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KeyPath = tuple[str, ...]
"""Keys from the top of the recipe down to a value; list entries are numbered from "0"."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recipe's values as written, with the place of each."""

    name: str
    """The file, as the user named it."""
    values: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    """Line of each key, counted from 1."""
    options: Mapping[KeyPath, str] = field(default_factory=dict[KeyPath, str])
    """The `--set` option that gave a value, where one did."""

    def place(self, path: KeyPath) -> str:
        """`file:line` of the value, or of the nearest thing around it; `--set a.b.c` where an option gave it."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.options:
                return f"--set {self.options[path[:depth]]}"
            if path[:depth] in self.lines:
                return f"{self.name}:{self.lines[path[:depth]]}"
        return f"{self.name}:1"

    def named(self, path: KeyPath, key: KeyPath | None = None) -> str:
        """The place of the value, and after it the key that a message is about, where the place does not say it."""
        place, dotted = self.place(path), ".".join(key or path)
        return place if place.startswith(f"--set {dotted}") else f"{place}: {dotted}"

    def line(self, path: KeyPath) -> int:
        """Line of the value, or of the nearest thing around it: what orders messages."""
        return next((self.lines[path[:d]] for d in range(len(path), 0, -1) if path[:d] in self.lines), 1)
