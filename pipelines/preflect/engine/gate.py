"""The gate: one place that says whether new calls may start."""

from __future__ import annotations

import asyncio

from preflect.errors import PreflectError


class RunGate:
    """Open until the first reason to stop; calls in flight go on, new ones are refused with that reason."""

    def __init__(self) -> None:
        self.closed_by: PreflectError | None = None
        self.closed = asyncio.Event()

    def close(self, reason: PreflectError) -> None:
        """Let no new call start; the first reason stands."""
        if self.closed_by is None:
            self.closed_by = reason
            self.closed.set()

    def reason(self) -> PreflectError:
        """What closed the gate, as an error of its own for each who is told."""
        assert self.closed_by is not None
        return type(self.closed_by)(str(self.closed_by))

    def raise_if_closed(self) -> None:
        """Raises: what closed the gate."""
        if self.closed_by is not None:
            raise self.reason()
