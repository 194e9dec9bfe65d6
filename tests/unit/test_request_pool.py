"""A server as a pool: each sequence is asked for once, and only as long as somebody waits for it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

import pytest

from preflect.adapters.http_thread import HttpThread
from preflect.adapters.request_pool import RequestPool
from preflect.errors import RunError
from preflect.scoring.spans import Pass

SHORT, LONG, FAULT = Pass((1, 2), 1), Pass((1, 2, 3), 1), Pass((1, 9), 1)


@dataclass(eq=False)
class Waiting:
    """Implements `preflect.adapters.device_pool.Asker`."""

    left: bool = False
    told: list[float | Exception] = field(default_factory=list[float | Exception])
    done: threading.Event = field(default_factory=threading.Event)

    def gone(self) -> bool:
        return self.left

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        self.told.append(nll)
        self.done.set()

    def answered(self) -> float | Exception:
        assert self.done.wait(10)
        [told] = self.told
        return told


@dataclass
class Lengths:
    """A sequence costs its length; one at a time is asked for."""

    remembered: int = 100
    asked: list[Pass] = field(default_factory=list[Pass])

    def __post_init__(self) -> None:
        http = HttpThread("http://127.0.0.1:1", "")
        self.pool = RequestPool(http, self.mean_nll, concurrency=1, remembered=self.remembered)

    async def mean_nll(self, sequence: Pass) -> float:
        self.asked.append(sequence)
        await asyncio.sleep(0.02)
        if sequence == FAULT:
            raise RunError("gone")
        return float(len(sequence.ids))

    def ask(self, *sequences: Pass) -> list[Waiting]:
        askers = [Waiting() for _ in sequences]
        self.pool.ask(zip(sequences, askers, strict=True))
        return askers


def test_what_is_asked_again_now_or_later_is_one_request() -> None:
    server = Lengths()
    assert [one.answered() for one in server.ask(SHORT, LONG, SHORT)] == [2, 3, 2]
    assert [one.answered() for one in server.ask(LONG, SHORT)] == [3, 2]
    assert server.asked == [SHORT, LONG]


def test_only_so_many_answers_are_kept_and_the_latest_used() -> None:
    server = Lengths(remembered=2)
    other = Pass((4, 4), 1)
    for sequence in (SHORT, LONG, SHORT, other, SHORT, LONG):
        server.ask(sequence)[0].answered()
    assert server.asked == [SHORT, LONG, other, LONG]


def test_a_failure_is_told_and_not_kept() -> None:
    server = Lengths()
    bad, good = server.ask(FAULT, SHORT)
    assert isinstance(bad.answered(), RunError)
    assert good.answered() == 2
    assert isinstance(server.ask(FAULT)[0].answered(), RunError)
    assert server.asked == [FAULT, SHORT, FAULT]


def test_what_nobody_waits_for_any_more_is_not_asked_for() -> None:
    server = Lengths()
    first, second, third = server.ask(SHORT, LONG, FAULT)
    second.left = True
    assert first.answered() == 2
    assert isinstance(third.answered(), RunError)
    assert server.asked == [SHORT, FAULT]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_the_thread_of_the_requests_ends_when_nobody_has_it_any_more(url: str) -> None:
    before = set(threading.enumerate())
    http = HttpThread(url, "")
    [thread] = set(threading.enumerate()) - before
    del http
    thread.join(10)
    assert not thread.is_alive()
