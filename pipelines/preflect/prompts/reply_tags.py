"""Tagged text in the replies of models: `<critique>…</critique>`, and the many ways in which they come to write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_USED: Final = "\x00"
"""Fills the place of what was already read, so that nothing in it is taken for another tag."""
_BETTER: Final = r"(?:(?:new|improved|better|revised|rewritten|final|updated)[ _-]+)"
_ITEM: Final = re.compile(r"<\s*item\s*>(.*?)(?=<\s*/?\s*item\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_NUMBERED: Final = re.compile(r"^(?:\*\*)?\d{1,3}[.)](?:\*\*)?[ \t]+", re.MULTILINE)
_BULLETED: Final = re.compile(r"^[-*•][ \t]+", re.MULTILINE)
_CLOSING: Final = re.compile(
    r"\s*(?:\*\*)?(?:<\s*/\s*[\w -]+>|\[\s*/\s*[\w -]+\]|\[\s*end(?:\s+of\s+[\w -]+)?\s*\])(?:\*\*)?\s*\Z",
    re.IGNORECASE,
)


def read_tags(text: str, json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that `text` holds under tags or headings of their names; objects nest, arrays have items."""
    wanted: Mapping[str, Any] = json_schema["properties"]
    found = _sections(text, tuple(wanted))
    if not found and [part["type"] for part in wanted.values()] == ["array"]:
        found = dict.fromkeys(wanted, text)
    values = {name: _read_value(section, wanted[name]) for name, section in found.items()}
    return {name: value for name, value in values.items() if value not in ({}, [])}


def _read_value(section: str, part: Mapping[str, Any]) -> Any:
    if part["type"] == "object":
        return read_tags(section, part)
    if part["type"] == "array":
        return _items(section)
    return section.strip()


def _sections(text: str, names: tuple[str, ...]) -> dict[str, str]:
    closed: dict[str, str] = {}
    for name in names:
        span = _closed_span(text, name)
        if span is not None:
            start, inner_start, inner_end, end = span
            closed[name] = text[inner_start:inner_end].strip(_USED)
            text = text[:start] + _USED * (end - start) + text[end:]
    return {**closed, **_open_sections(text, tuple(name for name in names if name not in closed))}


def _closed_span(text: str, name: str) -> tuple[int, int, int, int] | None:
    word = _word(name)
    opening = re.compile(rf"<\s*{word}\s*>", re.IGNORECASE)
    # A tag at the start of a line is meant as one; within a line it may only be spoken of.
    start = re.compile(rf"^[ \t]*<\s*{word}\s*>", re.IGNORECASE | re.MULTILINE).search(text) or opening.search(text)
    if start is None:
        return None
    again = opening.search(text, start.end())
    limit = again.start() if again else len(text)
    ends = list(re.compile(rf"<\s*/\s*{word}\s*>", re.IGNORECASE).finditer(text, start.end(), limit))
    return (start.start(), start.end(), ends[-1].start(), ends[-1].end()) if ends else None


def _open_sections(text: str, names: tuple[str, ...]) -> dict[str, str]:
    marks = [(mark, name) for name in names if (mark := _first_mark(text, name)) is not None]
    marks.sort(key=lambda entry: entry[0].start())
    stops = [*(mark.start() for mark, _ in marks[1:]), len(text)]
    return {
        name: _CLOSING.sub("", text[mark.end() : stop].split(_USED, 1)[0])
        for (mark, name), stop in zip(marks, stops, strict=False)
    }


def _first_mark(text: str, name: str) -> re.Match[str] | None:
    return next((mark for style in _styles(_word(name)) if (mark := style.search(text))), None)


def _styles(word: str) -> Iterator[re.Pattern[str]]:
    yield re.compile(rf"<\s*{word}\s*>", re.IGNORECASE)
    # "New response" before "response": a critique may have a heading for the old one.
    for title in (_BETTER + word, word):
        yield re.compile(
            rf"^[ \t>]*(?:\d+[.)][ \t]*)?(?:(?:\*\*|__)[ \t]*\[?[ \t]*{title}[ \t]*\]?[ \t]*:?[ \t]*(?:\*\*|__)[ \t]*:?"
            rf"|\[[ \t]*{title}[ \t]*\][ \t]*:?|#{{1,6}}[ \t]*(?:\*\*)?\[?{title}\]?(?:\*\*)?[ \t]*:?[ \t]*$)",
            re.IGNORECASE | re.MULTILINE,
        )
    for title in (_BETTER + word, word):
        yield re.compile(rf"^[ \t]*(?:[-*•][ \t]+|\d+[.)][ \t]*)?{title}[ \t]*:", re.IGNORECASE | re.MULTILINE)


def _word(name: str) -> str:
    return r"[ _-]*".join(re.escape(word) for word in name.split("_"))


def _items(section: str) -> list[str]:
    tagged = [item.strip() for item in _ITEM.findall(section)]
    if tagged:
        return [item for item in tagged if item]
    start = _NUMBERED if _NUMBERED.search(section) else _BULLETED
    [_, *entries] = start.split(section)
    return [entry.strip() for entry in entries if entry.strip()]
