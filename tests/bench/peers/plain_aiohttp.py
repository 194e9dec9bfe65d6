"""What nobody can beat: the calls with nothing around them."""

from __future__ import annotations

import asyncio

import aiohttp
from task import FOLLOW_UP, MAX_TOKENS, Task, given, timed


async def main(task: Task) -> None:
    """All samples at once, the calls held to the concurrency."""
    places = asyncio.Semaphore(task.concurrency)
    connector = aiohttp.TCPConnector(limit=task.concurrency)

    async def call(session: aiohttp.ClientSession, prompt: str) -> str:
        body = {"model": "mock", "messages": [{"role": "user", "content": prompt}], "max_tokens": MAX_TOKENS}
        async with places, session.post(task.base_url + "/chat/completions", json=body) as reply:
            return (await reply.json())["choices"][0]["message"]["content"]

    async def sample(session: aiohttp.ClientSession, prompt: str) -> None:
        text = await call(session, prompt)
        for _ in range(task.stages - 1):
            text = await call(session, FOLLOW_UP.format(text))

    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(sample(session, prompt) for prompt in task.instructions()))


if __name__ == "__main__":
    with timed():
        asyncio.run(main(given()))
