"""The chat adapter with its journal, budget, gate and meter, run as the executor runs it, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop
from task import MAX_TOKENS, Task, given, timed

from preflect.adapters.openai import open_chat
from preflect.engine.budget import Budget
from preflect.engine.gate import RunGate
from preflect.engine.journal import Journal, open_journal
from preflect.engine.meter import Meter
from preflect.interpreter import collecting_seldom
from preflect.ports import ChatRequest
from preflect.schemas import Message, OpenAIModel

ASKERS_PER_PLACE = 2
"""As a run has more samples open than calls in flight."""


def request(number: int, instruction: str) -> ChatRequest:
    """One of so many different calls."""
    messages = (Message(role="user", content=instruction),)
    return ChatRequest(messages=messages, prompt_version="verbatim", stage="respond", sample_id=str(number))


async def main(task: Task, journal: Journal) -> None:
    """Ask for all instructions from a fixed number of askers, after one call that brings late imports in."""
    spec = OpenAIModel(model="mock", base_url=task.base_url, concurrency=task.concurrency, max_tokens=MAX_TOKENS)
    meter = Meter(task.samples)
    meter.expect((), ("teacher",))
    requests = (request(number, text) for number, text in enumerate(task.instructions()))
    async with open_chat(
        {"teacher": spec},
        addresses={"teacher": (task.base_url, "", "mock")},
        journal=journal,
        purse=Budget(None),
        gate=RunGate(),
        meter=meter,
    ) as models:

        async def asker() -> None:
            for asked in requests:
                await models["teacher"].complete(asked)

        await models["teacher"].complete(request(-1, "Say something."))
        with timed():
            async with asyncio.TaskGroup() as askers:
                for _ in range(ASKERS_PER_PLACE * task.concurrency):
                    askers.create_task(asker())


if __name__ == "__main__":
    with open_journal(Path("journal.sqlite")) as opened, collecting_seldom():
        uvloop.run(main(given(), opened))
