"""What a request asks for: which of preflect's prompts it is, and the pieces of data that stand in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args

from preflect.sim.world import fold

Kind = Literal["reflect_instruction", "reflect_response", "judge_aspects", "self_instruct", "chat", "other"]
"""`chat`: answer the last turn; `other`: a reply with named parts that no prompt of preflect asks for."""
_PROMPTS: Final[tuple[Kind, ...]] = get_args(Kind)[:4]
_DEFAULT_ASPECTS: Final = ("instruction_following", "honesty", "truthfulness", "helpfulness")
_DEFAULT_COUNT: Final = 4

_DATUM: Final = re.compile(
    r"^<(?P<tag>[a-z]+(?:_[a-z]+)*(?:_\d+)?)>\n(?P<text>.*?)\n?^</(?P=tag)>$", re.DOTALL | re.MULTILINE
)
_USER_TURN: Final = re.compile(r'^<turn role="user">\n(.*?)\n</turn>$', re.DOTALL | re.MULTILINE)
_ASPECT: Final = re.compile(r'^<rubric aspect="([^"]+)">$', re.MULTILINE)
_COUNT: Final = re.compile(r"\bexactly (\d+) new\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, understood."""

    kind: Kind
    tagged: bool = False
    """Whether the reply's parts are wanted in tags instead of JSON."""
    again: bool = False
    """Whether an earlier reply in this conversation could not be read."""
    instruction: str = ""
    """With its input below it, if it has one."""
    response: str = ""
    responses: tuple[str, ...] = ()
    exemplars: tuple[str, ...] = ()
    count: int = _DEFAULT_COUNT
    aspects: tuple[str, ...] = _DEFAULT_ASPECTS
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])


def understand(body: Mapping[str, Any]) -> Ask:
    """What the request is about; its messages must have been checked to be a list of roles with contents."""
    messages = cast("list[dict[str, Any]]", body["messages"])
    kind, tagged, schema = _form(body.get("response_format"), messages)
    if kind == "chat":
        return Ask(kind="chat", instruction=_last_user_turn(messages))
    asked = next((_text(message) for message in messages if message["role"] == "user"), "")
    data = _data_of(asked)
    instruction = _last_turn_shown(next(iter(data.get("instruction", ())), ""))
    given = next(iter(data.get("input", ())), "")
    return Ask(
        kind=kind,
        tagged=tagged,
        again=any(message["role"] == "assistant" for message in messages),
        instruction=f"{instruction}\n\n{given}" if given else instruction,
        response=next(iter(data.get("response", ())), ""),
        responses=_numbered(data),
        exemplars=tuple(data.get("instruction", ())),
        count=int(found[1]) if (found := _COUNT.search(asked)) else _DEFAULT_COUNT,
        aspects=tuple(_ASPECT.findall(asked)) or _aspects_of(schema),
        schema=schema,
    )


def _form(wanted: Any, messages: list[dict[str, Any]]) -> tuple[Kind, bool, Mapping[str, Any]]:
    """Which prompt it is, whether it wants tags, and the schema of the reply."""
    given = cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else {}
    if given.get("type") == "json_schema":
        named = cast("dict[str, Any]", given.get("json_schema") or {})
        name = cast("Kind", named.get("name"))
        return name if name in _PROMPTS else "other", False, cast("dict[str, Any]", named.get("schema") or {})
    kind = _prompt_of(messages)
    if kind is not None:
        return kind, given.get("type") != "json_object", {}
    return ("other", False, {}) if given.get("type") == "json_object" else ("chat", False, {})


def _prompt_of(messages: list[dict[str, Any]]) -> Kind | None:
    """The prompt whose system message opens the conversation."""
    if messages[0]["role"] != "system":
        return None
    # Reading prompt files takes a fifth of the start-up time, and structured requests name their prompt themselves.
    from preflect.prompts import load_prompt  # noqa: PLC0415

    said = fold(_text(messages[0]))
    return next((name for name in _PROMPTS if said.startswith(fold(load_prompt(name).system))), None)


def _data_of(asked: str) -> dict[str, list[str]]:
    """The pieces of data that stand between tags on lines of their own, by tag, in their order."""
    data: dict[str, list[str]] = {}
    for piece in _DATUM.finditer(asked):
        data.setdefault(piece["tag"], []).append(piece["text"])
    return data


def _last_turn_shown(instruction: str) -> str:
    """Of an instruction that is shown as a conversation, the user's last words."""
    turns = _USER_TURN.findall(instruction)
    return turns[-1] if turns else instruction


def _numbered(data: Mapping[str, list[str]]) -> tuple[str, ...]:
    answers: list[str] = []
    while f"response_{len(answers) + 1}" in data:
        answers.append(data[f"response_{len(answers) + 1}"][0])
    return tuple(answers)


def _aspects_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    first = schema.get("properties", {}).get("response_1", {})
    return tuple(first.get("properties", _DEFAULT_ASPECTS))


def _last_user_turn(messages: list[dict[str, Any]]) -> str:
    return next((_text(message) for message in reversed(messages) if message["role"] == "user"), "")


def _text(message: Mapping[str, Any]) -> str:
    """The words of a message, whose content is a text or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        return "".join(str(part.get("text", "")) for part in parts)
    return content if isinstance(content, str) else ""
