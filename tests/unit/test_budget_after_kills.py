"""The budget over sittings that are killed: whatever the endpoint had billed by then stays below the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.budget import Budget, Held
from preflect.engine.journal import LOST_USD, Journal, open_journal
from preflect.engine.watermark import Watermark

from .journals import call

LIMIT = 100


@dataclass(frozen=True)
class Step:
    """One thing that happens in a sitting; `share` is how much of its most a request costs."""

    what: Literal["send", "answer", "answer unwritten", "lose", "batch", "tick"]
    most: int
    share: float


STEPS = st.builds(
    Step,
    what=st.sampled_from(["send", "send", "send", "answer", "answer unwritten", "lose", "batch", "tick"]),
    most=st.integers(1, 30),
    share=st.floats(0, 1),
)


@dataclass
class Desk:
    """A budget and its journal, and the endpoint that bills whatever is sent at once."""

    journal: Journal
    budget: Budget
    billed: float
    flying: list[tuple[Held, float]] = field(default_factory=list[tuple[Held, float]])
    """Requests under way, with what each costs."""
    written: int = 0

    async def take(self, step: Step, holds: AsyncExitStack) -> None:
        match step.what:
            case "send" if self.budget.spent_usd + self.budget.held_usd + step.most <= LIMIT:
                held = await holds.enter_async_context(self.budget.hold(step.most))
                held.sent()
                self.flying.append((held, step.most * step.share))
                self.billed += step.most * step.share
            case "answer" | "answer unwritten" | "lose" if self.flying:
                held, cost = self.flying.pop(0)
                if step.what == "lose":
                    held.lose(cost)
                else:
                    held.settle(cost)
                    await self.write(cost, durable=step.what == "answer")
            case "batch" if self.budget.spent_usd + self.budget.held_usd + step.most <= LIMIT:
                async with self.budget.hold(0.0) as paid:
                    paid.settle(step.most)
                self.billed += step.most
                await self.write(step.most, durable=True)
            case "tick":
                self.journal.add_to_counter(LOST_USD, self.budget.lost_usd)
                self.budget.forget_lost()
                self.budget.ease()
            case _:
                pass
        assert self.billed <= self.budget.spent_usd + self.budget.held_usd + 1e-9

    async def write(self, cost: float, *, durable: bool) -> None:
        if durable:
            self.written += 1
            await self.journal.record(call(f"{id(self)}-{self.written}", cost_usd=cost))


async def sit(path: Path, steps: Sequence[Step], billed: float) -> float:
    """One sitting, which is killed after its last step; returns what is billed by then."""
    with open_journal(path) as journal:
        journal.lose_reserved()
        spent = journal.spent_usd()
        # What an earlier sitting left counts in full, so nothing that was billed is forgotten.
        assert billed <= spent + 1e-9
        desk = Desk(journal, Budget(LIMIT, spent, journal.reserve), billed)
        holds = AsyncExitStack()
        for step in steps:
            await desk.take(step, holds)
        # A killed process leaves no block in order, and so does this one: the journal alone tells.
        holds.pop_all()
        return desk.billed


@given(sittings=st.lists(st.lists(STEPS, max_size=30), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_whenever_sittings_are_killed_no_more_is_billed_than_the_budget(
    sittings: list[list[Step]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("killed") / "j.sqlite"
    billed = 0.0
    for steps in sittings:
        billed = asyncio.run(sit(path, steps, billed))
        assert billed <= LIMIT


class Line:
    """A watermark under 10,000, with where it was drawn."""

    def __init__(self, start: int = 0) -> None:
        self.drawn: list[int] = []
        self.mark = Watermark(start, 10_000, self.drawn.append)


def test_the_line_is_a_hundredth_of_the_limit_or_a_quarter_of_what_is_open_above_the_sum() -> None:
    line = Line()
    for closed, open_ in ((0, 1), (0, 101), (0, 102), (100, 1000), (9000, 900)):
        line.mark.cover(closed, open_)
    # 1 + 100 = 101 holds for the second; 102 + 100; 1100 + 1000 / 4; 9900 + 225 would pass the limit.
    assert line.drawn == [101, 202, 1350, 10_000]


def test_a_line_far_above_is_drawn_lower_once_no_sum_has_come_near_it_between_two_looks() -> None:
    line = Line()
    line.mark.cover(0, 4000)
    line.mark.ease(1000, 3000)
    line.mark.ease(1000, 3000)
    assert line.drawn == [5000]
    line.mark.ease(1000, 0)
    assert line.drawn == [5000, 4100]
    line.mark.ease(1000, 0)
    line.mark.ease(1000, 0)
    assert line.drawn == [5000, 4100, 1100]


def test_what_costs_nothing_draws_no_line() -> None:
    line = Line(start=500)
    line.mark.cover(500, 0)
    line.mark.ease(500, 0)
    assert line.drawn == []


def test_a_burst_of_five_hundred_requests_takes_some_twenty_commits() -> None:
    line = Line()
    for requests in range(1, 501):
        line.mark.cover(0, 18 * requests)
    assert len(line.drawn) <= 20


def test_a_sitting_that_ends_in_order_leaves_nothing_that_may_have_been_lost(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        journal.reserve(0.5)
        journal.release()
        journal.lose_reserved()
        assert journal.spent_usd() == 0.0


async def test_what_was_reserved_and_is_in_no_call_counts_as_lost_once(tmp_path: Path) -> None:
    with open_journal(tmp_path / "j.sqlite") as journal:
        journal.reserve(1.0)
        await journal.record(call("a", cost_usd=0.25))
        journal.add_to_counter(LOST_USD, 0.125)
    for _ in range(2):
        with open_journal(tmp_path / "j.sqlite") as journal:
            journal.lose_reserved()
            assert (journal.counter(LOST_USD), journal.spent_usd()) == (0.75, 1.0)
