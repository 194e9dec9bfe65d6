"""The budget is kept by the endpoint's own count, with hundreds of requests in flight, and when the endpoint fails."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from preflect.adapters.openai import open_chat
from preflect.engine.budget import Budget
from preflect.engine.gate import RunGate
from preflect.engine.journal import LOST_USD, open_journal
from preflect.engine.meter import Meter
from preflect.errors import BudgetError, CallError
from preflect.ports import ChatReply, ChatRequest
from preflect.schemas import Message, OpenAIModel, Price, Sampling

from .http_server import serving

PRICE = Price(input=2, output=8, cached_input=1)
MICRO = 1_000_000
PROMPT = "Say how a tide comes about, in a few words. " * 4


@dataclass
class Till:
    """An endpoint that counts every token it works through, whether or not its reply arrives."""

    concurrency: int
    budget_usd: float
    faults: tuple[str, ...] = ()
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    served: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    most_in_flight: int = 0
    billed_micro_usd: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    """All places were taken at once; until then no reply goes out."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.in_flight == self.concurrency:
                self.full.set()
            await self.full.wait()
            return await self._reply(request, body)
        finally:
            self.in_flight -= 1

    async def _reply(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        # None towards the end: when money is short requests go one by one, and each would be waited for.
        faulty = self.served.total() < 2 * self.concurrency and self.rng.random() < 0.2
        fault = self.rng.choice(self.faults) if self.faults and faulty else "none"
        self.served[fault] += 1
        if fault in ("500", "429"):
            return web.json_response({"error": {"message": "busy"}}, status=int(fault))
        usage = self._bill(body)
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "cut off" and request.transport:
            request.transport.close()
        if fault == "broken":
            return web.Response(body=b'{"choices": [{"message": {"content": "The ti', content_type="application/json")
        choices = [] if fault == "empty" else [{"message": {"content": "By the moon."}, "finish_reason": "stop"}]
        return web.json_response({"model": "m", "choices": choices, "usage": usage})

    def _bill(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = sum(len(message["content"]) for message in body["messages"]) // 4
        cached, written = self.rng.randint(0, prompt), self.rng.randint(1, body["max_tokens"])
        self.billed_micro_usd += (prompt - cached) * 2 + cached * 1 + written * 8
        details = {"cached_tokens": cached}
        return {"prompt_tokens": prompt, "completion_tokens": written, "prompt_tokens_details": details}


Result = ChatReply | BaseException


async def ask_for_all(till: Till, path: Path, calls: int, timeout_s: float) -> tuple[list[Result], float]:
    """What came of so many calls, and what the journal counts as spent."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", till.answer)
    async with serving(app, backlog=1024) as address:
        return await _ask_there(f"{address}/v1", till, path, calls, timeout_s)


async def _ask_there(base_url: str, till: Till, path: Path, calls: int, timeout_s: float) -> tuple[list[Result], float]:
    spec = OpenAIModel(
        model="m", base_url=base_url, concurrency=till.concurrency, price=PRICE, max_tokens=150, timeout_s=timeout_s
    )
    meter = Meter(None)
    meter.expect((), ("teacher",))
    with open_journal(path) as journal:
        purse = Budget(till.budget_usd, journal.spent_usd())
        async with open_chat(
            {"teacher": spec},
            addresses={"teacher": (base_url, "", "m")},
            journal=journal,
            purse=purse,
            gate=RunGate(),
            meter=meter,
        ) as models:
            asked = (models["teacher"].complete(request(number)) for number in range(calls))
            results = await asyncio.gather(*asked, return_exceptions=True)
        journal.add_to_counter(LOST_USD, purse.lost_usd)
        return results, journal.spent_usd()


def request(number: int) -> ChatRequest:
    messages = (Message(role="user", content=f"{number}: {PROMPT}"),)
    return ChatRequest(
        messages=messages, prompt_version="verbatim", stage="respond", sample_id=str(number), sampling=Sampling()
    )


async def test_a_dollar_is_never_passed_and_nearly_all_of_it_is_used(tmp_path: Path) -> None:
    till = Till(concurrency=500, budget_usd=1.0)
    results, spent = await ask_for_all(till, tmp_path / "journal.sqlite", calls=1600, timeout_s=60)
    billed = till.billed_micro_usd / MICRO
    assert till.most_in_flight == 500
    assert billed <= 1.0
    # The last requests go one by one, until what is left could not pay for another whole one: 0.002 USD.
    assert billed > 0.998
    assert spent == pytest.approx(billed, abs=1e-9)
    assert sum(isinstance(result, BudgetError) for result in results) == len(results) - till.served.total()


async def test_what_an_endpoint_bills_for_nothing_counts_too(tmp_path: Path) -> None:
    faults = ("500", "429", "broken", "empty", "cut off", "hang")
    till = Till(concurrency=100, budget_usd=0.3, faults=faults)
    results, spent = await ask_for_all(till, tmp_path / "journal.sqlite", calls=600, timeout_s=10)
    billed = till.billed_micro_usd / MICRO
    assert all(till.served[fault] for fault in faults)
    assert billed <= spent <= 0.3
    assert {type(result) for result in results} == {ChatReply, BudgetError, CallError}


async def test_a_dead_endpoint_costs_nothing(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.sqlite") as journal:
        purse, meter = Budget(1.0), Meter(None)
        meter.expect((), ("teacher",))
        spec = OpenAIModel(model="m", base_url="http://127.0.0.1:9/v1", price=PRICE, timeout_s=1)
        async with open_chat(
            {"teacher": spec},
            addresses={"teacher": (spec.base_url, "", "m")},
            journal=journal,
            purse=purse,
            gate=RunGate(),
            meter=meter,
        ) as models:
            with pytest.raises(CallError):
                await models["teacher"].complete(request(0))
        assert (purse.spent_usd, purse.held_usd) == (0, 0)
