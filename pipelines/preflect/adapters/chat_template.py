"""The chat template of a tokenizer, rendered by jinja alone as `transformers` renders it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, cast

from jinja2 import Template, TemplateError
from jinja2.ext import Extension
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class ChatTemplate:
    """A template's text, with the tokenizer's special tokens under their names."""

    def __init__(self, text: str, special_tokens: Mapping[str, str]) -> None:
        self._text = text
        self._special_tokens = special_tokens

    def render(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
        """The turns of a conversation. Raises: TemplateError, TypeError or ValueError, as the template fails."""
        known = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": add_generation_prompt}
        return self._template.render(**self._special_tokens, **known)

    @cached_property
    def _template(self) -> Template:
        # Templates come from strangers.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        functions = cast("dict[str, Any]", environment.globals)
        functions |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
        return environment.from_string(self._text)


class _Generation(Extension):
    """`{% generation %}` marks what the assistant said, for training; the text is the same without it."""

    tags = {"generation"}  # noqa: RUF012  # jinja's own type

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: object, ensure_ascii: bool = False, **options: Any) -> str:
    # Jinja's own escapes what has a meaning in HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
