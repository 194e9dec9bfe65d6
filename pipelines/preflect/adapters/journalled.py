"""From a request to the call in the journal that answers it, from a completion to that call, and back to a reply."""

from __future__ import annotations

from typing import Final

from preflect.adapters.chat_wire import Completion, call_key
from preflect.ports import ChatReply, ChatRequest, StoredCall
from preflect.schemas import ChatModelSpec, Provenance, Sampling
from preflect.scoring.cost import Usage

BYTES_PER_TOKEN: Final = 4
"""Rough size of a token, where no endpoint has counted yet."""


def identified(name: str, served_model: str, spec: ChatModelSpec, request: ChatRequest) -> tuple[str, Sampling]:
    """The call's key, and how it is sampled: as the request says, else as the model's entry in the recipe does."""
    asked = request.sampling
    sampling = asked.evolve(
        temperature=spec.temperature if asked.temperature is None else asked.temperature,
        max_tokens=asked.max_tokens or spec.max_tokens,
    )
    return call_key(name, served_model, spec.structured, request, sampling), sampling


def reply_of(call: StoredCall, request: ChatRequest, sampling: Sampling) -> ChatReply:
    """What the call's model answered to the request."""
    return ChatReply(
        text=call.text,
        thinking=call.thinking,
        finish_reason=call.finish_reason,
        provenance=Provenance(
            model=call.served_by, prompt_version=request.prompt_version, call_id=call.key, sampling=sampling
        ),
    )


def stored(
    key: str,
    model: str,
    stage: str,
    sample_id: str,
    reply: Completion,
    *,
    served_model: str,
    prompt_tokens: int,
    cost_usd: float,
    latency_s: float,
) -> StoredCall:
    """The call as it's kept.

    Args: prompt_tokens is the guess where the endpoint counts no tokens; the reply's are guessed by its length then.
    """
    usage = reply.usage or Usage(prompt_tokens=prompt_tokens, completion_tokens=len(reply.text) // BYTES_PER_TOKEN)
    return StoredCall(
        key=key,
        model=model,
        stage=stage,
        sample_id=sample_id,
        text=reply.text,
        thinking=reply.thinking,
        finish_reason=reply.finish_reason,
        served_by=reply.model or served_model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost_usd=cost_usd,
        latency_s=latency_s,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
