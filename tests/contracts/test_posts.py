"""Both ways of a request, from here and from another Python beside, against a server that behaves as endpoints do."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from aiohttp import web

from preflect.adapters.http_post import HttpPost, open_post
from preflect.adapters.post_beside import PostBeside, open_post_beside
from preflect.traffic.http_reply import HttpReply

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Post = HttpPost | PostBeside

KEY = "sk-never-to-be-seen"


@asynccontextmanager
async def served(answer: Answer) -> AsyncGenerator[str]:
    app = web.Application(client_max_size=2**30)
    app.router.add_post("/chat", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/chat"
    finally:
        await runner.cleanup()


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
            await post.ready.wait()
        yield post


@pytest.fixture(params=["here", "beside"])
def opened(request: pytest.FixtureRequest, _at_once: None) -> Callable[[str], Any]:
    return beside if request.param == "beside" else lambda url: open_post(url, KEY)


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def others() -> list[psutil.Process]:
    """Those beside this process that send requests."""
    return [child for child in psutil.Process().children() if "preflect.adapters.post_beside" in child.cmdline()]


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
        assert reply.failure == "the process that had sent it ended"
        assert "ended before its time" in caplog.text
        assert (await post.send(b"{}", in_s(5))).status == 200


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
        await post.ready.wait()
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
