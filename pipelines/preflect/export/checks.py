"""What makes a row unfit for training. Trainers accept most of it silently; here it's refused, with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from preflect.export.leaks import leaked_token, states_answer
from preflect.export.turns import (
    RowProblemError,
    Turn,
    check_conversation,
    check_order,
    last_role,
    read_turns,
    same_turns,
)
from preflect.grading import is_refusal, self_test
from preflect.schemas import GraderSpec

RowKind = Literal["sft", "dpo", "rft", "kto"]

_GRADER: Final = TypeAdapter[GraderSpec](GraderSpec)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is refused."""

    reason: str
    """A short code."""
    detail: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a row is told from others: digests in hex."""

    row: str
    preference: tuple[str, str, str] | None = None
    """Prompt, chosen and rejected, where the row prefers one."""


class RowChecker:
    """Checks the rows of one dataset, one after the other; remembers what it needs to see repeats."""

    def __init__(self, kind: RowKind, *, max_prompt_chars: int | None = None) -> None:
        self._kind: RowKind = kind
        self._max_prompt_chars = max_prompt_chars
        self._repeats = Repeats()
        self._sides: dict[str, str] = {}
        self._shapes: dict[str, type] = {}

    def check(self, row: Mapping[str, Any], side: str | None = None) -> Problem | None:
        """The first thing wrong with the row, None if nothing is.

        Rows of another side of the split, where they name one, must not have its prompt.
        """
        try:
            self._check_shapes(row)
            prompt, completions = _examined(row, self._kind, self._max_prompt_chars)
            self._check_side(prompt, completions, side)
        except RowProblemError as problem:
            return Problem(problem.reason, problem.detail)
        return self._repeats.check(_fingerprint(self._kind, prompt, completions))

    def _check_shapes(self, row: Mapping[str, Any]) -> None:
        for name in ("messages", "text", "prompt", "completion", "chosen", "rejected"):
            value = row.get(name)
            if isinstance(value, str | list):
                shape = self._shapes.setdefault(name, str if isinstance(value, str) else list)
                if not isinstance(value, shape):
                    raise RowProblemError("mixed_types", f"{name} is text in one row and a list in another")

    def _check_side(self, prompt: Sequence[Turn], completions: Mapping[str, Sequence[Turn]], side: str | None) -> None:
        if side is None:
            return
        first = self._sides.setdefault(_digest([prompt] if prompt else completions.values()), side)
        if first != side:
            raise RowProblemError("in_both_splits", f"a row of {first} has the same prompt")


class Repeats:
    """Sees what only a row's predecessors can show."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._preferred: set[tuple[str, str, str]] = set()

    def check(self, row: Fingerprint) -> Problem | None:
        """What's wrong with the row after those before it, None if nothing is."""
        if row.row in self._seen:
            return Problem("duplicate_row", "an earlier row is the same")
        self._seen.add(row.row)
        if row.preference:
            asked, better, worse = row.preference
            if (asked, worse, better) in self._preferred:
                return Problem("swapped_completions", "an earlier row of this prompt prefers them the other way")
            self._preferred.add((asked, better, worse))
        return None


def inspected(row: Mapping[str, Any], kind: RowKind, *, max_prompt_chars: int | None = None) -> Fingerprint | Problem:
    """What's wrong with the row by itself; where nothing is, by what `Repeats` knows it."""
    try:
        return _fingerprint(kind, *_examined(row, kind, max_prompt_chars))
    except RowProblemError as problem:
        return Problem(problem.reason, problem.detail)


def _examined(
    row: Mapping[str, Any], kind: RowKind, max_prompt_chars: int | None
) -> tuple[list[Turn], dict[str, list[Turn]]]:
    """The row's prompt and completions. Raises: RowProblemError: it isn't fit by itself."""
    prompt, completions = _read(row, kind)
    _check_sides(prompt, completions)
    chars = sum(len(turn.content) for turn in prompt)
    if max_prompt_chars is not None and chars > max_prompt_chars:
        raise RowProblemError("prompt_too_long", f"{chars} characters, {max_prompt_chars} at most")
    _check_kind(row, kind, prompt, completions)
    return prompt, completions


def _fingerprint(kind: RowKind, prompt: Sequence[Turn], completions: Mapping[str, Sequence[Turn]]) -> Fingerprint:
    row = _digest([prompt, *completions.values()])
    if kind != "dpo":
        return Fingerprint(row)
    return Fingerprint(row, (_digest([prompt]), _digest([completions["chosen"]]), _digest([completions["rejected"]])))


def _digest(sides: Iterable[Sequence[Turn]]) -> str:
    text = json.dumps([[(turn.role, turn.content, turn.calls) for turn in side] for side in sides])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read(row: Mapping[str, Any], kind: RowKind) -> tuple[list[Turn], dict[str, list[Turn]]]:
    """The prompt, and the completions by column."""
    match kind:
        case "sft":
            return _read_sft(row)
        case "dpo":
            return _read_dpo(row)
        case "kto":
            return read_turns(row, "prompt"), {"completion": read_turns(row, "completion")}
        case "rft":
            return read_turns(row, "prompt"), {}


def _read_sft(row: Mapping[str, Any]) -> tuple[list[Turn], dict[str, list[Turn]]]:
    if row.get("text") is not None and row.get("messages") is None:
        return [], {"text": read_turns(row, "text")}
    if row.get("prompt") is not None and row.get("messages") is None:
        return read_turns(row, "prompt"), {"completion": read_turns(row, "completion")}
    turns = read_turns(row, "messages")
    check_conversation(turns, "messages")
    if last_role(turns) != "assistant":
        raise RowProblemError("last_not_assistant", f"the last turn is the {last_role(turns)}'s")
    if len(turns) == 1:
        raise RowProblemError("empty_prompt", "there is no turn before the assistant's")
    return turns[:-1], {"messages": turns[-1:]}


def _read_dpo(row: Mapping[str, Any]) -> tuple[list[Turn], dict[str, list[Turn]]]:
    chosen, rejected = read_turns(row, "chosen"), read_turns(row, "rejected")
    if row.get("prompt") is not None or isinstance(row["chosen"], str):
        return read_turns(row, "prompt"), {"chosen": chosen, "rejected": rejected}
    # Without a prompt column both sides are whole conversations: the prompt is what they share.
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    return chosen[:shared], {"chosen": chosen[shared:], "rejected": rejected[shared:]}


def _check_sides(prompt: Sequence[Turn], completions: Mapping[str, Sequence[Turn]]) -> None:
    if "text" in completions:
        check_conversation(completions["text"], "text")
        return
    if not prompt:
        raise RowProblemError("empty_prompt", "chosen and rejected share no prompt")
    check_conversation(prompt, "prompt")
    if last_role(prompt) not in {"user", "tool"}:
        raise RowProblemError("prompt_not_user", f"the prompt's last turn is the {last_role(prompt)}'s")
    for name, completion in completions.items():
        check_conversation(completion, name)
        if last_role(completion) != "assistant":
            raise RowProblemError("last_not_assistant", f"{name}: the last turn is the {last_role(completion)}'s")
        if _repeats(prompt, completion):
            raise RowProblemError("prompt_in_completion", f"{name} repeats the prompt")
        check_order([*prompt, *completion], name)
    for name, turns in {"prompt": prompt, **completions}.items():
        for turn in turns:
            token = leaked_token(turn.role, turn.content)
            if token:
                raise RowProblemError("template_token", f"{name} contains {token!r}")


def _repeats(prompt: Sequence[Turn], completion: Sequence[Turn]) -> bool:
    if any(turn in prompt for turn in completion if turn.role in {"user", "system"}):
        return True
    # A short prompt may well begin its own answer ("Hello" - "Hello!").
    asked, answered = prompt[-1].content.strip(), completion[0].content.lstrip()
    return len(asked.split()) > 3 and answered.startswith(asked)  # noqa: PLR2004


def _check_kind(
    row: Mapping[str, Any], kind: RowKind, prompt: Sequence[Turn], completions: Mapping[str, Sequence[Turn]]
) -> None:
    if kind == "dpo" and same_turns(completions["chosen"], completions["rejected"]):
        raise RowProblemError("same_completions", "chosen and rejected differ in white space and case at most")
    if kind == "kto" and not isinstance(row.get("label"), bool):
        raise RowProblemError("label_not_bool", f"label is {row.get('label')!r}")
    if kind == "sft":
        _check_answer(completions)
    if kind == "rft":
        _check_rft(row, prompt)
    _check_tools(row)


def _check_answer(completions: Mapping[str, Sequence[Turn]]) -> None:
    for name, turns in completions.items():
        # A text of a whole conversation is not an answer.
        if name != "text" and is_refusal(turns[-1].content):
            raise RowProblemError("refusal", f"the answer refuses: {turns[-1].content[:80]!r}")


def _check_rft(row: Mapping[str, Any], prompt: Sequence[Turn]) -> None:
    if last_role(prompt) != "user":
        raise RowProblemError("prompt_not_user", f"the prompt's last turn is the {last_role(prompt)}'s")
    grader, reference = _grader_of(row), row.get("reference_answer")
    if "grader" in row and grader is None:
        raise RowProblemError("no_grader", "the row has no grader, so that every answer to it would be worth the same")
    if reference is not None and not isinstance(reference, str):
        raise RowProblemError("reference_not_text", f"reference_answer is {type(reference).__name__}")
    problems = self_test(grader, reference) if grader else []
    if problems:
        raise RowProblemError("grader_self_test", problems[0])
    if states_answer(prompt, grader, reference):
        raise RowProblemError("prompt_contains_answer", "the prompt states the reference answer")


def _grader_of(row: Mapping[str, Any]) -> GraderSpec | None:
    if row.get("grader") is None:
        return None
    try:
        return _GRADER.validate_json(row["grader"])
    except (ValidationError, TypeError) as error:
        raise RowProblemError("invalid_grader", f"grader is no grader's JSON: {str(error).splitlines()[0]}") from error


def _check_tools(row: Mapping[str, Any]) -> None:
    tools = row.get("tools")
    if tools is None:
        return
    try:
        json.loads(tools)
    except (ValueError, TypeError) as error:
        raise RowProblemError("tools_not_json", "tools is a column of JSON text") from error
