"""Requests to one address: posts over kept-alive connections, as bytes in and bytes out, and a look at what is there.

aiohttp as it is: the `openai` client on top of it costs four times as much CPU a call (measured), and all that it does
besides (retries, deadlines, reading the reply) is done by us.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import certifi

from preflect.adapters.environment import proxy_for
from preflect.adapters.key_hiding import without_key
from preflect.traffic.http_reply import HttpReply

_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "preflect"}


class HttpPost:
    """Posts JSON to one address. Use `open_post`, which also closes the connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._proxy = proxy_for(url)

    async def send(self, body: bytes, deadline: float) -> HttpReply:
        """The reply without the key, whatever its status; what kept it from coming by the deadline (loop time) is its
        `failure`.
        """
        since = time.monotonic()
        try:
            async with (
                asyncio.timeout_at(deadline),
                self._session.post(self._url, data=body, proxy=self._proxy) as reply,
            ):
                content = without_key(await reply.read(), self._key)
                return HttpReply(reply.status, reply.headers, content, time.monotonic() - since)
        except TimeoutError:
            return HttpReply(0, {}, b"", time.monotonic() - since, "no reply in time", timed_out=True)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # an address that it was sent on to may be none
            unsent = isinstance(error, aiohttp.ClientConnectorError)
            words = readable(f"{type(error).__name__}: {error}")
            return HttpReply(0, {}, b"", time.monotonic() - since, words, unsent=unsent)


def readable(said: str) -> str:
    """What aiohttp read of a header, without the letters for bytes that are no UTF-8: no file could hold them."""
    return said.encode(errors="replace").decode()


@asynccontextmanager
async def open_post(url: str, key: str) -> AsyncGenerator[HttpPost]:
    """How many requests go at once is decided by who sends them: there are as many connections as that takes."""
    async with _session(url, key) as session:
        yield HttpPost(session, url, key)


class Look(NamedTuple):
    """What an endpoint answers to a GET."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def look_at(url: str, key: str) -> Look:
    """The answer to a GET, by the way that posts take.

    Raises: aiohttp.ClientError, OSError; ValueError for an address or a proxy that this client can't use.
    """
    async with _session(url, key) as session, session.get(url, proxy=proxy_for(url)) as answer:
        return Look(answer.status, answer.headers, without_key(await answer.read(), key))


def _session(url: str, key: str) -> aiohttp.ClientSession:
    # Nothing is read from the environment here: a line of ~/.netrc would take the key's place.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=_trusted(url)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers=_HEADERS | ({"Authorization": f"Bearer {key}"} if key else {}),
    )


def _trusted(url: str) -> ssl.SSLContext | bool:
    """The system's authorities and the usual ones: some Pythons come without the system's."""
    if urlsplit(url).scheme != "https":
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
