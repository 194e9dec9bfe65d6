"""Money: what a request can cost at most is set aside before it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from preflect.engine.watermark import Watermark
from preflect.errors import BudgetError

_PICO: Final = 10**12
"""Sums are whole picodollars: a token's price is so many of them, and no rounding adds up over a million calls."""


class Budget:
    """A hard limit in US dollars; without a limit it only counts.

    Spent and held together never pass the limit, as long as no request costs more than was set aside for it. While
    there is room nobody waits; without room all wait in the order in which they came.
    Args: `reserve` is told ahead, where there is a limit, up to which sum in US dollars may be spent; it returns when
    that is durable, and the sum is what a process that is killed may have spent at most.
    """

    def __init__(
        self, limit_usd: float | None, spent_usd: float = 0.0, reserve: Callable[[float], None] | None = None
    ) -> None:
        self._limit = None if limit_usd is None else _picodollars(limit_usd)
        self._spent = _picodollars(spent_usd)
        self._held = 0
        self._sent = 0
        self._line: Watermark | None = None
        if self._limit is not None and reserve is not None:
            self._line = Watermark(self._spent, self._limit, lambda line: reserve(line / _PICO))
        self._lost = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def spent_usd(self) -> float:
        """What is gone, in earlier sittings and in this one."""
        return self._spent / _PICO

    @property
    def held_usd(self) -> float:
        """What is set aside for requests that are under way."""
        return self._held / _PICO

    @property
    def lost_usd(self) -> float:
        """What of it went for requests without a usable reply, as far as it is to be written down: no call has it."""
        return self._lost / _PICO

    def hold(self, most_usd: float) -> Held:
        """A block for one request: `most_usd` is set aside while it runs, once there's room for it.

        Raises (at its beginning): BudgetError when the limit could be passed although nothing else is in flight.
        """
        return Held(self, _picodollars(most_usd))

    def forget_lost(self) -> None:
        """It is written down."""
        self._lost = 0

    def ease(self) -> None:
        """To be called now and then: no more is to be reserved than needed."""
        if self._line:
            self._line.ease(self._spent, self._sent)

    async def set_aside(self, amount: int) -> None:
        """Return when the amount is held."""
        if amount and (self._waiting or not self._fits(amount)):
            await self._wait_for(amount)
        else:
            self._held += amount

    async def _wait_for(self, amount: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            # It may have had its turn in the same moment; if not, those behind it need not wait for it any more.
            self.give_back(amount if turn.done() and not turn.cancelled() and not turn.exception() else 0)
            raise

    def send(self, amount: int) -> None:
        """So much of what is held may be billed from now on.

        Raises: BudgetError: those before it cost more than was set aside for them, and this one would pass the limit.
        """
        if amount and self._limit is not None and self._spent + self._sent + amount > self._limit:
            raise self._refusal(amount)
        self._sent += amount
        self._reserve()

    def give_back(self, amount: int, *, sent: bool = False, spent: int = 0, lost: bool = False) -> None:
        """Of the held amount so much is spent, the rest is free again."""
        self._held -= amount
        self._sent -= amount if sent else 0
        self._spent += spent
        self._lost += spent if lost else 0
        self._admit()
        self._reserve()  # what a batch cost was never sent as one request

    def _reserve(self) -> None:
        if self._line:
            self._line.cover(self._spent, self._sent)

    def _admit(self) -> None:
        """Hold for those who wait, first come first served; refuse the first if it can't even go alone."""
        while self._waiting:
            amount, turn = self._waiting[0]
            if not turn.done():
                if self._fits(amount):
                    self._held += amount
                    turn.set_result(None)
                elif self._held:
                    return
                else:
                    turn.set_exception(self._refusal(amount))
            self._waiting.popleft()

    def _fits(self, amount: int) -> bool:
        return self._limit is None or self._spent + self._held + amount <= self._limit

    def _refusal(self, amount: int) -> BudgetError:
        limit_usd = (self._limit or 0) / _PICO
        return BudgetError(
            f"the next call could cost {amount / _PICO:.6f} USD and pass the budget of {limit_usd:.2f} USD, of which "
            f"{self.spent_usd:.6f} are spent; raise it with --budget-usd to go on"
        )


class Held:
    """Money set aside for one request.

    A block that ends without a word of what the request cost takes all of it, if the request was sent: the endpoint may
    bill what nobody waits for any more.
    """

    def __init__(self, budget: Budget, amount: int) -> None:
        self._budget = budget
        self._amount = amount
        self._sent = False
        self._open = False

    async def __aenter__(self) -> Self:
        await self._budget.set_aside(self._amount)
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._open and self._sent:
            self._settle(self._amount, lost=True)
        elif self._open:
            self._settle(0)

    def sent(self) -> None:
        """From now on the request may be billed."""
        if self._open and not self._sent:
            self._budget.send(self._amount)
            self._sent = True

    def settle(self, cost_usd: float) -> None:
        """The request cost so much, and a call of the journal has it; 0 where it was refused."""
        self._settle(_picodollars(cost_usd))

    def lose(self, cost_usd: float) -> None:
        """The request cost so much and brought nothing: no call has it, the sitting writes it down."""
        self._settle(_picodollars(cost_usd), lost=True)

    def _settle(self, spent: int, *, lost: bool = False) -> None:
        assert self._open, "what a request cost is said once, inside its block"
        self._open = False
        self._budget.give_back(self._amount, sent=self._sent, spent=spent, lost=lost)


def _picodollars(usd: float) -> int:
    return round(usd * _PICO)
