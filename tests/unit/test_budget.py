"""The budget: what is set aside and spent together never passes the limit."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.budget import Budget
from preflect.errors import BudgetError

CENTS = st.integers(1, 50)


@given(calls=st.lists(st.tuples(CENTS, st.floats(0, 1), st.integers(0, 4)), max_size=40), limit=st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_no_order_of_calls_passes_the_limit(calls: list[tuple[int, float, int]], limit: int) -> None:
    budget = Budget(limit)
    held = 0
    highest = 0.0
    refused: list[int] = []

    async def call(most: int, share: float, pause: int) -> None:
        nonlocal held, highest
        try:
            async with budget.hold(most):
                held += most
                highest = max(highest, budget.spent_usd + held)
                for _ in range(pause):
                    await asyncio.sleep(0)
                held -= most
                budget.spend(int(most * share))
        except BudgetError:
            refused.append(most)

    async def call_all() -> None:
        await asyncio.gather(*(call(*each) for each in calls))

    asyncio.run(call_all())
    assert highest <= limit
    # Nothing is refused that had room: what was refused would still pass the limit.
    assert all(budget.spent_usd + most > limit for most in refused)
    assert held == 0


async def test_a_call_that_does_not_fit_waits_for_those_in_flight() -> None:
    budget = Budget(1.0)
    order: list[str] = []

    async def second() -> None:
        async with budget.hold(0.5):
            order.append("second")

    async with budget.hold(0.75):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.01)
        order.append("first")
        budget.spend(0.25)
    await waiting
    assert order == ["first", "second"]


async def test_a_call_that_can_never_fit_is_refused_with_what_is_spent() -> None:
    with pytest.raises(BudgetError, match=r"could cost 0\.500000 USD and pass the budget of 1\.00 USD, of which 0\.75"):
        async with Budget(1.0, spent_usd=0.75).hold(0.5):
            pytest.fail("the call was let through")


async def test_a_failed_call_gives_back_what_was_set_aside() -> None:
    budget = Budget(1.0)
    with pytest.raises(ConnectionError):
        async with budget.hold(1.0):
            raise ConnectionError
    async with budget.hold(1.0):
        assert budget.spent_usd == 0.0


async def test_without_a_limit_money_is_only_counted() -> None:
    budget = Budget(None)
    async with budget.hold(1e9):
        budget.spend(12.5)
    assert budget.spent_usd == 12.5
