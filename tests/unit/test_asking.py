import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import CallError, RefusedCallError, ReplyError
from preflect.ports import ChatModel, ChatRequest
from preflect.prompts import load_prompt
from preflect.schemas import Instruction, Message, Sampling, ToolCall
from preflect.stages.asking import ask, request_for, shown

from .conftest import Said, ScriptedModel

Scripted = Callable[[str, Callable[[ChatRequest], str | tuple[str, str]]], ChatModel]

GOOD = json.dumps({"critique": "Thin.", "response": "Lima, since 1535."})
REQUEST = request_for(
    load_prompt("reflect_response"),
    {"instruction": "Name the capital of Peru.", "input": None, "response": "Lima"},
    stage="reflect_response",
    sample_id="s",
    sampling=Sampling(temperature=0.0),
)


class Conversation:
    """Says one thing after another and remembers what it was asked."""

    def __init__(self, *replies: str | tuple[str, str]) -> None:
        self.asked: list[ChatRequest] = []
        self._replies = replies

    def __call__(self, request: ChatRequest) -> str | tuple[str, str]:
        self.asked.append(request)
        return self._replies[len(self.asked) - 1]


async def test_a_good_reply_costs_one_call(scripted: Scripted) -> None:
    talk = Conversation(GOOD)
    answer = await ask(scripted("m", talk), REQUEST)
    assert answer.parts == {"critique": "Thin.", "response": "Lima, since 1535."}
    assert talk.asked == [REQUEST]
    assert REQUEST.schema_name == "reflect_response"


async def test_an_unreadable_reply_is_asked_for_again_with_its_fault_named(scripted: Scripted) -> None:
    talk = Conversation('{"critique": "Thin."}', GOOD)
    answer = await ask(scripted("m", talk), REQUEST)
    assert answer.parts["response"] == "Lima, since 1535."
    [first, second] = talk.asked
    assert second.messages[: len(first.messages)] == first.messages
    [said, complaint] = second.messages[len(first.messages) :]
    assert (said.role, said.content) == ("assistant", '{"critique": "Thin."}')
    assert complaint.role == "user"
    assert "`response` is missing" in complaint.content
    assert (second.index, second.schema_name, second.prompt_version) == (0, "reflect_response", first.prompt_version)


async def test_after_an_empty_reply_no_empty_turn_is_sent(scripted: Scripted) -> None:
    talk = Conversation("  ", GOOD)
    await ask(scripted("m", talk), REQUEST)
    assert [message.role for message in talk.asked[1].messages] == ["system", "user"]
    assert "the reply holds no text" in talk.asked[1].messages[-1].content


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Looks fine to me.", "unparsable"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("", "empty"),
        ('{"critique": "ok", "response": "your answer"}', "placeholder"),
    ],
)
async def test_after_the_second_unusable_reply_the_reason_is_given(
    scripted: Scripted, reply: str | tuple[str, str], reason: str
) -> None:
    talk = Conversation(reply, reply)
    with pytest.raises(ReplyError) as caught:
        await ask(scripted("m", talk), REQUEST)
    assert caught.value.reason == reason
    assert len(talk.asked) == 2


CUT = (GOOD[:-9], "length")
ONLY_THOUGHTS = ("", "length")
"""What a reasoning model says that spent its whole limit on thinking."""
LIMITED = replace(REQUEST, sampling=Sampling(max_tokens=100))


@pytest.mark.parametrize("first", [CUT, ONLY_THOUGHTS, (GOOD, "length")])
async def test_a_reply_that_was_cut_off_is_asked_for_again_with_twice_the_limit(
    scripted: Scripted, first: tuple[str, str]
) -> None:
    talk = Conversation(first, GOOD)
    answer = await ask(scripted("m", talk), LIMITED)
    assert answer.parts["response"] == "Lima, since 1535."
    assert [request.sampling.max_tokens for request in talk.asked] == [100, 200]
    assert talk.asked[1].messages == LIMITED.messages


@pytest.mark.parametrize(("ceiling", "limits"), [(None, [100, 200]), (900, [100, 900]), (100, [100]), (1, [100])])
async def test_a_reply_that_stays_cut_off_is_truncated_after_one_larger_limit_at_most(
    ceiling: int | None, limits: list[int]
) -> None:
    talk = Conversation(CUT, CUT)
    with pytest.raises(ReplyError, match="truncated"):
        await ask(ScriptedModel("m", talk, max_tokens_if_truncated=ceiling), LIMITED)
    assert [request.sampling.max_tokens for request in talk.asked] == limits


async def test_an_unreadable_reply_within_the_larger_limit_is_repaired_within_it(scripted: Scripted) -> None:
    talk = Conversation(CUT, '{"critique": "Thin."}', GOOD)
    await ask(scripted("m", talk), LIMITED)
    assert [request.sampling.max_tokens for request in talk.asked] == [100, 200, 200]
    assert "`response` is missing" in talk.asked[2].messages[-1].content


@given(st.lists(st.sampled_from([CUT, ONLY_THOUGHTS, "junk", '{"critique": "Thin."}', ""]), min_size=4, max_size=4))
async def test_one_larger_limit_and_one_repair_are_the_most_that_bad_replies_cost(said: list[Said]) -> None:
    talk = Conversation(*said)
    with pytest.raises(ReplyError):
        await ask(ScriptedModel("m", talk), LIMITED)
    limits = [request.sampling.max_tokens for request in talk.asked]
    assert limits == sorted(limits, key=lambda limit: limit or 0)
    assert len(limits) <= 3
    assert {*limits} <= {100, 200}
    assert sum(request.messages != LIMITED.messages for request in talk.asked) <= 2


async def test_where_the_endpoint_takes_no_larger_limit_the_reply_stays_truncated(scripted: Scripted) -> None:
    def answer(request: ChatRequest) -> Said:
        if request.sampling.max_tokens == 100:
            return CUT
        raise RefusedCallError("call_failed", "HTTP 400: max_tokens is too large: 200")

    with pytest.raises(ReplyError, match="truncated"):
        await ask(scripted("m", answer), LIMITED)


async def test_a_larger_limit_that_takes_too_long_is_a_timeout(scripted: Scripted) -> None:
    def answer(request: ChatRequest) -> Said:
        if request.sampling.max_tokens == 100:
            return CUT
        raise CallError("call_timeout", "no reply of m within 120 s")

    with pytest.raises(CallError, match="call_timeout"):
        await ask(scripted("m", answer), LIMITED)


async def test_a_reply_that_its_endpoint_marks_as_a_refusal_is_one_whatever_its_words(scripted: Scripted) -> None:
    with pytest.raises(ReplyError) as caught:
        await ask(scripted("m", Conversation(("No.", "refusal"), ("No.", "refusal"))), REQUEST)
    assert caught.value.reason == "refusal"


async def test_a_call_that_failed_is_not_asked_again(scripted: Scripted) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        raise CallError("call_failed", "500")

    with pytest.raises(CallError, match="call_failed: 500"):
        await ask(scripted("m", answer), REQUEST)
    assert len(asked) == 1


def test_one_turn_is_shown_as_its_text_and_its_input() -> None:
    instruction = Instruction(messages=(Message(role="user", content="Translate."),), input="Bonjour")
    assert shown(instruction) == {"instruction": "Translate.", "input": "Bonjour"}


def test_several_turns_are_all_shown_with_their_roles_and_tool_calls() -> None:
    call = ToolCall(id="c1", name="weather", arguments='{"city": "Oslo"}')
    instruction = Instruction(
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="user", content="Rain in Oslo?"),
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="rain", tool_call_id="c1"),
        )
    )
    assert shown(instruction)["instruction"] == (
        '<turn role="system">\nBe brief.\n</turn>\n'
        '<turn role="user">\nRain in Oslo?\n</turn>\n'
        '<turn role="assistant">\n<tool_call name="weather">\n{"city": "Oslo"}\n</tool_call>\n</turn>\n'
        '<turn role="tool">\nrain\n</turn>'
    )
