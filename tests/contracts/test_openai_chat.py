"""The chat adapter against a real HTTP server that misbehaves as endpoints do."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from preflect.adapters.chat_call import ChatCall
from preflect.adapters.chat_wire import call_key
from preflect.adapters.openai import OpenAIChat, open_chat
from preflect.engine.budget import Budget, Held
from preflect.engine.gate import RunGate
from preflect.engine.journal import Journal, open_journal
from preflect.engine.meter import Meter
from preflect.errors import AccessDeniedError, BudgetError, CallError, InterruptedRunError
from preflect.ports import ChatRequest
from preflect.schemas import Message, OpenAIModel, Price, Sampling, SharedLimit
from preflect.traffic.http_reply import HttpReply

from .http_server import serving

Answer = Callable[[int, dict[str, Any]], Awaitable[web.StreamResponse]]


def completion(text: str = "fine", *, finish_reason: str = "stop", **message: Any) -> web.Response:
    return web.json_response(
        {
            "model": "served",
            "choices": [{"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 20},
        }
    )


@dataclass
class Endpoint:
    """An endpoint that answers request number n (from 0) as `answer` says, and keeps what it was asked."""

    answer: Answer
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    at: list[float] = field(default_factory=list[float])
    most_in_flight: int = 0
    in_flight: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.at.append(time.monotonic())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.answer(len(self.bodies) - 1, self.bodies[-1])
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def served(endpoint: Endpoint) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.handle)
    async with serving(app) as address:
        yield f"{address}/v1"


@dataclass
class Rig:
    model: OpenAIChat
    journal: Journal
    gate: RunGate
    meter: Meter


@asynccontextmanager
async def rig(
    endpoint: Endpoint,
    path: Path,
    *,
    key: str = "",
    budget_usd: float | None = None,
    stages: tuple[str, ...] = (),
    **options: Any,
) -> AsyncGenerator[Rig]:
    async with served(endpoint) as base_url:
        given: dict[str, Any] = {"timeout_s": 5.0, "base_url": base_url} | options
        spec = OpenAIModel(model="m", **given)
        gate, meter = RunGate(), Meter(None)
        meter.expect((), ("teacher",))
        with open_journal(path / "journal.sqlite") as journal:
            async with open_chat(
                {"teacher": spec},
                addresses={"teacher": (spec.base_url, key, "m")},
                journal=journal,
                purse=Budget(budget_usd, journal.spent_usd()),
                gate=gate,
                meter=meter,
                stages=stages,
            ) as models:
                yield Rig(models["teacher"], journal, gate, meter)


@asynccontextmanager
async def rigs(
    endpoint: Endpoint, path: Path, names: tuple[str, ...], shared: dict[str, SharedLimit], **options: Any
) -> AsyncGenerator[tuple[OpenAIChat, ...]]:
    """Several models at one endpoint."""
    async with served(endpoint) as base_url:
        meter = Meter(None)
        meter.expect((), names)
        with open_journal(path / "journal.sqlite") as journal:
            async with open_chat(
                {name: OpenAIModel(model="m", base_url=base_url, **options) for name in names},
                addresses=dict.fromkeys(names, (base_url, "", "m")),
                journal=journal,
                purse=Budget(None),
                gate=RunGate(),
                meter=meter,
                shared=shared,
            ) as models:
                yield tuple(models.values())


def ask(text: str = "hello", **options: Any) -> ChatRequest:
    messages = (Message(role="user", content=text),)
    given: dict[str, Any] = {"stage": "respond"} | options
    return ChatRequest(messages=messages, prompt_version="verbatim", sample_id="s", **given)


async def fine(_: int, __: dict[str, Any]) -> web.Response:
    return completion()


async def test_an_answered_call_leaves_nothing_until_garbage_is_looked_for(tmp_path: Path) -> None:
    """A run looks for garbage seldom, and a call holds its request's body and its reply's."""
    async with rig(Endpoint(fine), tmp_path) as r:
        gc.collect()
        gc.disable()
        try:
            for number in range(3):
                await r.model.complete(ask(f"Name bird {number}."))
            assert [left for left in gc.get_objects() if type(left) in (ChatCall, HttpReply, Held)] == []
        finally:
            gc.enable()


async def test_a_reply_carries_its_text_and_provenance(tmp_path: Path) -> None:
    async with rig(Endpoint(fine), tmp_path, temperature=0.7) as r:
        reply = await r.model.complete(ask())
    assert (reply.text, reply.finish_reason, reply.provenance.model) == ("fine", "stop", "served")
    assert reply.provenance.sampling == Sampling(temperature=0.7, max_tokens=2048)


async def test_an_answered_request_is_never_sent_again_not_even_by_another_process(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with rig(endpoint, tmp_path) as r:
        first = await r.model.complete(ask())
        assert await r.model.complete(ask()) == first
    async with rig(endpoint, tmp_path) as r:
        assert await r.model.complete(ask()) == first
        assert r.meter.snapshot().models[0].replayed == 1
    assert len(endpoint.bodies) == 1


async def test_equal_requests_at_one_time_are_sent_once_and_samples_of_one_prompt_each(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with rig(endpoint, tmp_path) as r:
        await asyncio.gather(*(r.model.complete(ask()) for _ in range(5)))
        assert len(endpoint.bodies) == 1
        await asyncio.gather(*(r.model.complete(ask(index=i)) for i in range(5)))
    assert len(endpoint.bodies) == 5


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
async def test_a_passing_fault_is_tried_again(tmp_path: Path, status: int) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": "busy"}}, status=status) if n < 2 else completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        assert (await r.model.complete(ask())).text == "fine"
        assert r.meter.snapshot().models[0].retries == 2
        assert r.journal.counts()[0].calls == 1


async def test_retry_after_is_honoured(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        if n == 0:
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0.7"})
        return completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        await r.model.complete(ask())
    assert 0.7 <= endpoint.at[1] - endpoint.at[0] < 1.5


async def test_a_dropped_connection_and_a_broken_body_are_tried_again(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        if n == 0:
            raise ConnectionResetError
        return web.Response(body=b'{"choices": [', content_type="application/json") if n == 1 else completion()

    async with rig(Endpoint(answer), tmp_path) as r:
        assert (await r.model.complete(ask())).text == "fine"


async def test_a_refused_request_fails_at_once_with_the_endpoints_words(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": "no such tool"}}, status=400)

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        with pytest.raises(CallError, match=r"call_failed: HTTP 400: .*no such tool"):
            await r.model.complete(ask())
    assert len(endpoint.bodies) == 1


async def test_a_404_says_that_the_model_is_not_there_until_it_has_answered_once(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return completion() if n == 1 else web.json_response({"error": {"message": "not found"}}, status=404)

    async with rig(Endpoint(answer), tmp_path) as r:
        with pytest.raises(AccessDeniedError, match="HTTP 404: not found; mend the address"):
            await r.model.complete(ask("one"))
        await r.model.complete(ask("two"))
        with pytest.raises(CallError, match="call_failed: HTTP 404: not found"):
            await r.model.complete(ask("three"))


async def test_a_content_filter_has_its_own_reason(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": "filtered", "code": "content_filter"}}, status=400)

    async with rig(Endpoint(answer), tmp_path) as r:
        with pytest.raises(CallError) as caught:
            await r.model.complete(ask())
    assert caught.value.reason == "content_filter"


async def test_an_endpoint_that_never_answers_ends_at_the_deadline(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        await asyncio.sleep(30)
        return completion()

    async with rig(Endpoint(answer), tmp_path, timeout_s=0.3) as r:
        with pytest.raises(CallError, match=r"call_timeout: no reply of teacher within 0\.3 s"):
            await r.model.complete(ask())


async def test_an_endpoint_that_only_fails_is_quoted_at_the_deadline(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": "boom"}}, status=500)

    async with rig(Endpoint(answer), tmp_path, timeout_s=0.4) as r:
        with pytest.raises(CallError, match=r"call_failed: HTTP 500: .*boom.*, again and again for 0\.4 s"):
            await r.model.complete(ask())


async def test_where_no_response_format_is_taken_tags_are_asked_for_from_then_on(tmp_path: Path) -> None:
    async def answer(_: int, body: dict[str, Any]) -> web.Response:
        if "response_format" in body:
            return web.json_response({"error": {"message": "response_format is not supported"}}, status=400)
        return completion("<critique>thin</critique>")

    schema = {"type": "object", "properties": {"critique": {"type": "string"}}, "required": ["critique"]}
    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        for text in ("one", "two"):
            await r.model.complete(ask(text, schema_name="reflect", json_schema=schema))
    assert ["response_format" in body for body in endpoint.bodies] == [True, True, False, False]
    assert "<critique>" in endpoint.bodies[2]["messages"][0]["content"]


async def test_calls_that_were_on_their_way_when_a_schema_was_refused_are_asked_again_too(tmp_path: Path) -> None:
    async def answer(_: int, body: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.05)
        if "response_format" in body:
            return web.json_response({"error": {"message": "response_format is not supported"}}, status=400)
        return completion("<critique>thin</critique>")

    schema = {"type": "object", "properties": {"critique": {"type": "string"}}, "required": ["critique"]}
    async with rig(Endpoint(answer), tmp_path) as r:
        asked = [r.model.complete(ask(str(i), schema_name="reflect", json_schema=schema)) for i in range(10)]
        assert len(await asyncio.gather(*asked)) == 10


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {"max_tokens"}),
        ("max_tokens is too large: 99999", set[str]()),
        ("the prompt speaks of pumpkin seeds", set[str]()),
        ("Unrecognized request argument supplied: seed", {"seed"}),
        ("'response_format' of type 'json_schema' is not supported with this model", {"response_format"}),
    ],
)
async def test_only_an_option_that_is_refused_is_put_otherwise(tmp_path: Path, message: str, options: set[str]) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return completion() if n else web.json_response({"error": {"message": message}}, status=400)

    endpoint = Endpoint(answer)
    schema = {"type": "object", "properties": {"critique": {"type": "string"}}}
    async with rig(endpoint, tmp_path) as r:
        request = ask(schema_name="reflect", json_schema=schema, sampling=Sampling(seed=1))
        if options:
            await r.model.complete(request)
            first, second = endpoint.bodies
            assert {name for name in first if second.get(name) != first[name]} - {"messages"} == options
        else:
            with pytest.raises(CallError):
                await r.model.complete(request)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 42}}]}',
        b'{"choices": [{"message": {"content": "x", "reasoning": ["a"]}}]}',
        b"[1, 2]",
        b"<html>busy</html>",
    ],
)
async def test_a_body_that_is_no_completion_fails_its_call_after_three_tries(tmp_path: Path, body: bytes) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, timeout_s=20.0) as r:
        with pytest.raises(CallError, match="the reply is no chat completion"):
            await r.model.complete(ask())
    assert len(endpoint.bodies) == 3


async def test_content_in_parts_is_joined(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        parts = [{"type": "text", "text": "fine "}, {"type": "text", "text": "indeed"}]
        return web.json_response({"choices": [{"message": {"content": parts}}]})

    async with rig(Endpoint(answer), tmp_path) as r:
        assert (await r.model.complete(ask())).text == "fine indeed"


async def test_a_call_whose_tokens_are_not_counted_costs_what_was_set_aside_for_it(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.json_response({"choices": [{"message": {"content": "fine"}}]})

    price = Price(output=1000.0)  # at most 100 tokens: 0.10 USD
    async with rig(Endpoint(answer), tmp_path, budget_usd=0.35, price=price, max_tokens=100) as r:
        results = await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(9)), return_exceptions=True)
        assert r.journal.spent_usd() == pytest.approx(0.3)
    assert sum(isinstance(result, BudgetError) for result in results) == 6


def throttled(retry_after: str = "") -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response({"error": {"message": "too many requests"}}, status=429, headers=headers)


async def test_while_an_endpoint_asks_to_wait_nothing_at_all_is_sent_and_everything_after(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.01)
        return throttled("0.5") if n == 4 else completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, concurrency=4) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(30)))
        assert r.meter.snapshot().models[0].throttled == 1
    refused_at = endpoint.at[4] + 0.01
    assert len(endpoint.bodies) == 31
    assert not [at for at in endpoint.at if refused_at + 0.02 < at < refused_at + 0.48]


async def test_calls_that_wait_after_a_refusal_are_not_in_flight(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return throttled("0.4") if n < 4 else completion()

    async with rig(Endpoint(answer), tmp_path, concurrency=4) as r:
        calls = asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(4)))
        await asyncio.sleep(0.2)
        assert r.meter.snapshot().models[0].in_flight == 0
        await calls
        assert r.meter.snapshot().models[0].in_flight == 0


async def test_a_wait_that_the_endpoint_asks_for_takes_nothing_of_the_calls_own_time(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return throttled("0.6") if n < 8 else completion()

    async with rig(Endpoint(answer), tmp_path, timeout_s=0.3, concurrency=8) as r:
        assert len(await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(20)))) == 20


async def test_headers_say_how_long_a_refusal_lasts_where_it_does_not(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        reply = throttled() if n == 0 else completion()
        reply.headers["x-ratelimit-remaining-requests"] = "0" if n == 0 else "9"
        reply.headers["x-ratelimit-reset-requests"] = "700ms"
        return reply

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        await r.model.complete(ask())
    assert endpoint.at[1] - endpoint.at[0] >= 0.7


async def test_a_hedge_that_waits_for_its_turn_is_taken_back_when_the_answer_comes(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.5 if n >= 20 else 0.0)
        return completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, hedge_after_s=0.1, concurrency=1) as r:
        for i in range(20):
            await r.model.complete(ask(str(i)))
        await r.model.complete(ask("slow"))
        await r.model.complete(ask("later"))
    assert len(endpoint.bodies) == 22


async def test_a_crowd_of_refusals_is_one_cut(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.02)
        return throttled("0.1") if 14 <= n < 20 else completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, concurrency=20) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(20)))
        model = r.meter.snapshot().models[0]
        assert (model.calls, model.throttled) == (20, 6)
    assert len(endpoint.bodies) == 26


async def test_a_429_for_want_of_money_is_final(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        return web.json_response({"error": error}, status=429)

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path) as r:
        with pytest.raises(AccessDeniedError, match="HTTP 429: You exceeded your current quota; top up"):
            await r.model.complete(ask())
    assert len(endpoint.bodies) == 1


async def test_what_the_headers_say_is_used_up_is_waited_for_before_it_is_refused(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        reply = completion()
        if n == 1:
            reply.headers["x-ratelimit-remaining-requests"] = "0"
            reply.headers["x-ratelimit-reset-requests"] = "400ms"
        return reply

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, concurrency=1) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(3)))
    assert endpoint.at[2] - endpoint.at[1] >= 0.4
    assert endpoint.at[1] - endpoint.at[0] < 0.3


async def after_a_moment(_: int, __: dict[str, Any]) -> web.Response:
    await asyncio.sleep(0.02)
    return completion()


async def order_of_calls(tmp_path: Path, *, early: int, late: int) -> list[str]:
    """In which order so many calls of an earlier and of a later stage go, one at a time."""
    endpoint = Endpoint(after_a_moment)
    async with rig(endpoint, tmp_path, concurrency=1, stages=("respond", "judge")) as r:
        first = [asyncio.create_task(r.model.complete(ask(f"early {i}"))) for i in range(early)]
        await asyncio.sleep(0.01)
        then = [asyncio.create_task(r.model.complete(ask(f"late {i}", stage="judge"))) for i in range(late)]
        await asyncio.gather(*first, *then)
    return [body["messages"][0]["content"] for body in endpoint.bodies]


async def test_a_later_stage_goes_first_and_equals_in_their_order(tmp_path: Path) -> None:
    asked = await order_of_calls(tmp_path, early=8, late=2)
    assert asked == ["early 0", "late 0", "late 1", *(f"early {i}" for i in range(1, 8))]


async def test_once_few_are_left_the_earliest_stage_goes_first(tmp_path: Path) -> None:
    assert await order_of_calls(tmp_path, early=2, late=1) == ["early 0", "early 1", "late 0"]


async def test_models_that_share_a_limit_keep_it_together(tmp_path: Path) -> None:
    endpoint = Endpoint(after_a_moment)
    shared = {"key": SharedLimit(concurrency=3)}
    async with rigs(endpoint, tmp_path, ("one", "two"), shared=shared, limit="key", concurrency=2) as models:
        await asyncio.gather(*(model.complete(ask(str(i))) for model in models for i in range(15)))
    assert endpoint.most_in_flight == 3


async def test_a_shared_limit_pauses_all_who_share_it(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        return throttled("0.4") if n == 0 else completion()

    endpoint = Endpoint(answer)
    shared = {"key": SharedLimit()}
    async with rigs(endpoint, tmp_path, ("one", "two"), shared=shared, limit="key") as (one, two):
        first = asyncio.create_task(one.complete(ask()))
        await asyncio.sleep(0.1)
        await asyncio.gather(first, two.complete(ask()))
    assert endpoint.at[1] - endpoint.at[0] >= 0.4


async def slow_at_first(n: int, body: dict[str, Any]) -> web.Response:
    if n == 30:
        await asyncio.sleep(3.0)
    return completion(body["messages"][0]["content"])


async def test_a_reply_slower_than_usual_is_asked_for_again_and_both_are_paid(tmp_path: Path) -> None:
    endpoint = Endpoint(slow_at_first)
    price = Price(output=1.0)
    async with rig(endpoint, tmp_path, hedge_after_s=0.1, price=price) as r:
        for i in range(30):
            await r.model.complete(ask(str(i)))
        since = time.monotonic()
        assert (await r.model.complete(ask("slow"))).text == "slow"
        assert 0.1 <= time.monotonic() - since < 1.0
        assert r.meter.snapshot().models[0].hedged == 1
    with open_journal(tmp_path / "journal.sqlite") as journal:
        assert journal.counts()[0].calls == len(endpoint.bodies) == 32
        assert journal.spent_usd() == pytest.approx(32 * 20 / 1_000_000)


async def test_before_enough_replies_came_and_without_being_told_nothing_is_asked_twice(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.2)
        return completion()

    for after_s in (0.05, None):
        endpoint = Endpoint(answer)
        async with rig(endpoint, tmp_path, hedge_after_s=after_s) as r:
            await asyncio.gather(*(r.model.complete(ask(f"{after_s} {i}")) for i in range(10)))
        assert len(endpoint.bodies) == 10


async def test_a_call_of_the_first_wave_is_hedged_as_well(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        await asyncio.sleep(30 if n == 0 else 0)
        return completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, hedge_after_s=0.3, timeout_s=3.0) as r:
        async with asyncio.timeout(2.0):
            await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(25)))
    assert len(endpoint.bodies) == 26


async def test_a_hedge_whose_first_call_fails_brings_the_other_ones_answer(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        if n == 20:
            await asyncio.sleep(0.3)
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        await asyncio.sleep(0.6 if n == 21 else 0.0)
        return completion()

    async with rig(Endpoint(answer), tmp_path, hedge_after_s=0.1) as r:
        for i in range(20):
            await r.model.complete(ask(str(i)))
        assert (await r.model.complete(ask("slow"))).text == "fine"


async def test_a_call_waits_for_its_turn_on_nobodys_clock_but_its_retries_on_its_own(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.2)
        return completion()

    async with rig(Endpoint(answer), tmp_path, concurrency=1, timeout_s=0.5) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(6)))  # the last one waits a second


async def test_a_place_whose_call_hangs_is_free_again_after_the_deadline(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        await asyncio.sleep(30 if n == 0 else 0)
        return completion()

    async with rig(Endpoint(answer), tmp_path, concurrency=1, timeout_s=0.3) as r:
        results = await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(4)), return_exceptions=True)
    assert [isinstance(result, CallError) for result in results] == [True, False, False, False]


async def test_an_address_without_a_server_fails_its_call_at_the_deadline(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with served(endpoint) as gone:
        pass
    async with rig(endpoint, tmp_path, timeout_s=0.4, base_url=gone) as r:
        with pytest.raises(CallError, match=r"call_failed: ClientConnectorError.*again and again for 0\.4 s"):
            await r.model.complete(ask())


def test_two_models_that_are_served_under_one_name_are_two_calls() -> None:
    keys = {call_key(name, "default", "tags", ask(), Sampling()) for name in ("a", "b")}
    assert len(keys) == 2


async def test_no_more_calls_are_in_flight_than_the_model_allows(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.02)
        return completion()

    endpoint = Endpoint(answer)
    async with rig(endpoint, tmp_path, concurrency=3) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(30)))
    assert endpoint.most_in_flight == 3


async def test_requests_per_minute_are_kept(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with rig(endpoint, tmp_path, rpm=300) as r:  # five a second
        waiting = [asyncio.create_task(r.model.complete(ask(str(i)))) for i in range(30)]
        await asyncio.sleep(1.0)
        assert 5 <= len(endpoint.bodies) <= 10
        for task in waiting:
            task.cancel()


async def test_output_counts_against_the_tokens_per_minute(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)  # every reply counts 20 tokens
    async with rig(endpoint, tmp_path, tpm=600) as r:  # 100 at once, 10 a second
        waiting = [asyncio.create_task(r.model.complete(ask(str(i)))) for i in range(30)]
        await asyncio.sleep(1.0)
        assert 2 <= len(endpoint.bodies) <= 6
        for task in waiting:
            task.cancel()


async def test_a_stop_does_not_wait_for_the_pace(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with rig(endpoint, tmp_path, rpm=1) as r:
        waiting = [asyncio.create_task(r.model.complete(ask(str(i)))) for i in range(3)]
        await asyncio.sleep(0.2)
        r.gate.close(InterruptedRunError("stopped on request"))
        since = time.monotonic()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert time.monotonic() - since < 1
    assert sum(isinstance(result, InterruptedRunError) for result in results) == 2


async def test_a_stop_does_not_wait_for_a_retry_after(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"message": "later"}}, status=429, headers={"Retry-After": "60"})

    async with rig(Endpoint(answer), tmp_path, timeout_s=90.0) as r:
        waiting = asyncio.create_task(r.model.complete(ask()))
        await asyncio.sleep(0.2)
        r.gate.close(InterruptedRunError("stopped on request"))
        with pytest.raises(InterruptedRunError):
            await asyncio.wait_for(waiting, timeout=2)


async def test_a_closed_gate_lets_no_new_call_out(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    async with rig(endpoint, tmp_path) as r:
        r.gate.close(InterruptedRunError("stopped on request"))
        with pytest.raises(InterruptedRunError, match="stopped on request"):
            await r.model.complete(ask())
    assert endpoint.bodies == []


async def test_the_budget_is_never_passed_and_calls_wait_for_room(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.01)
        return completion()

    endpoint = Endpoint(answer)
    price = Price(output=1000.0)  # 20 tokens a reply: 0.02 USD; at most 100 tokens: 0.10 USD
    async with rig(endpoint, tmp_path, budget_usd=0.5, price=price, max_tokens=100) as r:
        results = await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(40)), return_exceptions=True)
        spent = r.journal.spent_usd()
    assert any(isinstance(result, BudgetError) for result in results)
    assert spent == pytest.approx(0.02 * len(endpoint.bodies))
    assert 0.4 < spent <= 0.5


async def test_where_replies_cost_more_than_was_set_aside_calls_stop_at_the_budget(tmp_path: Path) -> None:
    endpoint = Endpoint(fine)
    # Ten tokens are set aside for each, 0.01 USD, so that all fit; the endpoint bills twenty, 0.02 USD.
    price, budget_usd = Price(output=1000.0), 0.1
    async with rig(endpoint, tmp_path, budget_usd=budget_usd, price=price, max_tokens=10, concurrency=1) as r:
        results = await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(9)), return_exceptions=True)
        assert r.journal.spent_usd() == pytest.approx(0.02 * len(endpoint.bodies))
        # One goes out while the reply before it is read.
        assert r.journal.spent_usd() <= budget_usd + 0.02 + 1e-9
    assert any(isinstance(result, BudgetError) for result in results)


async def test_a_retry_waits_for_money_on_nobodys_clock(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        if n == 0:
            return web.json_response({"error": {"message": "overloaded"}}, status=500)
        await asyncio.sleep(0.3)
        return completion()

    endpoint = Endpoint(answer)
    # One call at a time has room: at most 1,000 tokens, 1 USD, of which a reply takes 0.02.
    async with rig(endpoint, tmp_path, budget_usd=1.9, price=Price(output=1000.0), max_tokens=1000, timeout_s=0.9) as r:
        await asyncio.gather(*(r.model.complete(ask(str(i))) for i in range(8)))
        assert r.journal.spent_usd() == pytest.approx(8 * 0.02)
    assert len(endpoint.bodies) == 9


async def test_thinking_is_taken_apart_from_the_answer(tmp_path: Path) -> None:
    async def answer(n: int, _: dict[str, Any]) -> web.Response:
        forms = ("<think>\nhm\n</think>\n\n42", "hm\n</think>\n\n42")  # some templates open the tag themselves
        return completion(forms[n]) if n < len(forms) else completion("42", reasoning_content="hm")

    async with rig(Endpoint(answer), tmp_path) as r:
        replies = [await r.model.complete(ask(str(i))) for i in range(3)]
    assert [(reply.thinking, reply.text) for reply in replies] == [("hm", "42")] * 3


async def test_half_an_emoji_in_a_reply_is_replaced(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        body = b'{"choices": [{"message": {"content": "well \\ud83d"}}]}'
        return web.Response(body=body, content_type="application/json")

    async with rig(Endpoint(answer), tmp_path) as r:
        assert (await r.model.complete(ask())).text == "well ?"


@pytest.mark.parametrize("spelt", ["sk-v/e+ry=", r"sk-v\/e+ry=", r"sk-v/e\u002Bry\u003d", r"\u0073k-v\u002fe+ry="])
async def test_the_key_reaches_no_error_message_however_it_is_spelt(spelt: str, tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        said = f'{{"error": {{"message": "Incorrect API key provided: {spelt}"}}}}'
        return web.Response(text=said, content_type="application/json", status=401)

    async with rig(Endpoint(answer), tmp_path, key="sk-v/e+ry=") as r:
        with pytest.raises(AccessDeniedError, match=r"provided: \*\*\*;"):
            await r.model.complete(ask())
    assert b"sk-v/e+ry=" not in (tmp_path / "journal.sqlite").read_bytes()


async def test_the_key_reaches_no_reply_though_the_model_quotes_it_in_other_letters(tmp_path: Path) -> None:
    async def answer(_: int, __: dict[str, Any]) -> web.Response:
        body = rb'{"choices": [{"message": {"content": "It is sk-v\/e\u002Bry="}}]}'
        return web.Response(body=body, content_type="application/json")

    async with rig(Endpoint(answer), tmp_path, key="sk-v/e+ry=") as r:
        assert (await r.model.complete(ask())).text == "It is ***"
