"""The texts around a pair: P(x), after which the response is scored, and R(y), after which the instruction is.

The wording belongs to the published templates that scores are compared under, so not a character of it may change.
No template puts a space before the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from preflect.errors import UnscorableError
from preflect.ports import ScoreQuery
from preflect.schemas import Conversation, Message

PromptTemplate = Callable[[str, str | None], str]
"""From instruction and input to the text before the response."""

_VICUNA_SYSTEM: Final = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_GUESS_BEFORE: Final = (
    "Below is the response to an instruction, please guess the corresponding instruction for the given response.\n"
)
_GUESS_AFTER: Final = "\nGenerate the instruction for the above response."


def vicuna(instruction: str, input_text: str | None) -> str:
    """FastChat's Vicuna v1.1 conversation of one turn."""
    below = f"\nInput:\n{input_text}" if input_text else ""
    return f"{_VICUNA_SYSTEM} USER: {instruction}{below} ASSISTANT:"


def alpaca(instruction: str, input_text: str | None) -> str:
    """Stanford Alpaca's prompts, with and without an input."""
    if input_text:
        return (
            "Below is an instruction that describes a task, paired with an input that provides further context. "
            "Write a response that appropriately completes the request.\n\n"
            f"### Instruction:\n{instruction}\n\n### Input:\n{input_text}\n\n### Response:"
        )
    return (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        f"### Instruction:\n{instruction}\n\n### Response:"
    )


def wiz(instruction: str, input_text: str | None) -> str:
    """WizardLM's prompt."""
    below = f"\n{input_text}" if input_text else ""
    return f"{instruction}{below}\n\n### Response:"


def gpt2(instruction: str, input_text: str | None) -> str:
    """Superfiltering's prompt for small students that know no chat format."""
    below = f"{input_text}\n" if input_text else ""
    return f"{instruction}\n{below}"


TEMPLATES: Final[Mapping[str, PromptTemplate]] = {"vicuna": vicuna, "alpaca": alpaca, "wiz": wiz, "gpt2": gpt2}


def prompt_and_target(query: ScoreQuery, template: PromptTemplate) -> tuple[str, str]:
    """What a student reads first, and what it is then scored on.

    `forward` gives P(x) and y; `reverse` gives R(y), the template around the request to guess the instruction, and x,
    which is instruction and input without a separator.

    Raises: UnscorableError: the target is blank, or a text holds half a surrogate pair, which no encoding can carry.
    """
    whole = query.instruction + (query.input or "")
    target = query.response if query.direction == "forward" else whole
    if not target.strip():
        raise UnscorableError("unscorable:empty")
    try:
        (whole + query.response).encode()
    except UnicodeEncodeError as error:
        raise UnscorableError("unscorable:not_unicode") from error
    if query.direction == "forward":
        return template(query.instruction, query.input), target
    return template(f"{_GUESS_BEFORE}{query.response}{_GUESS_AFTER}", None), target


def conversation_text(messages: Conversation) -> str:
    """All that a response answers, as one instruction text.

    A lone turn is its own words. Of a longer conversation, every turn stands under its role (`System: …`, `User: …`),
    a blank line between them, because the last turn alone (`And in winter?`) says nothing without those before it.
    """
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(_turn(message) for message in messages)


def _turn(message: Message) -> str:
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    return f"{message.role.capitalize()}: " + "\n".join(filter(None, [message.content, *calls]))
