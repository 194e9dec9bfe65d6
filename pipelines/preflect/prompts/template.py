"""Prompt files: Markdown with a YAML front matter, a `## System` and a `## User` section, filled in by Jinja."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from jinja2 import Environment, StrictUndefined, Template
from ruamel.yaml import YAML

from preflect.schemas import Conversation, Message

_ROOM: Final = files("preflect.prompts")
_FORM: Final = re.compile(
    r"\A---\n(?P<front>.*?)\n---\n\s*## System\n(?P<system>.*?)\n## User\n(?P<user>.*)\Z", re.DOTALL
)
_JINJA: Final = Environment(
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # noqa: S701 - models read plain text; escaping would change the data they are shown
)
# Prompts show values and call nothing; each rendering would copy Jinja's own functions.
_JINJA.globals.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """One prompt file, read and checked."""

    name: str
    description: str
    version: str
    """`name@` and 12 hexadecimal digits of the hash of the file and its rubrics."""
    system: str
    """The system message; it is sent as it stands, whatever is asked."""
    user: str
    """Jinja source of the user message."""
    json_schema: Mapping[str, Any] | None = None
    """Parts that a reply must have; None where they depend on what is asked, or where any text will do."""
    rubrics: Mapping[str, str] = field(default_factory=dict[str, str])
    """Text of each rubric that the user message can show."""

    def render(self, **values: object) -> Conversation:
        """The system and the user message, with `values` in their places.

        Raises: jinja2.UndefinedError when a value is missing.
        """
        user = _compiled(self.user).render(rubrics=self.rubrics, **values)
        return (Message(role="system", content=self.system), Message(role="user", content=user.strip()))


@cache
def _compiled(source: str) -> Template:
    return _JINJA.from_string(source)


@cache
def load_prompt(name: str) -> PromptTemplate:
    """The prompt in `name.md`, with the rubrics that its front matter lists.

    Raises: ValueError when there is no such file, naming those that there are, or when it lacks a section.
    """
    source = _read(f"{name}.md")
    form = _FORM.match(source)
    if form is None:
        raise ValueError(f"prompt {name}.md must be: front matter between ---, then ## System, then ## User")
    front = cast("dict[str, Any]", YAML(typ="safe", pure=True).load(form["front"]))  # pyright: ignore[reportUnknownMemberType] - ruamel leaves load's stream untyped
    rubrics = {rubric: _read("rubrics", f"{rubric}.md").strip() for rubric in front.get("rubrics", ())}
    return PromptTemplate(
        name=front["name"],
        description=front["description"],
        version=f"{name}@{_digest(source, *rubrics.values())}",
        system=form["system"].strip(),
        user=form["user"].strip(),
        json_schema=front.get("schema"),
        rubrics=rubrics,
    )


def has_prompt(name: str) -> bool:
    """Whether there is a prompt of this name."""
    return _ROOM.joinpath(f"{name}.md").is_file()


def _read(*path: str) -> str:
    file = _ROOM.joinpath(*path)
    if not file.is_file():
        folder = _ROOM.joinpath(*path[:-1])
        known = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".md"))
        raise ValueError(f"no prompt file {'/'.join(path)}; there are {', '.join(known)}")
    return file.read_text(encoding="utf-8")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:12]
