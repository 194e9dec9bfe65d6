"""Money: what a call can cost at most is set aside before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from preflect.errors import BudgetError


class Budget:
    """A hard limit in US dollars; without a limit it only counts."""

    def __init__(self, limit_usd: float | None, spent_usd: float = 0.0) -> None:
        self._limit_usd = limit_usd
        self.spent_usd = spent_usd
        self._held_usd: list[float] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, most_usd: float) -> AsyncGenerator[None]:
        """Set `most_usd` aside while the block runs, once calls in flight have left room for it.

        Raises: BudgetError when the limit could be passed although nothing else is in flight.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(most_usd) or not self._held_usd)
            if not self._fits(most_usd):
                raise BudgetError(
                    f"the next call could cost {most_usd:.6f} USD and pass the budget of {self._limit_usd:.2f} USD, of "
                    f"which {self.spent_usd:.6f} are spent; raise it with --budget-usd to go on"
                )
            self._held_usd.append(most_usd)
        try:
            yield
        finally:
            async with self._changed:
                self._held_usd.remove(most_usd)
                self._changed.notify_all()

    def _fits(self, most_usd: float) -> bool:
        return self._limit_usd is None or self.spent_usd + sum(self._held_usd) + most_usd <= self._limit_usd

    def spend(self, cost_usd: float) -> None:
        """What a finished call did cost."""
        self.spent_usd += cost_usd
