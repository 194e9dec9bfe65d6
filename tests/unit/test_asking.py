import json
from collections.abc import Callable

import pytest

from preflect.errors import CallError, ReplyError
from preflect.ports import ChatModel, ChatRequest
from preflect.prompts import load_prompt
from preflect.schemas import Instruction, Message, Sampling, ToolCall
from preflect.stages.asking import ask, request_for, shown

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
        ((GOOD, "length"), "truncated"),
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
