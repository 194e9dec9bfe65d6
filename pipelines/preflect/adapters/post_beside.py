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
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import orjson
import uvloop

from preflect.adapters.http_post import HttpPost, open_post
from preflect.cores import count_cores
from preflect.traffic.http_reply import HttpReply

MANY: Final = 256
"""Requests under way at once that are worth it: the other Python takes half a second to start."""

_LOG: Final = logging.getLogger(__name__)
_CHUNK: Final = 2**20
_BYTES: Final = "latin-1"
"""One letter for each byte: a reply is bytes, which JSON does not have."""


class PostBeside:
    """As `HttpPost`, by which requests go until there are many, and again when the other Python is gone.

    Use `open_post_beside`.
    """

    def __init__(self, here: HttpPost, url: str, key: str) -> None:
        self._here = here
        self._address = (url, key)
        self._under_way = 0
        """From here."""
        self._talk: asyncio.Task[None] | None = None
        self._there: asyncio.StreamWriter | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[HttpReply]] = {}
        self.ready = asyncio.Event()
        """Set while the other Python sends."""

    async def send(self, body: bytes, deadline: float) -> HttpReply:
        """As `HttpPost.send`."""
        return await (self._send_there if self.ready.is_set() else self._send_here)(body, deadline)

    async def _send_here(self, body: bytes, deadline: float) -> HttpReply:
        self._under_way += 1
        if self._under_way == MANY and self._talk is None and count_cores() > 1:
            self._talk = asyncio.create_task(self._talk_to_other())
        try:
            return await self._here.send(body, deadline)
        finally:
            self._under_way -= 1

    async def _send_there(self, body: bytes, deadline: float) -> HttpReply:
        assert self._there is not None
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        reply = self._asked[number] = loop.create_future()
        self._there.write(_line(number, deadline - loop.time(), body.decode()))
        try:
            return await reply
        finally:
            del self._asked[number]

    async def _talk_to_other(self) -> None:
        with _other_python() as socket_to_it:
            reader, self._there = await asyncio.open_connection(sock=socket_to_it, limit=_CHUNK)
            try:
                self._there.write(_line(*self._address))
                with suppress(ConnectionError):
                    await self._listen(reader)
            finally:
                self.ready.clear()
                self._there.close()
        _LOG.warning("the process that sends requests has ended before its time; they go without it from now on")
        for number in self._asked:
            # Nobody knows how far it came: it counts as sent, and never answered.
            self._answer(number, HttpReply(0, {}, b"", 0.0, "the process that had sent it ended"))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        async for said in _lines(reader):
            if said:
                number, body, status, headers, *others = said
                self._answer(number, HttpReply(status, headers, body.encode(_BYTES), *others))
            else:
                self.ready.set()

    def _answer(self, number: int, reply: HttpReply) -> None:
        if (asked := self._asked.get(number)) and not asked.done():
            asked.set_result(reply)

    async def close(self) -> None:
        """Give up what is under way there."""
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
        with its:
            python = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-m", __name__],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        with python:
            try:
                yield ours
            finally:
                python.kill()


def _line(*values: object) -> bytes:
    return orjson.dumps(values) + b"\n"


async def _lines(reader: asyncio.StreamReader) -> AsyncGenerator[list[Any]]:
    rest = b""
    while chunk := await reader.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield orjson.loads(line)


async def _serve(asking: socket.socket) -> None:
    """Send what is asked for, until whoever asks is gone: then nobody waits for what is under way."""
    reader, writer = await asyncio.open_connection(sock=asking, limit=_CHUNK)
    lines = _lines(reader)
    async with open_post(*await anext(lines)) as post, asyncio.TaskGroup() as under_way:
        writer.write(_line())
        async for asked in lines:
            under_way.create_task(_post(post, writer, *asked))
        sys.exit()


async def _post(post: HttpPost, writer: asyncio.StreamWriter, number: int, seconds: float, body: str) -> None:
    reply = await post.send(body.encode(), asyncio.get_running_loop().time() + seconds)
    headers = {name.lower(): value for name, value in reply.headers.items()}
    others = (reply.seconds, reply.failure, reply.timed_out, reply.unsent)
    writer.write(_line(number, reply.body.decode(_BYTES), reply.status, headers, *others))


if __name__ == "__main__":
    uvloop.run(_serve(socket.socket(fileno=sys.stdin.fileno())))
