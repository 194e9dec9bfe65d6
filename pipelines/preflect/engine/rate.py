"""How fast something comes at present."""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 10.0
"""What counts as the present."""
SLOTS: Final = 20
SLOT_S: Final = WINDOW_S / SLOTS
SHORTEST_S: Final = 1.0
"""At the very start less than this has passed, and the first call would look like a flood."""


class Rate:
    """Amounts per second over the last ten, in slots of half a second: adding and asking take the same time for ever.

    Args: since_s is when counting begins; all times are seconds of one clock that never goes back.
    """

    __slots__ = ("_amounts", "_since_s", "_slots")

    def __init__(self, since_s: float) -> None:
        self._since_s = since_s
        self._slots = [-1] * SLOTS
        self._amounts = [0.0] * SLOTS

    def add(self, now_s: float, amount: float = 1.0) -> None:
        """So much came now."""
        slot = self._slot(now_s)
        place = slot % SLOTS
        if self._slots[place] != slot:
            self._slots[place], self._amounts[place] = slot, 0.0
        self._amounts[place] += amount

    def per_second(self, now_s: float) -> float:
        """What came in the slots of the last ten seconds, the present one among them, by the time that they have run.

        Whoever reads while another thread adds may miss the latest amount.
        """
        oldest = max(self._slot(now_s) - SLOTS + 1, 0)
        came = sum(amount for slot, amount in zip(self._slots, self._amounts, strict=True) if slot >= oldest)
        return came / max(now_s - self._since_s - oldest * SLOT_S, SHORTEST_S)

    def _slot(self, now_s: float) -> int:
        return int((now_s - self._since_s) / SLOT_S)
