"""JSON in the replies of models: bare, fenced, amid prose, with the slips that models make."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

# Models write line breaks inside strings as they are.
_DECODER: Final = json.JSONDecoder(strict=False)
_ESCAPE: Final = re.compile(r'\\(["\\/bfnrt]|u[0-9a-fA-F]{4})?')
_TRAILING_COMMA: Final = re.compile(r",(\s*[}\]])")
_LATEX: Final = ("\\f", "\\b", "\f", "\b", "\\u000")
"""Of these one is in every text in which `_with_latex` finds something."""
_MOST_BRACES: Final = 3
_OPENING: Final = re.compile(r"[{\[]")


def json_values(text: str, json_schema: Mapping[str, Any]) -> Iterator[Any]:
    """Everything in `text` that could be the object of `json_schema`, the most literal reading first.

    A list stands for the object where that has a single property, an array.
    """
    lone = _lone_array(json_schema)
    for value in _found(_unquoted(text)):
        if isinstance(value, dict):
            yield from _with_wrapped(cast("dict[str, Any]", value))
        elif lone is not None:
            yield {lone: value}


def _found(text: str) -> Iterator[Any]:
    yield from _decoded(text)
    mended = _TRAILING_COMMA.sub(r"\1", _ESCAPE.sub(_mend_escape, text))
    if mended != text:
        yield from _decoded(mended)
    yield from _python_literal(text)
    if text.startswith("{") and not text.endswith("}"):
        yield from _closed(mended)


def _unquoted(text: str) -> str:
    # Some servers and models hand over the object as one JSON string.
    if not text.startswith('"'):
        return text
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _lone_array(json_schema: Mapping[str, Any]) -> str | None:
    [(name, part), *others] = json_schema["properties"].items()
    return name if not others and part["type"] == "array" else None


def _decoded(text: str) -> Iterator[Any]:
    position = 0
    while opening := _OPENING.search(text, position):
        try:
            value, position = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            position = opening.end()
        else:
            yield _with_latex(value) if any(mark in text for mark in _LATEX) else value


def _closed(text: str) -> Iterator[Any]:
    # Models stop before the last braces; a text that was cut within a string stays unreadable.
    for braces in range(1, _MOST_BRACES + 1):
        try:
            yield _with_latex(_DECODER.decode(text + "}" * braces))
        except (ValueError, RecursionError):
            continue


def _python_literal(text: str) -> Iterator[Any]:
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        try:
            yield ast.literal_eval(text[start : end + 1])
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return


def _with_wrapped(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield value
    # {"reply": {…}}, {"name": …, "arguments": {…}}: some models wrap what was asked for.
    inner = (cast("dict[str, Any]", part) for part in value.values() if isinstance(part, dict))
    yield from (part for part in inner if not any(map(_is_schema, part.values())))


def _is_schema(value: Any) -> bool:
    # Models that write the schema down again fill nothing in.
    return isinstance(value, dict) and "type" in value


def _mend_escape(match: re.Match[str]) -> str:
    # LaTeX such as \( or \sqrt is no JSON escape: the backslash was meant.
    return match[0] if match[1] else r"\\"


def _with_latex(value: Any) -> Any:
    # JSON reads \frac and \beta as a form feed and a backspace, which no answer holds on purpose.
    if isinstance(value, str):
        return value.replace("\f", r"\f").replace("\b", r"\b")
    if isinstance(value, list):
        return [_with_latex(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _with_latex(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
