"""The budget: what is set aside and spent together never passes the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.budget import Budget, Held
from preflect.errors import BudgetError


@dataclass(frozen=True)
class Request:
    """What becomes of one request, in rounds of the event loop: it costs `share` of `most`, if it's ever answered."""

    most: int
    share: float
    starts: int
    takes: int
    end: Literal["settled", "lost", "unsent", "cut off"]
    given_up: int | None
    """When whoever asked stops waiting."""


REQUESTS = st.builds(
    Request,
    most=st.integers(1, 50),
    share=st.floats(0, 1),
    starts=st.integers(0, 6),
    takes=st.integers(0, 4),
    end=st.sampled_from(["settled", "settled", "lost", "unsent", "cut off"]),
    given_up=st.none() | st.integers(0, 12),
)


class Watched:
    """A budget in whole dollars under many requests, with its sums checked at every turn."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.budget = Budget(limit)
        self.paid = 0
        self.lost = 0
        self.refused: list[int] = []

    def check(self) -> None:
        assert self.budget.spent_usd + self.budget.held_usd <= self.limit
        assert self.budget.spent_usd == self.paid

    async def ask(self, request: Request) -> None:
        await rounds(request.starts)
        try:
            async with self.budget.hold(request.most) as held:
                self.check()
                await self.work(request, held)
        except BudgetError:
            self.refused.append(request.most)
        except ConnectionError:
            pass
        self.check()

    async def work(self, request: Request, held: Held) -> None:
        if request.end == "unsent":
            raise ConnectionError
        held.sent()
        try:
            await rounds(request.takes)
        except asyncio.CancelledError:
            self.count(request.most, lost=True)
            raise
        if request.end == "cut off":
            self.count(request.most, lost=True)
            raise ConnectionError
        cost = int(request.most * request.share)
        self.count(cost, lost=request.end == "lost")
        if request.end == "lost":
            held.lose(cost)
        else:
            held.settle(cost)

    def count(self, cost: int, *, lost: bool) -> None:
        self.paid += cost
        self.lost += cost if lost else 0

    async def ask_all(self, requests: Sequence[Request]) -> None:
        tasks = [asyncio.create_task(self.ask(request)) for request in requests]
        for now in range(13):
            for task, request in zip(tasks, requests, strict=True):
                if request.given_up == now:
                    task.cancel()
            await asyncio.sleep(0)
        if tasks:
            _, waiting = await asyncio.wait(tasks, timeout=10)
            assert not waiting, "nobody waits for ever"
        for task in tasks:
            if not task.cancelled():
                task.result()


async def rounds(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@given(requests=st.lists(REQUESTS, max_size=40), limit=st.integers(1, 200))
@settings(max_examples=200, deadline=None)
def test_no_order_of_requests_passes_the_limit_and_none_waits_for_ever(requests: list[Request], limit: int) -> None:
    watched = Watched(limit)
    asyncio.run(watched.ask_all(requests))
    assert watched.budget.held_usd == 0
    assert watched.budget.lost_usd == watched.lost
    # Nothing is refused that had room: what was refused would still pass the limit.
    assert all(watched.budget.spent_usd + most > limit for most in watched.refused)


async def test_a_request_that_does_not_fit_waits_for_those_in_flight() -> None:
    budget = Budget(1.0)
    order: list[str] = []

    async def second() -> None:
        async with budget.hold(0.5):
            order.append("second")

    async with budget.hold(0.75) as held:
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.01)
        order.append("first")
        held.settle(0.25)
    await waiting
    assert order == ["first", "second"]


async def test_those_who_wait_go_in_the_order_in_which_they_came() -> None:
    budget = Budget(1.0)
    order: list[float] = []

    async def ask(most: float) -> None:
        async with budget.hold(most):
            order.append(most)
            await asyncio.sleep(0)

    async with budget.hold(0.8):
        # The small ones would fit, and would keep the large one waiting for ever.
        waiting = [asyncio.create_task(ask(most)) for most in (0.9, 0.1, 0.2)]
        await asyncio.sleep(0.01)
        assert order == []
    await asyncio.gather(*waiting)
    assert order == [0.9, 0.1, 0.2]


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    budget = Budget(1.0)

    async def ask(most: float) -> None:
        async with budget.hold(most):
            pass

    async with budget.hold(0.8):
        large, small = asyncio.create_task(ask(0.9)), asyncio.create_task(ask(0.1))
        await asyncio.sleep(0.01)
        large.cancel()
        await asyncio.wait_for(small, timeout=1)
    assert budget.held_usd == 0


async def test_a_turn_that_comes_with_a_cancellation_is_given_back() -> None:
    budget = Budget(1.0)

    async def ask() -> None:
        async with budget.hold(0.9):
            pytest.fail("its task was cancelled before it could begin")

    async with budget.hold(0.8) as held:
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0.01)
        held.settle(0.0)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (budget.held_usd, budget.spent_usd) == (0, 0)


async def test_a_call_that_can_never_fit_is_refused_with_what_is_spent() -> None:
    with pytest.raises(BudgetError, match=r"could cost 0\.500000 USD and pass the budget of 1\.00 USD, of which 0\.75"):
        async with Budget(1.0, spent_usd=0.75).hold(0.5):
            pytest.fail("the call was let through")


async def test_a_request_that_was_not_sent_gives_back_what_was_set_aside() -> None:
    budget = Budget(1.0)
    with pytest.raises(ConnectionError):
        async with budget.hold(1.0):
            raise ConnectionError
    async with budget.hold(1.0):
        assert budget.spent_usd == 0.0


async def test_a_request_that_was_sent_and_never_answered_may_have_cost_all_of_it() -> None:
    budget = Budget(1.0)
    async with budget.hold(0.4) as held:
        held.sent()
    assert (budget.spent_usd, budget.held_usd) == (0.4, 0.0)
    assert budget.lost_usd == 0.4
    budget.forget_lost()
    assert budget.lost_usd == 0.0


async def test_a_thousand_calls_of_a_tenth_of_a_cent_fit_into_a_dollar() -> None:
    # As floats they add up to more.
    budget = Budget(1.0)
    for _ in range(1000):
        async with budget.hold(0.001) as held:
            held.settle(0.001)
    assert budget.spent_usd == 1.0


async def test_what_costs_nothing_does_not_wait_for_what_does() -> None:
    budget = Budget(1.0, spent_usd=1.0)
    async with budget.hold(0.0) as held:
        held.settle(0.0)


async def test_a_cost_is_said_once() -> None:
    async with Budget(1.0).hold(0.5) as held:
        held.settle(0.5)
        with pytest.raises(AssertionError):
            held.settle(0.5)


async def test_without_a_limit_money_is_only_counted() -> None:
    budget = Budget(None)
    async with budget.hold(1e9) as held:
        held.settle(12.5)
    assert budget.spent_usd == 12.5
