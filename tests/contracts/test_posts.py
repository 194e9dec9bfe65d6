"""Both ways of a request, from here and from another Python beside, against a server that behaves as endpoints do."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
import uvloop
from aiohttp import web

from preflect.adapters.http_post import HttpPost, open_post
from preflect.adapters.post_beside import PostBeside, open_post_beside
from preflect.traffic.http_reply import HttpReply

from .http_server import serving

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Post = HttpPost | PostBeside

KEY = "sk-never-to-be-seen"


@asynccontextmanager
async def served(answer: Answer) -> AsyncGenerator[str]:
    app = web.Application(client_max_size=2**30)
    app.router.add_post("/chat", answer)
    async with serving(app) as address:
        yield f"{address}/chat"


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preflect.adapters.post_beside.MANY", 1)
    monkeypatch.setattr("preflect.adapters.post_beside.count_cores", lambda: 2)


@asynccontextmanager
async def beside(url: str) -> AsyncGenerator[PostBeside]:
    """The other Python at work."""
    async with open_post_beside(url, KEY) as post:
        await post.send(b"{}", in_s(5))
        async with asyncio.timeout(30):
            while not post.is_beside:  # noqa: ASYNC110  (nobody waits for that but a test)
                await asyncio.sleep(0.01)
        yield post


@pytest.fixture(params=["here", "beside"])
def opened(request: pytest.FixtureRequest, _at_once: None) -> Callable[[str], Any]:
    return beside if request.param == "beside" else lambda url: open_post(url, KEY)


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def others() -> list[psutil.Process]:
    """Those beside this one that still run."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def fine(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), headers={"Content-Type": "application/json"})


async def never(request: web.Request) -> web.Response:
    if await request.read() != b"{}":
        await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize("status", [200, 429, 500])
async def test_a_reply_comes_as_it_was_sent(opened: Callable[[str], Any], status: int) -> None:
    """Bytes that are no UTF-8, and headers however they are spelt."""
    body = b'{"a": "\xff\xfe\x00\r\n", "b": "\xc3\xa9"}\n\n'

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return web.Response(status=status, body=body, headers={"X-RateLimit-Remaining-Requests": "7"})

    async with served(answer) as url, opened(url) as post:
        reply: HttpReply = await post.send(b"{}", in_s(5))
    assert (reply.status, reply.body, reply.headers["x-ratelimit-remaining-requests"]) == (status, body, "7")
    assert (reply.failure, reply.timed_out, reply.unsent) == ("", False, False)
    assert 0.05 <= reply.seconds < 5


async def test_a_request_goes_as_it_is_with_the_key(opened: Callable[[str], Any]) -> None:
    seen: list[tuple[bytes, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers["Authorization"]))
        return web.Response()

    body = '{"say": "é 😀\\n"}'.encode()
    async with served(answer) as url, opened(url) as post:
        await post.send(body, in_s(5))
    assert seen[-1] == (body, f"Bearer {KEY}")


async def test_long_texts_pass_both_ways(opened: Callable[[str], Any]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=8 * await request.read())

    body = b'{"text": "' + b"long " * 2**17 + b'"}'
    async with served(answer) as url, opened(url) as post:
        reply = await post.send(body, in_s(30))
    assert reply.body == 8 * body


async def test_many_requests_at_once_get_each_its_own_reply(opened: Callable[[str], Any]) -> None:
    async with served(fine) as url, opened(url) as post:
        bodies = [b'{"number": %d}' % number for number in range(300)]
        replies = await asyncio.gather(*(post.send(body, in_s(30)) for body in bodies))
    assert [reply.body for reply in replies] == bodies


async def test_the_key_that_an_endpoint_quotes_is_hidden(opened: Callable[[str], Any]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f'no such key: "{request.headers["Authorization"]}"')

    async with served(answer) as url, opened(url) as post:
        reply = await post.send(b"{}", in_s(5))
    assert reply.body == b'no such key: "Bearer ***"'


async def test_what_is_not_answered_by_the_deadline_is_out_of_time(opened: Callable[[str], Any]) -> None:
    async with served(never) as url, opened(url) as post:
        since = time.monotonic()
        reply = await post.send(b'{"wait": 1}', in_s(0.3))
    assert (reply.status, reply.timed_out, reply.unsent) == (0, True, False)
    assert 0.3 <= time.monotonic() - since < 3


async def test_a_connection_that_breaks_is_told(opened: Callable[[str], Any]) -> None:
    async def answer(request: web.Request) -> web.Response:
        if await request.read() != b"{}":
            assert request.transport is not None
            request.transport.abort()
        return web.Response()

    async with served(answer) as url, opened(url) as post:
        reply = await post.send(b'{"break": 1}', in_s(5))
    assert (reply.status, reply.timed_out, reply.unsent) == (0, False, False)
    assert reply.failure


BYTES_IN_HEADERS = {
    "its own": (200, "X-City: München"),
    "of where it went": (200, "Location: /ü"),
    "of no address": (302, "Location: http://ü\xff:99999/"),
    "of no host": (302, f"Location: http://{'a' * 70}.test/"),
}


@pytest.mark.parametrize("case", BYTES_IN_HEADERS)
async def test_odd_headers_cost_only_their_own_reply(opened: Callable[[str], Any], case: str) -> None:
    status, header = BYTES_IN_HEADERS[case]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"}")
        if b"slow" in asked:
            await asyncio.sleep(0.3)
        odd = f"{header}\r\n".encode("latin-1") if b"odd" in asked else b""
        head = b"HTTP/1.1 %d So\r\n%bContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        writer.write(head % (status if odd else 200, odd))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/chat"
        async with opened(url) as post:
            slow = asyncio.create_task(post.send(b'{"slow": 1}', in_s(5)))
            await asyncio.sleep(0.1)
            odd = await post.send(b'{"odd": 1}', in_s(5))
            assert (await slow).status == 200
    assert odd.status == (200 if status == 200 else 0)
    assert bool(odd.failure) == (odd.status == 0)
    odd.failure.encode()  # it goes into files


async def test_of_a_header_that_comes_twice_the_first_counts(opened: Callable[[str], Any]) -> None:
    async def answer(_: web.Request) -> web.Response:
        told = web.Response()
        told.headers.add("X-RateLimit-Remaining-Requests", "0")
        told.headers.add("X-RateLimit-Remaining-Requests", "7")
        return told

    async with served(answer) as url, opened(url) as post:
        reply = await post.send(b"{}", in_s(5))
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"


async def test_where_nobody_listens_nothing_was_sent(opened: Callable[[str], Any]) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with served(fine) as url, opened(url) as post:
        pass
    with listening:
        nobody = f"http://127.0.0.1:{listening.getsockname()[1]}/chat"
    async with opened(nobody) as post:
        reply = await post.send(b"{}", in_s(5))
    assert (reply.status, reply.unsent) == (0, True)


@pytest.mark.usefixtures("_at_once")
async def test_a_request_that_is_given_up_leaves_the_others_alone() -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return await fine(request)

    async with served(answer) as url, beside(url) as post:
        given_up, kept = (asyncio.create_task(post.send(body, in_s(5))) for body in (b'{"n": 1}', b'{"n": 2}'))
        await asyncio.sleep(0.1)
        given_up.cancel()
        assert (await kept).body == b'{"n": 2}'
        with pytest.raises(asyncio.CancelledError):
            await given_up


@pytest.mark.usefixtures("_at_once")
async def test_the_death_of_the_other_loses_what_it_had_sent_and_nothing_after(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a broken connection does: it may have been paid for."""
    async with served(never) as url, beside(url) as post:
        under_way = asyncio.create_task(post.send(b'{"wait": 1}', in_s(30)))
        await asyncio.sleep(0.2)
        (other,) = others()
        with caplog.at_level(logging.WARNING):
            other.kill()
            reply = await under_way
        assert (reply.status, reply.timed_out, reply.unsent) == (0, False, False)
        assert reply.failure == "the process that was to send it is gone"
        assert "no other process sends requests" in caplog.text
        assert (await post.send(b"{}", in_s(5))).status == 200


@pytest.mark.usefixtures("_at_once")
def test_no_request_raises_in_the_moment_of_its_death() -> None:
    """With uvloop, as in the executor: it closes a socket that it can't write to one step before it says so."""

    async def main() -> None:
        async with served(fine) as url, beside(url) as post:
            (other,) = others()
            asked: list[asyncio.Task[HttpReply]] = []
            for step in range(200):
                asked.append(asyncio.create_task(post.send(b"{}", in_s(5))))
                await asyncio.sleep(0)
                if step == 20:
                    other.kill()
            replies = await asyncio.gather(*asked)
        assert {reply.status for reply in replies} <= {0, 200}

    uvloop.run(main())


@pytest.mark.usefixtures("_at_once")
async def test_one_that_stands_still_is_not_waited_for_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preflect.adapters.post_beside.GRACE_S", 0.1)
    async with served(fine) as url, beside(url) as post:
        (other,) = others()
        other.suspend()
        reply = await post.send(b"{}", in_s(0.2))
    assert (reply.status, reply.timed_out, reply.unsent) == (0, True, False)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_that_reaches_it_too_lets_the_reply_come_back(stop: signal.Signals) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return await fine(request)

    async with served(answer) as url, beside(url) as post:
        under_way = asyncio.create_task(post.send(b"{}", in_s(5)))
        await asyncio.sleep(0.1)
        (other,) = others()
        other.send_signal(stop)
        assert (await under_way).status == 200


@pytest.mark.usefixtures("_at_once")
async def test_where_no_other_can_start_requests_go_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    async with served(fine) as url, open_post_beside(url, KEY) as post:
        for _ in range(3):
            assert (await post.send(b"{}", in_s(5))).status == 200
    assert "it could not start" in caplog.text


@pytest.mark.usefixtures("_at_once")
async def test_nobody_is_left_and_nothing_waited_for_at_the_end() -> None:
    async with served(never) as url:
        async with beside(url) as post:
            (other,) = others()
            assert not any(KEY in word for word in other.cmdline())
            under_way = asyncio.create_task(post.send(b'{"wait": 1}', in_s(30)))
            await asyncio.sleep(0.1)
            since = time.monotonic()
        assert time.monotonic() - since < 2
        assert not others()
        under_way.cancel()


async def test_few_requests_or_a_single_core_need_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return await fine(request)

    monkeypatch.setattr("preflect.adapters.post_beside.MANY", 3)
    async with served(answer) as url:
        for cores, many in ((2, 2), (1, 5)):
            monkeypatch.setattr("preflect.adapters.post_beside.count_cores", lambda cores=cores: cores)
            async with open_post_beside(url, KEY) as post:
                asked = asyncio.gather(*(post.send(b"{}", in_s(5)) for _ in range(many)))
                await asyncio.sleep(0.1)
                assert not others()
                await asked


PARENT = """
import asyncio, sys
import preflect.adapters.post_beside as it

async def main(url):
    it.MANY, it.count_cores = 1, lambda: 2
    async with it.open_post_beside(url, "") as post:
        await post.send(b"{}", asyncio.get_running_loop().time() + 30)
        while not post.is_beside:
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await post.send(b'{"wait": 1}', asyncio.get_running_loop().time() + 60)

asyncio.run(main(sys.argv[1]))
"""


def outlives(url: str) -> list[psutil.Process]:
    """What is left of the other ten seconds after the kill of the program that it sends for."""
    with subprocess.Popen([sys.executable, "-c", PARENT, url], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        (other,) = psutil.Process(running.pid).children()
        running.kill()
        return psutil.wait_procs([other], timeout=10)[1]


async def test_it_ends_with_a_run_that_is_killed() -> None:
    async with served(never) as url:
        assert await asyncio.to_thread(outlives, url) == []
