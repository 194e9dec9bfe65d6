"""The simulator without its server: a request's body in, the reply and the truth about it out, the same each time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from preflect.scoring.truth import truth_key
from preflect.sim.dialogue import Ask, Kind, understand
from preflect.sim.judge import Mark, rate
from preflect.sim.options import Profile, SimOptions
from preflect.sim.reply_form import as_json, in_tags, parts_for, spoilt
from preflect.sim.teacher import NewInstruction, Written, draft, renew, rewrite, think_up
from preflect.sim.world import World
from preflect.sim.world.known import read_known

CHARS_PER_TOKEN: Final = 4
_LIMITS: Final = ("max_tokens", "max_completion_tokens")

Record = Mapping[str, Any]
"""One line of the truth file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the replies to a request."""

    text: str
    finish_reason: str = "stop"
    records: tuple[Record, ...] = ()
    known: bool = True
    """Whether the simulator knows the task."""

    def lines(self) -> list[bytes]:
        """The records as lines of the truth file."""
        return [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in self.records]


@dataclass(frozen=True, slots=True)
class Reply:
    """All choices for one request."""

    kind: Kind
    choices: tuple[Choice, ...]


class Simulator:
    """Answers requests as a pure function of the seed and the request's body."""

    def __init__(self, options: SimOptions) -> None:
        """Raises: DataError for a file of known tasks that cannot be read."""
        self._options = options
        self._world = World(read_known(options.known))

    def profile_of(self, model: str) -> Profile:
        """How the model of this name behaves."""
        return self._options.profiles.get(model, self._options.profile)

    def reply(self, body: Mapping[str, Any]) -> Reply:
        """The reply to a chat request, whose messages must be a list of roles with contents."""
        ask = understand(body)
        profile = self.profile_of(str(body.get("model")))
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        # The limit only cuts: with a larger one, the same text goes on.
        asked = {name: value for name, value in body.items() if name not in _LIMITS}
        request = hashlib.blake2b(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
        choices: list[Choice] = []
        for number in range(int(body.get("n") or 1)):
            rng = random.Random(f"{profile.seed} {request} {number}")  # noqa: S311 - repeatable, no secret
            choices.append(_limited(self._choice(ask, profile, rng, limit), limit))
        return Reply(ask.kind, tuple(choices))

    def _choice(self, ask: Ask, profile: Profile, rng: random.Random, limit: int | None) -> Choice:
        if ask.kind == "chat":
            written = draft(self._world, ask.instruction, profile.rates, rng, limit=limit)
            record = _record_of("draft", ask.instruction, written)
            reason = "length" if written.cut_off else "stop"
            known = written.task is not None
            return Choice(text=written.text, finish_reason=reason, records=(record,), known=known)
        parts, records, known = self._parts(ask, profile, rng)
        text = in_tags(parts) if ask.tagged else as_json(parts)
        if not ask.again and rng.random() < self._options.malformed:
            return Choice(text=spoilt(text, tagged=ask.tagged), known=known)
        return Choice(text=text, records=tuple(records), known=known)

    def _parts(self, ask: Ask, profile: Profile, rng: random.Random) -> tuple[Mapping[str, Any], list[Record], bool]:
        match ask.kind:
            case "reflect_response":
                critique, written = rewrite(self._world, ask.instruction, ask.response, profile.rates, rng)
                record = _record_of("rewrite", ask.instruction, written)
                return {"critique": critique, "response": written.text}, [record], written.task is not None
            case "reflect_instruction":
                critique, new, written = renew(self._world, ask.instruction, ask.response, profile.rates, rng)
                family = written.task.family if written.task else None
                records = [_record_of_instruction(NewInstruction(new, family)), _record_of("rewrite", new, written)]
                parts = {"critique": critique, "instruction": new, "response": written.text}
                return parts, records, written.task is not None
            case "self_instruct":
                thought_up = think_up(ask.exemplars, ask.count, rng)
                parts = {"instructions": [new.text for new in thought_up]}
                return parts, list(map(_record_of_instruction, thought_up)), True
            case "judge_aspects":
                return self._judged(ask, profile, rng)
            case _:
                return parts_for(ask.schema) or {}, [], False

    def _judged(self, ask: Ask, profile: Profile, rng: random.Random) -> tuple[Mapping[str, Any], list[Record], bool]:
        task = self._world.recognise(ask.instruction)
        marked = rate(task, ask.responses, ask.aspects, profile.rates, rng)
        parts = {
            f"response_{place}": {mark.aspect: {"rationale": mark.rationale, "score": mark.given} for mark in marks}
            for place, marks in enumerate(marked, start=1)
        }
        return parts, _records_of_marks(ask, marked), task is not None


def _limited(choice: Choice, limit: int | None) -> Choice:
    """The choice cut off where it passes the tokens that the request allows."""
    if not limit or tokens(choice.text) <= limit:
        return choice
    # What was cut has another truth, and as it is declared as cut, nobody needs to know it.
    return replace(choice, text=choice.text[: limit * CHARS_PER_TOKEN], finish_reason="length", records=())


def tokens(text: str) -> int:
    """How many tokens the simulator counts a text as."""
    return -(-len(text) // CHARS_PER_TOKEN)


def _record_of(kind: str, instruction: str, written: Written) -> Record:
    truth = written.truth
    return {
        "kind": kind,
        "key": truth_key(instruction, written.text),
        "quality": truth.quality if truth else None,
        "fault": truth.fault if truth else None,
        "task": written.task.family if written.task else None,
    }


def _record_of_instruction(new: NewInstruction) -> Record:
    return {
        "kind": "instruction",
        "key": truth_key(new.text, ""),
        "quality": None,
        "fault": new.flaw,
        "task": new.family,
    }


def _records_of_marks(ask: Ask, marked: Sequence[Sequence[Mark]]) -> list[Record]:
    return [
        {
            "kind": "rating",
            "key": truth_key(ask.instruction, answer),
            "aspect": mark.aspect,
            "true": mark.true,
            "given": mark.given,
            "shown_at": place,
        }
        for place, (answer, marks) in enumerate(zip(ask.responses, marked, strict=True), start=1)
        for mark in marks
    ]
