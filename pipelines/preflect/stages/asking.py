"""Asking a model with one of the prompts, for a reply in named parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from preflect.errors import CallError, RefusedCallError, ReplyError
from preflect.grading import is_refusal
from preflect.ports import ChatModel, ChatReply, ChatRequest
from preflect.prompts import PromptTemplate, load_prompt, parse_reply
from preflect.schemas import Conversation, Instruction, Message, Rejection, Response, Sample, Sampling, content_id
from preflect.stages.reply_checks import check_answer, check_finished

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that could be read."""

    parts: dict[str, Any]
    """What the reply says under each name of the schema."""
    reply: ChatReply


def request_for(
    prompt: PromptTemplate,
    values: Mapping[str, object],
    *,
    stage: str,
    sample_id: str,
    sampling: Sampling,
    json_schema: Mapping[str, Any] | None = None,
    index: int = 0,
) -> ChatRequest:
    """The prompt with `values` in it, asking for the parts of `json_schema`, by default the prompt's own."""
    return ChatRequest(
        messages=prompt.render(**values),
        prompt_version=prompt.version,
        stage=stage,
        sample_id=sample_id,
        sampling=sampling,
        index=index,
        schema_name=prompt.name,
        json_schema=json_schema or prompt.json_schema,
    )


def sampling_seed(*facts: object) -> int:
    """A seed below 2**31 that depends on nothing but `facts`, all of which JSON can hold."""
    return int(content_id(list(facts)), 16) % 2**31


async def ask(model: ChatModel, request: ChatRequest) -> Answer:
    """Ask for the parts of the request's schema; a reply that cannot be read is asked for once more, its fault named.

    A reply that was cut off gets a larger limit instead, once: three calls are the most.

    Raises: ReplyError when the second reply cannot be read either; CallError and StoppedError as the model does.
    """
    reply, asked = await complete_whole(model, request)
    try:
        return _read(reply, request)
    except ReplyError as error:
        if error.reason == "truncated":
            raise
        again = replace(asked, messages=_with_problem(asked, reply, error.detail))
        repaired = await model.complete(again) if asked is not request else (await complete_whole(model, again))[0]
        return _read(repaired, again)


async def complete_whole(model: ChatModel, request: ChatRequest) -> tuple[ChatReply, ChatRequest]:
    """The model's reply, asked for once more with a larger limit where it was cut off at its length limit.

    Where there is no larger limit, or the endpoint refuses it, the reply that was cut off stands.

    Returns: the reply and the request that it answers.
    Raises: CallError and StoppedError as the model does.
    """
    reply = await model.complete(request)
    larger = _with_larger_limit(model, request, reply)
    if larger is None:
        return reply, request
    try:
        return await model.complete(larger), larger
    except RefusedCallError:
        return reply, request


async def reflect(
    sample: Sample,
    teacher: ChatModel,
    prompt: PromptTemplate,
    sampling: Sampling,
    *,
    stage: str,
    then: Callable[[Sample, Response, Answer], Sample],
) -> Sample | Rejection:
    """Show the teacher the pair that goes on: the sample with what `then` makes of it, its draft and the answer.

    An unusable reply leaves the sample as it was, with the rejection of the candidate it should have been.
    """
    draft = sample.response
    if draft is None:
        return sample.reject(stage, "filter", "no_response", "there is no response to reflect on")
    values = {**shown(sample.instruction), "response": draft.text}
    request = request_for(prompt, values, stage=stage, sample_id=sample.id, sampling=sampling)
    try:
        answer = await ask(teacher, request)
        check_answer(answer.parts["response"], answer.reply.finish_reason)
    except ReplyError as error:
        return sample.evolve(rejections=(*sample.rejections, rejection_of(error, sample, stage)))
    return then(sample, draft, answer)


async def all_of(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order. When something fails, the first failure is raised after all have come to an end.

    Calls in flight are let finish: they are paid for, and their replies are worth keeping.
    """
    waited_for = list(awaitables)
    if len(waited_for) == 1:  # it needs no task of its own
        return [await waited_for[0]]
    results = await asyncio.gather(*waited_for, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def shown(instruction: Instruction) -> dict[str, str | None]:
    """The instruction as prompts show it: its text, or all turns where there are several, and its input."""
    if len(instruction.messages) == 1:
        return {"instruction": instruction.text, "input": instruction.input}
    turns = "\n".join(_turn(message) for message in instruction.messages)
    return {"instruction": turns, "input": instruction.input}


def rejection_of(error: CallError, sample: Sample, stage: str) -> Rejection:
    """The rejection that says what became of a call."""
    return sample.reject(stage, error.cause, error.reason, error.detail)


def _with_larger_limit(model: ChatModel, request: ChatRequest, reply: ChatReply) -> ChatRequest | None:
    limit = reply.provenance.sampling.max_tokens
    if reply.finish_reason != "length" or limit is None:
        return None
    larger = model.max_tokens_if_truncated or 2 * limit
    return replace(request, sampling=request.sampling.evolve(max_tokens=larger)) if larger > limit else None


def _read(reply: ChatReply, request: ChatRequest) -> Answer:
    check_finished(reply.finish_reason)
    try:
        return Answer(parse_reply(reply.text, request.json_schema or {}), reply)
    except ReplyError as error:
        if is_refusal(reply.text):
            raise ReplyError("refusal", f"it refuses: {reply.text[:80]!r}") from error
        raise


def _with_problem(request: ChatRequest, reply: ChatReply, problem: str) -> Conversation:
    parts = ", ".join((request.json_schema or {})["properties"])
    complaint = load_prompt("repair").render(problem=problem, parts=parts)[-1]
    if reply.text.strip():
        return (*request.messages, Message(role="assistant", content=reply.text), complaint)
    # Endpoints refuse an empty turn, and many refuse two turns of the same role in a row.
    last = request.messages[-1]
    return (*request.messages[:-1], last.evolve(content=f"{last.content}\n\n{complaint.content}"))


def _turn(message: Message) -> str:
    calls = "\n".join(f'<tool_call name="{call.name}">\n{call.arguments}\n</tool_call>' for call in message.tool_calls)
    said = "\n".join(part for part in (message.content, calls) if part)
    return f'<turn role="{message.role}">\n{said}\n</turn>'
