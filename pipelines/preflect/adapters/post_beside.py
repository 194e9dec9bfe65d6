"""Requests sent by another Python beside this one: `python -m preflect.adapters.post_beside` sends them.

Python computes on one core at a time. Where models answer a thousand times a second their calls need all of it, and to
speak HTTP takes a third of what a call takes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import orjson
import uvloop

from preflect.adapters.http_post import HttpPost, open_post, readable
from preflect.interpreter import born_deaf, collecting_seldom, count_cores, python_module
from preflect.traffic.http_reply import HttpReply

MANY: Final = 256
"""So many requests under way at once make up for its start, which takes half a second of a core."""
GRACE_S: Final = 1.0
"""So long after a deadline, which the other Python keeps, it is waited for: it may hang."""

_LOG: Final = logging.getLogger(__name__)
_LONGEST: Final = 2**31
"""Bytes of a line: no reply is longer."""
_BYTES: Final = "latin-1"
"""One letter for each byte: a reply is bytes, which JSON does not have."""


class PostBeside:
    """As `HttpPost`, by which requests go until there are many, and again when the other Python is gone.

    Use `open_post_beside`.
    """

    def __init__(self, here: HttpPost, url: str, key: str) -> None:
        self._here = here
        self._url_and_key = (url, key)
        self._under_way_here = 0
        self._talk: asyncio.Task[None] | None = None
        self._there: asyncio.StreamWriter | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[HttpReply]] = {}

    @property
    def is_beside(self) -> bool:
        """Whether requests go by the other Python."""
        return self._there is not None and not self._there.is_closing()

    async def send(self, body: bytes, deadline: float) -> HttpReply:
        """As `HttpPost.send`."""
        return await (self._send_there if self.is_beside else self._send_here)(body, deadline)

    async def _send_here(self, body: bytes, deadline: float) -> HttpReply:
        self._under_way_here += 1
        if self._under_way_here == MANY and self._talk is None and count_cores() > 1:
            self._talk = asyncio.create_task(self._talk_to_other())
        try:
            return await self._here.send(body, deadline)
        finally:
            self._under_way_here -= 1

    async def _send_there(self, body: bytes, deadline: float) -> HttpReply:
        assert self._there is not None
        loop = asyncio.get_running_loop()
        since = loop.time()
        number = next(self._numbers)
        reply = self._asked[number] = loop.create_future()
        try:
            self._there.write(_line(number, deadline - since, body.decode()))
            async with asyncio.timeout_at(deadline + GRACE_S):
                return await reply
        except TimeoutError:
            return HttpReply(0, {}, b"", loop.time() - since, "no reply in time", timed_out=True)
        finally:
            del self._asked[number]

    async def _talk_to_other(self) -> None:
        # ValueError: its last line, cut off by its death, is no JSON.
        with suppress(OSError, ValueError), _other_python() as its_input:
            reader, writer = await asyncio.open_connection(sock=its_input, limit=_LONGEST)
            try:
                writer.write(_line(*self._url_and_key))
                async for line in reader:
                    if said := orjson.loads(line):
                        self._hear(*said)
                    else:
                        self._there = writer
            finally:
                self._there = None
                writer.transport.abort()
                for number in self._asked:
                    # Nobody knows how far it came: it counts as sent, and never answered.
                    self._answer(number, HttpReply(0, {}, b"", 0.0, "the process that was to send it is gone"))
        _LOG.warning("no other process sends requests: it could not start, or is gone; they go without it")

    def _hear(
        self, number: int, status: int, headers: Mapping[str, str], body: str, seconds: float, *failure: Any
    ) -> None:
        self._answer(number, HttpReply(status, headers, body.encode(_BYTES), seconds, *failure))

    def _answer(self, number: int, reply: HttpReply) -> None:
        if (asked := self._asked.get(number)) and not asked.done():
            asked.set_result(reply)

    async def close(self) -> None:
        """End the other Python; what it had sent counts as never answered."""
        if self._talk:
            self._talk.cancel()
            await asyncio.gather(self._talk, return_exceptions=True)


@asynccontextmanager
async def open_post_beside(url: str, key: str) -> AsyncGenerator[PostBeside]:
    """As `open_post`."""
    async with open_post(url, key) as here:
        post = PostBeside(here, url, key)
        try:
            yield post
        finally:
            await post.close()


@contextmanager
def _other_python() -> Generator[socket.socket]:
    """Our end of the socket that is its standard input: so the key is in no argument and in no file."""
    ours, its = socket.socketpair()
    with ours:
        with its, born_deaf():
            python = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                python_module(__name__),
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        with python:
            try:
                yield ours
            finally:
                python.kill()


def _line(*values: object) -> bytes:
    return orjson.dumps(values) + b"\n"


async def _serve(asking: socket.socket) -> None:
    """Send what is asked for, until whoever asks is gone: then nobody waits for what is under way."""
    reader, writer = await asyncio.open_connection(sock=asking, limit=_LONGEST)
    url, key = orjson.loads(await reader.readline())
    async with open_post(url, key) as post, asyncio.TaskGroup() as under_way:
        writer.write(_line())  # it is ready
        async for line in reader:
            under_way.create_task(_send(post, writer, *orjson.loads(line)))
        sys.exit()


async def _send(post: HttpPost, writer: asyncio.StreamWriter, number: int, seconds: float, body: str) -> None:
    reply = await post.send(body.encode(), asyncio.get_running_loop().time() + seconds)
    # Of several the first, as here.
    headers = {name.lower(): readable(reply.headers[name]) for name in reply.headers}
    text = reply.body.decode(_BYTES)
    failure = (reply.failure, reply.timed_out, reply.unsent)
    writer.write(_line(number, reply.status, headers, text, reply.seconds, *failure))


if __name__ == "__main__":
    with collecting_seldom():
        uvloop.run(_serve(socket.socket(fileno=sys.stdin.fileno())))
