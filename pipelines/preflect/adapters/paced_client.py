"""An HTTP client that lets only so many requests be in flight, however many are ready to go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import httpx2
from openai import DefaultAioHttpClient

on_send: ContextVar[Callable[[], None]] = ContextVar("on_send")
"""What the task that asks wants done when its request gets a place; an exception keeps the request from being sent."""


class PacedHttpClient(DefaultAioHttpClient):
    """Sends each request when one of `concurrency` places is free.

    The places are taken here, below the `openai` client, and not around its calls: building a request and reading a
    reply take CPU, and a place that waits for CPU is a request less in flight.
    """

    def __init__(self, concurrency: int) -> None:
        limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        super().__init__(timeout=None, limits=limits)
        self._places = asyncio.Semaphore(concurrency)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As httpx's own, once there is a place."""
        async with self._places:
            on_send.get()()
            return await super().send(request, **options)
