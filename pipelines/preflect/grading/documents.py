"""JSON documents in a text: the whole of it, in fences, or amid prose."""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn

from pydantic import JsonValue

_FENCE: Final = re.compile(r"^[^\S\n]*(?:```|~~~)[^\n]*\n(.*?)^[^\S\n]*(?:```|~~~)[^\S\n]*$", re.DOTALL | re.MULTILINE)
_OPENING: Final = re.compile(r"[{\[]")


class JsonTextError(ValueError):
    """The text is not one JSON document."""


def read_json(text: str) -> JsonValue:
    """The document that the whole text is. Raises: JsonTextError (also for NaN, infinities and repeated keys)."""
    try:
        return _DECODER.decode(text.strip())
    except RecursionError as error:
        raise JsonTextError("nested too deeply") from error
    except ValueError as error:
        raise JsonTextError(str(error)) from error


def documents_in(text: str) -> list[JsonValue]:
    """All documents of the text: itself, else its fenced blocks, else objects and arrays in prose."""
    try:
        return [read_json(text)]
    except JsonTextError:
        return _fenced(text) or _embedded(text)


def _fenced(text: str) -> list[JsonValue]:
    found: list[JsonValue] = []
    for block in _FENCE.findall(text):
        try:
            found.append(read_json(block))
        except JsonTextError:
            continue
    return found


def _embedded(text: str) -> list[JsonValue]:
    found: list[JsonValue] = []
    opening = _OPENING.search(text)
    while opening:
        try:
            document, end = _DECODER.raw_decode(text, opening.start())
            found.append(document)
        except json.JSONDecodeError as error:
            # What stands inside a broken document is no document, and going on behind it keeps this linear.
            end = max(error.pos, opening.start() + 1)
        except (ValueError, RecursionError):
            return found
        opening = _OPENING.search(text, end)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is repeated")
    return dict(pairs)


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse, object_pairs_hook=_unique_keys)
