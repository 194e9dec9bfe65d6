"""Chat models of which the journal alone speaks: nothing is sent, whatever is asked."""

from __future__ import annotations

from dataclasses import dataclass

from preflect.adapters.journalled import identified, reply_of
from preflect.errors import ReplayMissError
from preflect.ports import CallMeter, CallStore, ChatReply, ChatRequest
from preflect.schemas import ChatModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedChat:
    """One model of a recipe, without a way to its endpoint."""

    name: str
    served_model: str
    spec: ChatModelSpec
    journal: CallStore
    meter: CallMeter

    @property
    def max_tokens_if_truncated(self) -> int | None:
        """As the model that was asked had it: a reply that was cut off is looked for as it was asked for again."""
        return self.spec.max_tokens_if_truncated

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply that the journal has to this very request. Raises: ReplayMissError when there is none."""
        key, sampling = identified(self.name, self.served_model, self.spec, request)
        call = self.journal.find(key)
        if call is None:
            raise ReplayMissError(
                f"the journal has no reply of model '{self.name}' to what stage '{request.stage}' asks about sample "
                f"{request.sample_id}: it was never answered, or model, prompt, sampling or input were others then"
            )
        self.meter.replayed(self.name)
        return reply_of(call, request, sampling)
