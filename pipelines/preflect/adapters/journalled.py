"""From a request to the call in the journal that answers it, and from that call to the reply."""

from __future__ import annotations

from preflect.adapters.chat_wire import call_key
from preflect.ports import ChatReply, ChatRequest, StoredCall
from preflect.schemas import ChatModelSpec, Provenance, Sampling


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
