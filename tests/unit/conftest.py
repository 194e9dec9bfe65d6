"""A real, small chat model and samples, for the tests of whatever asks models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from preflect.ports import ChatModel, ChatReply, ChatRequest
from preflect.schemas import Instruction, Message, Provenance, Response, Sample, content_id

Said = str | tuple[str, str]
"""A reply's text, or its text and finish reason."""


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """Answers each request as `answer` says, some sooner than others."""

    name: str
    answer: Callable[[ChatRequest], Said]
    max_tokens_if_truncated: int | None = None

    async def complete(self, request: ChatRequest) -> ChatReply:
        call_id = content_id(
            [self.name, request.stage, request.sample_id, request.index, [m.content for m in request.messages]]
        )
        await asyncio.sleep(int(call_id[:2], 16) / 1e5)
        said = self.answer(request)
        text, finish_reason = (said, "stop") if isinstance(said, str) else said
        provenance = Provenance(
            model=f"{self.name}-1", prompt_version=request.prompt_version, call_id=call_id, sampling=request.sampling
        )
        return ChatReply(text=text, thinking=None, finish_reason=finish_reason, provenance=provenance)


@pytest.fixture
def scripted() -> Callable[[str, Callable[[ChatRequest], Said]], ChatModel]:
    """A chat model by its name and by what it answers to a request."""
    return ScriptedModel


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """A sample by the text of its instruction, the texts of its responses, and more fields of the instruction."""

    def make(text: str = "Name the capital of Peru.", *answers: str, index: int = 0, **fields: object) -> Sample:
        turns = {"messages": (Message(role="user", content=text),), **fields}
        instruction = Instruction.model_validate(turns)
        responses = tuple(
            Response(instruction_id=instruction.id, text=answer, origin="dataset", index=place)
            for place, answer in enumerate(answers)
        )
        return Sample(id=instruction.id, index=index, instructions=(instruction,), responses=responses)

    return make
