"""The batch adapter with the real client, against a provider of files and batches that misbehaves as providers do."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from preflect.adapters.batch_chat import BatchChat, open_batch_chat
from preflect.engine.batches import BatchNotes
from preflect.engine.budget import Budget
from preflect.engine.gate import RunGate
from preflect.engine.journal import Journal, open_journal
from preflect.engine.meter import Meter
from preflect.errors import (
    AccessDeniedError,
    BudgetError,
    CallError,
    InterruptedRunError,
    RefusedCallError,
    RunError,
)
from preflect.ports import ChatReply, ChatRequest
from preflect.schemas import BatchOptions, Message, OpenAIModel, Price, Sampling

from .batch_provider import BatchProvider, Json, Said, completion, echo, error, last_words, providing

SCHEMA = {"type": "object", "properties": {"critique": {"type": "string"}}, "required": ["critique"]}


@dataclass
class Rig:
    model: BatchChat
    journal: Journal
    budget: Budget
    gate: RunGate
    meter: Meter
    notes: BatchNotes

    async def ask(self, *texts: str, **options: Any) -> list[ChatReply]:
        return await asyncio.gather(*(self.model.complete(request(text, **options)) for text in texts))

    async def outcomes(self, *texts: str) -> list[ChatReply | BaseException]:
        asked = (self.model.complete(request(text)) for text in texts)
        return await asyncio.gather(*asked, return_exceptions=True)


@asynccontextmanager
async def rig(
    provider: BatchProvider,
    path: Path,
    *,
    key: str = "",
    budget_usd: float | None = None,
    batch: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncGenerator[Rig]:
    quick = BatchOptions.model_validate({"gather_s": 0.05, "poll_s": 0.02} | (batch or {}))
    spec = OpenAIModel(model="m", base_url=provider.base_url, mode="batch", batch=quick, **options)
    gate, meter, notes = RunGate(), Meter(None), BatchNotes(path / "batches")
    meter.expect((), ("teacher",))
    with open_journal(path / "journal.sqlite") as journal:
        budget = Budget(budget_usd, journal.spent_usd())
        async with open_batch_chat(
            {"teacher": spec},
            addresses={"teacher": (provider.base_url, key, "m")},
            journal=journal,
            batches=notes,
            purse=budget,
            gate=gate,
            meter=meter,
        ) as models:
            yield Rig(models["teacher"], journal, budget, gate, meter, notes)


def request(text: str, **options: Any) -> ChatRequest:
    messages = (Message(role="user", content=text),)
    given: dict[str, Any] = {"prompt_version": "verbatim", "stage": "respond", "sample_id": text} | options
    return ChatRequest(messages=messages, **given)


def numbered(count: int) -> list[str]:
    return [f"q{number}" for number in range(count)]


def texts(replies: Sequence[ChatReply]) -> list[str]:
    return [reply.text for reply in replies]


def by_turns(*turns: Callable[[Json], Said]) -> Callable[[Json], Said]:
    """The first answer for the first time that something is asked, the second for the second, then the last."""
    asked: Counter[str] = Counter()

    def answer(body: Json) -> Said:
        turn = asked[last_words(body)]
        asked[last_words(body)] += 1
        return turns[min(turn, len(turns) - 1)](body)

    return answer


async def test_many_requests_go_in_one_batch_and_each_gets_its_own_reply_though_they_come_in_another_order(
    tmp_path: Path,
) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, temperature=0.7) as r:
            replies = await r.ask(*numbered(600))
            assert texts(replies) == [f"answer to {text}" for text in numbered(600)]
            assert r.notes.open_batches() == ()
    assert provider.sizes() == [600]
    assert replies[0].provenance.model == "served"
    assert replies[0].provenance.sampling == Sampling(temperature=0.7, max_tokens=2048)
    assert provider.bodies(0)[0]["temperature"] == 0.7


async def test_an_answered_request_is_never_sent_again_not_even_by_another_process(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path) as r:
            first = await r.ask("one")
            assert await r.ask("one") == first
        async with rig(provider, tmp_path) as r:
            assert await r.ask("one") == first
            assert r.meter.snapshot().models[0].replayed == 1
    assert provider.sizes() == [1]


async def test_equal_requests_are_sent_once_and_samples_of_one_prompt_each(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path) as r:
            asked = (request("same", index=index) for index in (0, 0, 0, 1))
            await asyncio.gather(*map(r.model.complete, asked))
    assert provider.sizes() == [2]


async def test_a_batch_goes_out_when_it_is_full(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, batch={"max_requests": 4}) as r:
            await r.ask(*numbered(10))
    assert provider.sizes() == [4, 4, 2]


async def test_a_batch_costs_half_or_what_its_own_price_says(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, price=Price(input=1.0, output=2.0)) as r:
            await r.ask("one", "two")
            # Ten tokens at 0.5 and twenty at 1.0 dollars a million, twice.
            assert r.journal.spent_usd() == pytest.approx(5e-5)
            assert r.budget.spent_usd == pytest.approx(5e-5)
        own = {"price": Price(input=0.1, output=0.1)}
        async with rig(provider, tmp_path, price=Price(input=1.0), batch=own) as r:
            await r.ask("three")
            assert r.journal.spent_usd() == pytest.approx(5.3e-5)


@pytest.mark.parametrize("passing", [error(429, "slow down"), error(500, "boom"), "batch_expired"])
async def test_a_request_that_was_not_answered_goes_with_the_next_batch(tmp_path: Path, passing: Said) -> None:
    def answer(body: Json) -> Said:
        return echo(body) if last_words(body) in ("q0", "q3") else passing

    with providing(BatchProvider(by_turns(answer, echo))) as provider:
        async with rig(provider, tmp_path) as r:
            assert texts(await r.ask(*numbered(5))) == [f"answer to {text}" for text in numbered(5)]
            model = r.meter.snapshot().models[0]
            assert (model.calls, model.retries, model.in_flight) == (5, 3, 0)
    assert provider.sizes() == [5, 3]
    assert set(provider.paid.values()) == {1}


async def test_what_an_expired_batch_had_answered_is_kept_and_the_rest_sent_again(tmp_path: Path) -> None:
    def answer(body: Json) -> Said:
        return echo(body) if int(last_words(body)[1:]) % 2 else "batch_expired"

    ends = ["expired", "completed"]
    provider = BatchProvider(by_turns(answer, echo), ending=ends.__getitem__)
    with providing(provider):
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(6))) == 6
    assert provider.sizes() == [6, 3]


async def test_a_request_is_given_up_after_four_batches(tmp_path: Path) -> None:
    with providing(BatchProvider(lambda _: error(500, "boom"))) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(CallError, match="call_failed: HTTP 500: boom, in 4 batches"):
                await r.ask("one")
    assert provider.sizes() == [1, 1, 1, 1]


async def test_a_request_that_expires_again_and_again_is_a_timeout(tmp_path: Path) -> None:
    with providing(BatchProvider(lambda _: "batch_expired")) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(CallError, match=r"call_timeout: batch_expired: .*in 4 batches"):
                await r.ask("one")


async def test_a_refused_request_fails_alone_with_the_endpoints_words(tmp_path: Path) -> None:
    refusals = {
        "q1": error(404, "no such tool"),
        "q2": error(400, "filtered", code="content_filter"),
    }
    with providing(BatchProvider(lambda body: refusals.get(last_words(body)) or echo(body))) as provider:
        async with rig(provider, tmp_path) as r:
            fine, missing, filtered = await r.outcomes("q0", "q1", "q2")
    assert isinstance(fine, ChatReply)
    assert str(missing) == "call_failed: HTTP 404: no such tool"
    assert str(filtered) == "content_filter: HTTP 400: filtered"
    assert provider.sizes() == [3]


async def test_a_request_that_is_not_taken_is_told_from_one_that_fails(tmp_path: Path) -> None:
    refusals = {
        "q0": error(400, "max_tokens is too large: 4096"),
        "q1": error(400, "filtered", code="content_filter"),
        "q2": error(404, "no such tool"),
        "q3": completion(),
    }
    with providing(BatchProvider(lambda body: refusals[last_words(body)])) as provider:
        async with rig(provider, tmp_path) as r:
            *outcomes, _ = await r.outcomes(*numbered(4))
    assert [type(outcome) for outcome in outcomes] == [RefusedCallError, CallError, CallError]


async def test_a_model_that_is_not_there_stops_the_run_in_a_batch_too(tmp_path: Path) -> None:
    with providing(BatchProvider(lambda _: error(404, "no model `m`"))) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(AccessDeniedError, match="HTTP 404: no model `m`; mend the address"):
                await r.ask("one")


async def test_a_refused_json_schema_is_asked_for_as_json_then_in_tags_from_then_on(tmp_path: Path) -> None:
    def answer(body: Json) -> Said:
        if "response_format" in body:
            return error(400, "Invalid parameter", param="response_format")
        return completion("<critique>thin</critique>")

    with providing(BatchProvider(answer)) as provider:
        async with rig(provider, tmp_path) as r:
            await r.ask(*numbered(3), schema_name="reflect", json_schema=SCHEMA)
            await r.ask("later", schema_name="reflect", json_schema=SCHEMA)
    styles = [[body.get("response_format", {}).get("type") for body in provider.bodies(n)] for n in range(4)]
    assert styles == [["json_schema"] * 3, ["json_object"] * 3, [None] * 3, [None]]
    assert "<critique>" in provider.bodies(2)[0]["messages"][0]["content"]


async def test_a_batch_that_fails_validation_stops_the_run_with_its_errors(tmp_path: Path) -> None:
    def refuse(_: int, bodies: list[Json]) -> list[Json]:
        return [{"code": "model_not_found", "line": n, "message": "no m"} for n in range(1, len(bodies) + 1)]

    with providing(BatchProvider(refuse=refuse)) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(RunError, match=r"batch_0: model_not_found \(line 1\): no m; .*; and 2 more"):
                await r.ask(*numbered(5))
            assert r.notes.open_batches() == ()


async def test_an_endpoint_without_a_batch_api_is_named_with_the_remedy(tmp_path: Path) -> None:
    async def absent(_: str) -> web.Response:
        return web.Response(status=404)

    with providing(BatchProvider(before=absent)) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(RunError, match="leave `mode: batch` out"):
                await r.ask("one")


async def test_a_full_queue_makes_batches_smaller_and_sends_them_one_at_a_time(tmp_path: Path) -> None:
    def refuse(number: int, bodies: list[Json]) -> list[Json]:
        in_work = sum(batch["status"] in ("in_progress", "finalizing") for batch in provider.batches.values())
        if len(bodies) <= 3 and not in_work:
            return []
        return [{"code": "token_limit_exceeded", "line": None, "message": "Enqueued token limit reached"}]

    provider = BatchProvider(refuse=refuse)
    with providing(provider):
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(12))) == 12
    assert provider.sizes()[:3] == [12, 6, 3]
    assert set(provider.paid.values()) == {1}


async def test_a_cancelled_batch_stops_the_run_and_what_it_had_answered_is_kept(tmp_path: Path) -> None:
    def answer(body: Json) -> Said:
        return echo(body) if last_words(body) == "q0" else "batch_cancelled"

    with providing(BatchProvider(answer, looks=-1)) as provider:
        async with rig(provider, tmp_path) as r:
            asked = asyncio.create_task(r.outcomes("q0", "q1"))
            await asyncio.to_thread(provider.wait_for, lambda: len(provider.batches) == 1)
            provider.batches["batch_0"]["status"] = "cancelling"
            answered, cancelled = await asked
    assert isinstance(answered, ChatReply)
    assert isinstance(cancelled, InterruptedRunError)
    assert "batch_0 was cancelled" in str(cancelled)


async def test_lines_that_are_lost_or_broken_are_asked_for_again(tmp_path: Path) -> None:
    async def spoil(what: str) -> None:
        if what == "GET /v1/batches/ID" and provider.batches["batch_0"]["output_file_id"]:
            file = provider.batches["batch_0"]["output_file_id"]
            lines = provider.files[file].splitlines()
            provider.files[file] = b"\n".join([b"<html>", lines[0][:20], *lines[2:]])

    provider = BatchProvider(after=spoil)
    with providing(provider):
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(4))) == 4
    assert provider.sizes() == [4, 2]


async def test_a_line_separator_and_half_an_emoji_in_a_reply_do_not_break_its_line(tmp_path: Path) -> None:
    replies = {"q0": "one\u2028two\x85three", "q1": "well"}
    with providing(BatchProvider(lambda body: completion(replies[last_words(body)]))) as provider:

        async def cut(what: str) -> None:
            if what == "GET /v1/batches/ID":
                for name, content in provider.files.items():
                    provider.files[name] = content.replace(b'"well"', b'"well \\ud83d"')

        provider.after = cut
        async with rig(provider, tmp_path) as r:
            assert texts(await r.ask("q0", "q1")) == ["one\u2028two\x85three", "well ?"]


@pytest.mark.parametrize(
    "what", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/ID", "GET /v1/files/ID/content"]
)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_a_passing_fault_of_the_endpoint_is_waited_out_and_nothing_is_paid_twice(
    tmp_path: Path, what: str, done: bool
) -> None:
    faults = [web.Response(status=503), web.Response(status=429), ConnectionResetError()]

    async def fail(now: str) -> web.Response | None:
        if now != what or not faults:
            return None
        fault = faults.pop()
        if isinstance(fault, ConnectionResetError):
            raise fault
        return fault

    provider = BatchProvider(after=fail) if done else BatchProvider(before=fail)
    with providing(provider):
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(3))) == 3
    assert len(faults) < 3
    assert len(provider.batches) == 1
    assert set(provider.paid.values()) == {1}


async def test_a_download_that_breaks_off_is_begun_anew(tmp_path: Path) -> None:
    with providing(BatchProvider(cut_downloads=2)) as provider:
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(50))) == 50
    assert provider.seen.count("GET /v1/files/ID/content") == 3
    assert provider.sizes() == [50]


async def test_a_billed_fault_counts_once_though_its_download_is_begun_anew(tmp_path: Path) -> None:
    # Twenty tokens at 1,000 dollars a million, halved: 0.01 each.
    answers = by_turns(lambda _: completion(choices=[]), echo)
    with providing(BatchProvider(answers, cut_downloads=2)) as provider:
        async with rig(provider, tmp_path, budget_usd=9.0, price=Price(output=1000.0), max_tokens=100) as r:
            assert len(await r.ask(*numbered(6))) == 6
            assert r.budget.spent_usd == pytest.approx(0.01 * provider.paid.total())
    assert provider.sizes() == [6, 6]


async def test_an_account_without_money_is_not_waited_for(tmp_path: Path) -> None:
    async def poor(what: str) -> web.Response | None:
        body = {"error": {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"}}
        return web.json_response(body, status=429) if what == "POST /v1/batches" else None

    with providing(BatchProvider(before=poor)) as provider:
        async with rig(provider, tmp_path) as r:
            with pytest.raises(AccessDeniedError, match="HTTP 429: Billing hard limit has been reached; top up"):
                await r.ask("one")


async def test_a_key_that_is_not_let_in_stops_the_run_and_is_not_quoted(tmp_path: Path) -> None:
    async def shut(_: str) -> web.Response:
        return web.json_response({"error": {"message": "Incorrect API key: sk-old"}}, status=401)

    with providing(BatchProvider(before=shut)) as provider:
        async with rig(provider, tmp_path, key="sk-old", api_key_env="THE_KEY") as r:
            with pytest.raises(
                AccessDeniedError, match=r"HTTP 401: Incorrect API key: \*\*\*; put a valid key into THE_KEY"
            ) as denied:
                await r.ask("one")
    assert "sk-old" not in "".join(traceback.format_exception(denied.value))


async def test_a_stop_ends_all_waiting_at_once_and_a_later_sitting_picks_the_batch_up(tmp_path: Path) -> None:
    with providing(BatchProvider(looks=-1)) as provider:
        async with rig(provider, tmp_path) as r:
            asked = asyncio.create_task(r.outcomes(*numbered(3)))
            await asyncio.to_thread(provider.wait_for, lambda: "GET /v1/batches/ID" in provider.seen)
            r.gate.close(InterruptedRunError("stopped on request"))
            assert all(isinstance(outcome, InterruptedRunError) for outcome in await asyncio.wait_for(asked, 1.0))
        provider.looks = 0
        async with rig(provider, tmp_path) as r:
            assert r.meter.snapshot().models[0].in_flight == 3
            assert len(await r.ask(*numbered(3))) == 3
    assert provider.sizes() == [3]
    assert set(provider.paid.values()) == {1}


@pytest.mark.parametrize(
    "point",
    [
        "before POST /v1/files",
        "after POST /v1/files",
        "before POST /v1/batches",
        "after POST /v1/batches",
        "before GET /v1/batches/ID",
        "after GET /v1/batches/ID",
        "before GET /v1/files/ID/content",
        "after GET /v1/files/ID/content",
    ],
)
async def test_a_sitting_may_end_anywhere_and_the_next_pays_for_nothing_twice(tmp_path: Path, point: str) -> None:
    when, what = point.split(" ", 1)
    reached: list[str] = []

    async def hold(now: str) -> None:
        if now == what:
            reached.append(now)
            await asyncio.sleep(60)

    with providing(BatchProvider()) as provider:
        setattr(provider, when, hold)
        async with rig(provider, tmp_path) as r:
            asked = asyncio.create_task(r.ask(*numbered(3)))
            await asyncio.to_thread(provider.wait_for, lambda: bool(reached))
            asked.cancel()
        setattr(provider, when, None)
        async with rig(provider, tmp_path) as r:
            assert len(await r.ask(*numbered(3))) == 3
            assert r.notes.open_batches() == ()
    assert provider.sizes() == [3]
    assert set(provider.paid.values()) == {1}


async def test_replies_without_a_count_of_tokens_are_counted(tmp_path: Path) -> None:
    with providing(BatchProvider(lambda _: completion(usage=None))) as provider:
        async with rig(provider, tmp_path) as r:
            await r.ask(*numbered(3))
            assert r.meter.snapshot().models[0].uncounted == 3


async def test_replies_that_were_kept_before_a_sitting_ended_count_once(tmp_path: Path) -> None:
    price = Price(output=100_000.0)
    with providing(BatchProvider(cut_downloads=1)) as provider:
        async with rig(provider, tmp_path, price=price, batch={"poll_s": 0.3}) as r:
            asked = asyncio.create_task(r.ask(*numbered(1500)))
            await asyncio.to_thread(provider.wait_for, lambda: "GET /v1/files/ID/content" in provider.seen)
            while not (kept := r.journal.spent_usd()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            asked.cancel()
        async with rig(provider, tmp_path, price=price) as r:
            assert len(await r.ask(*numbered(1500))) == 1500
            assert kept < 1500
            # Twenty tokens at 100,000 dollars a million, halved: a dollar each.
            assert r.journal.spent_usd() == r.budget.spent_usd == pytest.approx(1500)
    assert provider.sizes() == [1500]


async def test_what_is_gathered_when_a_stop_comes_is_not_sent(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, batch={"gather_s": 0.5}) as r:
            asked = asyncio.create_task(r.outcomes(*numbered(3)))
            await asyncio.sleep(0.1)
            r.gate.close(InterruptedRunError("stopped on request"))
            await asked
    assert provider.batches == {}


async def test_what_can_cost_too_much_waits_for_what_is_under_way_and_then_stops_the_run(tmp_path: Path) -> None:
    # At most 100 tokens at 1,000 dollars a million, halved: 0.05 each. The provider counts 20: 0.01 each.
    price = Price(output=1000.0)
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, budget_usd=0.105, price=price, max_tokens=100) as r:
            outcomes = await r.outcomes(*numbered(20))
            spent = r.journal.spent_usd()
    assert provider.sizes()[0] == 2
    assert spent == pytest.approx(0.01 * provider.paid.total())
    assert spent <= 0.105
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 20 - provider.paid.total()


async def test_money_of_a_batch_under_way_stays_set_aside_in_a_later_sitting(tmp_path: Path) -> None:
    price: dict[str, Any] = {"price": Price(output=1000.0), "max_tokens": 100, "budget_usd": 0.11}
    with providing(BatchProvider(looks=-1)) as provider:
        async with rig(provider, tmp_path, **price) as r:
            asked = asyncio.create_task(r.outcomes("q0", "q1"))
            await asyncio.to_thread(provider.wait_for, lambda: len(provider.batches) == 1)
            r.gate.close(InterruptedRunError("stopped"))
            await asked
        async with rig(provider, tmp_path, **price) as r:
            third = asyncio.create_task(r.ask("q2"))
            await asyncio.sleep(0.2)
            assert len(provider.batches) == 1
            provider.looks = 0
            assert texts(await third) == ["answer to q2"]


async def test_a_stop_reaches_requests_that_wait_for_the_money_of_an_earlier_sittings_batch(tmp_path: Path) -> None:
    price: dict[str, Any] = {"price": Price(output=1000.0), "max_tokens": 100, "budget_usd": 0.11}
    with providing(BatchProvider(looks=-1)) as provider:
        async with rig(provider, tmp_path, **price) as r:
            asked = asyncio.create_task(r.ask("q0", "q1"))
            await asyncio.to_thread(provider.wait_for, lambda: len(provider.batches) == 1)
            asked.cancel()
        async with rig(provider, tmp_path, **price) as r:
            third = asyncio.create_task(r.outcomes("q2"))
            await asyncio.sleep(0.1)
            r.gate.close(InterruptedRunError("stopped"))
            (stopped,) = await asyncio.wait_for(third, 5.0)
            assert isinstance(stopped, InterruptedRunError)


async def test_thousands_of_requests_hold_their_money_at_once(tmp_path: Path) -> None:
    with providing(BatchProvider()) as provider:
        async with rig(provider, tmp_path, budget_usd=100.0, price=Price(input=1.0, output=1.0)) as r:
            assert len(await r.ask(*numbered(3000))) == 3000
    assert provider.sizes() == [3000]


async def test_the_key_reaches_no_message_and_no_file(tmp_path: Path) -> None:
    key = "sk-very-secret"
    with providing(BatchProvider(lambda _: error(401, f"Incorrect API key provided: {key}"))) as provider:
        async with rig(provider, tmp_path, key=key) as r:
            (refused,) = await r.outcomes("one")
    assert isinstance(refused, AccessDeniedError)
    assert provider.keys == {f"Bearer {key}"}
    assert key not in str(refused)
    assert key.encode() not in (tmp_path / "journal.sqlite").read_bytes()


async def test_the_key_reaches_no_reply_of_a_batch_though_its_lines_spell_it_in_other_letters(tmp_path: Path) -> None:
    with providing(BatchProvider(lambda _: completion('It is sk-"very"-secret.'))) as provider:
        async with rig(provider, tmp_path, key='sk-"very"-secret') as r:
            assert texts(await r.ask("one")) == ["It is ***."]
