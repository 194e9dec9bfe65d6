from __future__ import annotations

from typing import Any

import pytest

from preflect.adapters.input_columns import UnusableValueError
from preflect.adapters.input_messages import conversation
from preflect.schemas import Message, ToolCall

USER = {"role": "user", "content": "What is the weather?"}
ASSISTANT = {"role": "assistant", "content": "Where?"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "content": "rain", "tool_call_id": "c1"}


def test_a_conversation_that_ends_with_the_user_is_the_prompt() -> None:
    prompt, response = conversation([SYSTEM, USER, ASSISTANT, USER])
    assert [message.role for message in prompt] == ["system", "user", "assistant", "user"]
    assert response is None


def test_the_assistant_s_last_turn_becomes_the_response() -> None:
    prompt, response = conversation([USER, ASSISTANT])
    assert prompt == (Message(role="user", content="What is the weather?"),)
    assert response == "Where?"


def test_tool_calls_are_read_in_openai_s_nested_form() -> None:
    prompt, _ = conversation([USER, CALLING, RESULT, {"role": "assistant", "content": "Rain."}, USER])
    assert prompt[1].tool_calls == (ToolCall(id="c1", name="weather", arguments="{}"),)
    assert prompt[2].tool_call_id == "c1"


def test_content_given_in_parts_of_text_is_joined() -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "the weather?"}]
    prompt, _ = conversation([{"role": "user", "content": parts}])
    assert prompt == (Message(role="user", content="What is the weather?"),)


def test_a_dataset_s_own_remarks_in_a_message_are_left_out() -> None:
    prompt, _ = conversation([{**USER, "weight": 1, "toxic": False}])
    assert prompt == (Message(role="user", content="What is the weather?"),)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ("hello", "not text"),
        ([], "an empty list"),
        (["hello"], "messages.0"),
        ([{"role": "user"}], "messages.0.content"),
        ([{"role": "human", "content": "hello"}], "messages.0.role"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "a part of type 'image_url'"),
        ([{"role": "user", "content": ["hello"]}], "holds text"),
        ([{"role": "user", "content": [{"type": "text"}]}], "a part of type 'text'"),
        ([{"role": "user", "content": [{"type": "text", "text": ""}]}], "messages.0 (user) is empty"),
        ([{"role": "user", "content": "  "}], "messages.0 (user) is empty"),
        ([USER, USER], "'user' after 'user'"),
        ([ASSISTANT, USER], "'assistant' at the start"),
        ([USER, SYSTEM], "'system' after 'user'"),
        ([SYSTEM, SYSTEM, USER], "'system' after 'system'"),
        ([USER, ASSISTANT, RESULT], "'tool' after 'assistant'"),
        ([USER, CALLING, USER], "'user' after 'assistant'"),
        ([USER, CALLING], "a response must be text"),
        ([USER, CALLING, RESULT], "its last message must be the user's"),
        ([SYSTEM], "its last message must be the user's"),
    ],
)
def test_a_conversation_that_an_endpoint_would_refuse_says_where(messages: Any, complaint: str) -> None:
    with pytest.raises(UnusableValueError) as caught:
        conversation(messages)
    assert caught.value.reason == "bad_messages"
    assert complaint in caught.value.remedy
