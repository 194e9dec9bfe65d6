"""The texts that are scored, character by character."""

from __future__ import annotations

from typing import Literal

import pytest

from preflect.errors import UnscorableError
from preflect.ports import ScoreQuery
from preflect.schemas import Instruction, Message, Response, ToolCall
from preflect.scoring import conversation_text, prompt_and_target, query_for
from preflect.scoring.templates import TEMPLATES

VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
ALPACA_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)


@pytest.mark.parametrize(
    ("template", "bare", "with_input"),
    [
        ("vicuna", f"{VICUNA} USER: Sum up. ASSISTANT:", f"{VICUNA} USER: Sum up.\nInput:\n1, 2 ASSISTANT:"),
        (
            "alpaca",
            f"{ALPACA}\n\n### Instruction:\nSum up.\n\n### Response:",
            f"{ALPACA_INPUT}\n\n### Instruction:\nSum up.\n\n### Input:\n1, 2\n\n### Response:",
        ),
        ("wiz", "Sum up.\n\n### Response:", "Sum up.\n1, 2\n\n### Response:"),
        ("gpt2", "Sum up.\n", "Sum up.\n1, 2\n"),
    ],
)
def test_each_template_writes_its_published_text(template: str, bare: str, with_input: str) -> None:
    assert TEMPLATES[template]("Sum up.", None) == bare
    assert TEMPLATES[template]("Sum up.", "") == bare
    assert TEMPLATES[template]("Sum up.", "1, 2") == with_input


def query(direction: Literal["forward", "reverse"], response: str, given: str | None = None) -> ScoreQuery:
    return ScoreQuery(direction=direction, instruction="Add {these}.", input=given, response=response)


def test_forward_scores_the_response_after_the_prompt() -> None:
    assert prompt_and_target(query("forward", "3", "1, 2"), TEMPLATES["gpt2"]) == ("Add {these}.\n1, 2\n", "3")


def test_reverse_scores_instruction_and_input_without_a_separator_after_the_request_to_guess_them() -> None:
    prompt, target = prompt_and_target(query("reverse", "It is {3}.", "1, 2"), TEMPLATES["wiz"])
    assert prompt == (
        "Below is the response to an instruction, please guess the corresponding instruction for the given response.\n"
        "It is {3}.\nGenerate the instruction for the above response.\n\n### Response:"
    )
    assert target == "Add {these}.1, 2"


@pytest.mark.parametrize("blank", ["", "  ", "\n\t"])
def test_a_blank_target_cannot_be_scored(blank: str) -> None:
    with pytest.raises(UnscorableError, match="unscorable:empty"):
        prompt_and_target(query("forward", blank), TEMPLATES["gpt2"])


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_half_a_surrogate_pair_cannot_be_scored_on_either_side(direction: Literal["forward", "reverse"]) -> None:
    with pytest.raises(UnscorableError, match="unscorable:not_unicode"):
        prompt_and_target(query(direction, "broken \ud83d emoji"), TEMPLATES["gpt2"])


def test_a_lone_turn_is_its_own_words() -> None:
    assert conversation_text((Message(role="user", content="Why is the sky blue?"),)) == "Why is the sky blue?"


def test_a_longer_conversation_is_told_turn_by_turn() -> None:
    call = ToolCall(id="1", name="weather", arguments='{"place": "Oslo"}')
    turns = (
        Message(role="system", content="Be short."),
        Message(role="user", content="Is it warm in Oslo?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="21 degrees", tool_call_id="1"),
        Message(role="assistant", content="Yes."),
        Message(role="user", content="And in winter?"),
    )
    assert conversation_text(turns) == (
        "System: Be short.\n\nUser: Is it warm in Oslo?\n\n"
        'Assistant: weather({"place": "Oslo"})\n\nTool: 21 degrees\n\nAssistant: Yes.\n\nUser: And in winter?'
    )


def test_a_query_holds_the_answer_without_the_thinking_before_it() -> None:
    turns = (Message(role="system", content="Be short."), Message(role="user", content="Add."))
    instruction = Instruction(messages=turns, input="1, 2")
    response = Response(instruction_id=instruction.id, text="3", thinking="1 + 2 = 3")
    assert query_for(instruction, response, "forward") == ScoreQuery(
        direction="forward",
        instruction="System: Be short.\n\nUser: Add.",
        input="1, 2",
        response="3",
        messages=(turns[0], Message(role="user", content="Add.\n\n1, 2")),
    )
