"""A server that says how likely the tokens of a prompt are."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import orjson

from preflect.adapters.chat_call import MOST_BAD_BODIES, MOST_THROTTLED, RETRIED_STATUS
from preflect.adapters.http_post import HttpPost
from preflect.adapters.http_thread import HttpThread
from preflect.adapters.logprob_wire import BadLogprobsError, Way
from preflect.adapters.refusals import read_refusal
from preflect.errors import RunError
from preflect.scoring.spans import Pass
from preflect.traffic.http_reply import HttpReply
from preflect.traffic.lane import OK, backoff_s
from preflect.traffic.told import throttle_pause_s, wants_money


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the model is, and how it may be asked."""

    root: str
    """The server's address, without `/v1`."""
    model: str
    """Its name there."""
    key: str = field(repr=False)
    timeout_s: float


class NotGivenError(RunError):
    """The server refuses the request, or answers without what it was asked for."""


class LogprobServer:
    """Asked in one way; a sequence is a request, sent again until it's answered."""

    def __init__(self, address: Address, way: Way) -> None:
        self._address: Final = address
        self._way: Final = way
        self._rng: Final = random.Random()  # noqa: S311  (spreads retries, nothing more)
        self.http: Final = HttpThread(address.root + way.path, address.key)

    async def mean_nll(self, sequence: Pass) -> float:
        """The mean negative log-likelihood of a sequence's scored tokens, in nats; to be awaited in `http`.

        Raises: NotGivenError; RunError: the server fails, or is not there.
        """
        return await _Call(self._address, self._way, sequence, self._rng).answer(self.http.post)


@dataclass(slots=True)
class _Call:
    """One sequence on its way; tried again as a chat call is, under one deadline."""

    address: Address
    way: Way
    sequence: Pass
    rng: random.Random
    _bad_bodies: int = 0
    _throttled: int = 0
    _last_words: str = ""

    async def answer(self, post: HttpPost) -> float:
        body = orjson.dumps(self.way.body(self.address.model, self.sequence))
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.address.timeout_s
        for attempt in count(1):
            reply = await post.send(body, deadline)
            nll = self._read(reply.body) if reply.status == OK else self._hear(reply)
            if nll is not None:
                return nll
            told_s = self._told_s(reply)
            # The time that the server asks for does not count.
            deadline += told_s
            pause_s = told_s or backoff_s(attempt, self.rng)
            if clock() + pause_s >= deadline:
                break
            await asyncio.sleep(pause_s)
        raise self._out_of_time()

    def _read(self, body: bytes) -> float | None:
        """The likelihood; None where it may come if asked for again. Raises: NotGivenError."""
        try:
            return self.way.mean_nll(body, self.sequence)
        except BadLogprobsError as error:
            self._last_words = str(error)
            self._bad_bodies += 1
            if self._bad_bodies >= MOST_BAD_BODIES:
                raise NotGivenError(self._said(self._last_words)) from error
            return None

    def _hear(self, reply: HttpReply) -> None:
        """Keep in mind what was got instead of a likelihood. Raises: RunError where no other attempt may help."""
        if reply.timed_out:
            raise self._out_of_time()
        if not reply.status:
            self._last_words = f"does not answer ({reply.failure})"
            return
        refusal = read_refusal(reply.status, reply.body)
        self._last_words = f"answers {refusal}"
        if reply.status not in RETRIED_STATUS or wants_money(reply.status, reply.body):
            raise NotGivenError(self._said(self._last_words))

    def _told_s(self, reply: HttpReply) -> float:
        """Seconds that the server wants to be left alone for. Raises: RunError where it has said so too often."""
        told_s = throttle_pause_s(reply.status, reply.headers, reply.body)
        self._throttled += told_s is not None
        if self._throttled >= MOST_THROTTLED:
            raise RunError(self._said(f"{self._last_words}, {self._throttled} times; lower concurrency"))
        return told_s or 0.0

    def _out_of_time(self) -> RunError:
        timeout_s = self.address.timeout_s
        if self._last_words:
            return RunError(self._said(f"{self._last_words}, again and again for {timeout_s:g} s"))
        return RunError(self._said(f"gives no reply within {timeout_s:g} s; lower concurrency, or raise timeout_s"))

    def _said(self, words: str) -> str:
        return f"the student's server {self.address.root} {words}"
