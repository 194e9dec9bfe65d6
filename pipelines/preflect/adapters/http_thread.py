"""Requests from any thread, sent by an event loop of their own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar, TypeVarTuple

from preflect.adapters.http_post import HttpPost, open_post

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_Ready = Future[tuple[asyncio.AbstractEventLoop, HttpPost, asyncio.Event]]


class HttpThread:
    """The connections to one address, open until it is dropped; a program that ends does not wait for replies."""

    def __init__(self, url: str, key: str) -> None:
        ready: _Ready = Future()
        threading.Thread(target=_run, args=(url, key, ready), name="student-http", daemon=True).start()
        self._loop, self.post, done = ready.result()
        weakref.finalize(self, self._loop.call_soon_threadsafe, done.set).atexit = False

    def call(self, function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Have it called in the thread of the requests."""
        self._loop.call_soon_threadsafe(function, *args)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work comes to, for a thread without an event loop. Raises: whatever it does."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _run(url: str, key: str, ready: _Ready) -> None:
    try:
        asyncio.run(_serve(url, key, ready))
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _serve(url: str, key: str, ready: _Ready) -> None:
    done = asyncio.Event()
    async with open_post(url, key) as post:
        ready.set_result((asyncio.get_running_loop(), post, done))
        await done.wait()
