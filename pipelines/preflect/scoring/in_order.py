"""Many waits at a time, their results one by one in the order in which they were asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

T = TypeVar("T")

IN_WORK: Final = 1024
"""Rows in work at once: enough for a student that computes in batches sorted by length, few enough for any memory."""


async def in_order(work: Iterable[Coroutine[Any, Any, T]]) -> AsyncGenerator[T]:
    """What each of them returns. As soon as the first of those begun is done the next one is begun: none waits for a
    batch to be full or empty. When one raises, or the reader stops, those begun are cancelled.
    """
    remaining = iter(work)
    begun = deque(_begun(islice(remaining, IN_WORK)))
    try:
        while begun:
            yield await begun[0]
            begun.popleft()
            begun.extend(_begun(islice(remaining, 1)))
    finally:
        for task in begun:
            task.cancel()
        # Each is waited for, so that none that failed as well complains that nobody asked.
        await asyncio.gather(*begun, return_exceptions=True)


def _begun(work: Iterable[Coroutine[Any, Any, T]]) -> Iterator[asyncio.Task[T]]:
    return map(asyncio.create_task, work)
