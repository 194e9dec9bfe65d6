"""How servers are asked for the log-probabilities of a prompt's tokens, and how their replies are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from preflect.scoring.spans import Pass

_VLLM_MINUS_INFINITY: Final = -9999.0
"""What vLLM writes in its place, as JSON has no word for it; SGLang writes null."""
_TOKEN_ID: Final = "token_id:"  # noqa: S105  (a token of text, not a secret)

Entry = Mapping[int, float | None]
"""Log-probabilities by token id: the prompt's own, and perhaps those of likelier tokens; empty where there are none."""


class BadLogprobsError(Exception):
    """The reply does not say how likely each token was; the message says what it does instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of asking."""

    path: str
    """Below the server's root."""
    body: Callable[[str, Pass], dict[str, Any]]
    """From the model's name and a sequence."""
    entries: Callable[[bytes], Sequence[Entry]]
    """Those of a reply."""
    headroom: int
    """Tokens of the model's context that a prompt must leave free."""
    from_first: bool = False
    """Whether the entries begin one token before the scored ones, and not at the sequence's start."""
    stand_in: int = -1
    """An id that the server may show in place of a token's own."""

    def mean_nll(self, reply: bytes, sequence: Pass) -> float:
        """The mean negative log-likelihood of the sequence's scored tokens, in nats per token.

        Not a number where that of a token is none.

        Raises: BadLogprobsError: there are more or fewer entries than tokens, or other tokens than were sent.
        """
        start = sequence.first - 1 if self.from_first else 0
        try:
            entries = self.entries(reply)
        except ValidationError as error:
            raise BadLogprobsError(f"answers in another form: {error.errors()[0]['msg']}") from error
        if len(entries) != len(sequence.ids) - start:
            raise BadLogprobsError(f"gives {len(entries)} entries for {len(sequence.ids) - start} tokens")
        # The first entry is null: nothing comes before it.
        places = range(start + 1, len(sequence.ids))
        found = [self._own(entries[place - start], sequence.ids[place], place) for place in places]
        return -math.fsum(found[-sequence.tokens :]) / sequence.tokens

    def _own(self, entry: Entry, token: int, place: int) -> float:
        for shown in (token, self.stand_in):
            if shown in entry:
                return _number(entry[shown])
        got = ", ".join(map(str, entry)) or "nothing"
        raise BadLogprobsError(f"gives {got} at place {place}, where token {token} was sent")


def _number(logprob: float | None) -> float:
    return math.nan if logprob is None or logprob <= _VLLM_MINUS_INFINITY else logprob


class _Row(BaseModel):
    logprob: float | None = None


class _Echoed(BaseModel):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None


class _Choice(BaseModel):
    prompt_logprobs: list[dict[int, _Row] | None] | None = None
    logprobs: _Echoed | None = None


class _Completion(BaseModel):
    choices: list[_Choice]


class _MetaInfo(BaseModel):
    input_token_logprobs: list[tuple[float | None, int, str | None]] | None = None


class _Generated(BaseModel):
    meta_info: _MetaInfo


def _rows(reply: bytes) -> list[Entry]:
    rows = _choice(reply).prompt_logprobs
    if rows is None:
        raise BadLogprobsError("answers without prompt_logprobs")
    return [{token: said.logprob for token, said in (row or {}).items()} for row in rows]


def _echoed(reply: bytes) -> list[Entry]:
    echoed = _choice(reply).logprobs
    if echoed is None or echoed.tokens is None or echoed.token_logprobs is None:
        raise BadLogprobsError("echoes no log-probabilities")
    if len(echoed.tokens) != len(echoed.token_logprobs):
        raise BadLogprobsError(f"echoes {len(echoed.tokens)} tokens and {len(echoed.token_logprobs)} log-probabilities")
    pairs = zip(map(_id, echoed.tokens), echoed.token_logprobs, strict=True)
    return [{} if token is None else {token: logprob} for token, logprob in pairs]


def _id(token: str) -> int | None:
    digits = token.removeprefix(_TOKEN_ID)
    return int(digits) if token.startswith(_TOKEN_ID) and digits.isdecimal() else None


def _choice(reply: bytes) -> _Choice:
    choices = _Completion.model_validate_json(reply).choices
    if not choices:
        raise BadLogprobsError("answers without choices")
    return choices[0]


def _inputs(reply: bytes) -> list[Entry]:
    inputs = _Generated.model_validate_json(reply).meta_info.input_token_logprobs
    if inputs is None:
        raise BadLogprobsError("answers without input_token_logprobs")
    return [{token: logprob} for logprob, token, _ in inputs]


# The temperature is 1, because some servers divide by it before they answer.


def _ask_for_rows(model: str, sequence: Pass) -> dict[str, Any]:
    return {"model": model, "prompt": list(sequence.ids), "max_tokens": 1, "temperature": 1, "prompt_logprobs": 0}


def _ask_for_echo(model: str, sequence: Pass) -> dict[str, Any]:
    wanted = {"echo": True, "max_tokens": 0, "logprobs": 1, "return_tokens_as_token_ids": True}
    return {"model": model, "prompt": list(sequence.ids), "temperature": 1, **wanted}


def _ask_for_inputs(_: str, sequence: Pass) -> dict[str, Any]:
    wanted = {"return_logprob": True, "logprob_start_len": sequence.first - 1}
    return {"input_ids": list(sequence.ids), "sampling_params": {"max_new_tokens": 0, "temperature": 1}, **wanted}


_COMPLETIONS: Final = "/v1/completions"
WAYS: Final[Mapping[str, Sequence[Way]]] = {
    "vllm": (
        Way(path=_COMPLETIONS, body=_ask_for_rows, entries=_rows, headroom=1),
        Way(path=_COMPLETIONS, body=_ask_for_echo, entries=_echoed, headroom=1),
    ),
    # It shows the last id of its vocabulary as 0, and keeps a few tokens of its context to itself.
    "sglang": (Way(path="/generate", body=_ask_for_inputs, entries=_inputs, headroom=7, from_first=True, stand_in=0),),
}
"""By server; where it has several, the first that it understands."""
