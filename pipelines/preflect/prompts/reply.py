"""Replies with named parts: how they are asked for in words, and how they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from preflect.errors import ReplyError
from preflect.prompts.reply_json import json_values
from preflect.prompts.reply_shape import Fault, find_faults, fit
from preflect.prompts.reply_tags import read_tags

_THOUGHTS: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def format_directions(json_schema: Mapping[str, Any], style: Literal["json_object", "tags"]) -> str:
    """What to add to the system message of a model without JSON-schema output, for a reply in these parts."""
    if style == "json_object":
        return (
            "Reply with one JSON object and nothing before or after it, without a code fence. "
            f"This JSON schema describes it:\n\n{json.dumps(json_schema, ensure_ascii=False, indent=2)}"
        )
    return (
        "Reply in tagged text: each tag on a line of its own, opened and closed, all of them in this order, "
        "nothing outside the tags. In place of each line in round brackets stands what it describes.\n\n"
        + "\n".join(_skeleton(json_schema))
    )


def parse_reply(text: str, json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a reply, valid under `json_schema`: read as JSON, bare or within prose, else as tagged text.

    Raises: ReplyError whose `detail` says what is missing or wrong, in words that the model can be shown; its reason is
        `unparsable`, `empty` for a reply without text, or `placeholder` for a part that was never filled in.
    """
    said = _THOUGHTS.sub("", text).strip()
    if not said:
        raise ReplyError("empty", "the reply holds no text")
    fewest: list[Fault] | None = None
    for value in _readings(said, json_schema):
        parts = fit(value, json_schema)
        faults = find_faults(parts, json_schema)
        if not faults:
            return parts
        fewest = faults if fewest is None or len(faults) < len(fewest) else fewest
    raise _unusable(fewest, json_schema)


def _readings(said: str, json_schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from json_values(said, json_schema)
    parts = read_tags(said, json_schema)
    if parts:
        yield parts


def _unusable(faults: list[Fault] | None, json_schema: Mapping[str, Any]) -> ReplyError:
    if not faults:
        wanted = ", ".join(f"`{name}`" for name in json_schema["properties"])
        return ReplyError("unparsable", f"it holds neither a JSON object nor tagged parts; wanted are {wanted}")
    reason = "placeholder" if all(fault.placeholder for fault in faults) else "unparsable"
    return ReplyError(reason, "; ".join(fault.words for fault in faults))


def _skeleton(json_schema: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    pad = "  " * depth
    for name, part in json_schema["properties"].items():
        yield f"{pad}<{name}>"
        if part["type"] == "object":
            yield from _skeleton(part, depth + 1)
        elif part["type"] == "array":
            yield from (f"{pad}  <item>", f"{pad}  {_described(part['items'])}", f"{pad}  </item>")
            yield f"{pad}  (and an <item> for each further one)"
        else:
            yield f"{pad}{_described(part)}"
        yield f"{pad}</{name}>"


def _described(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return f"(one of {', '.join(str(value) for value in part['enum'])})"
    return f"({part.get('description', part['type'])})"
