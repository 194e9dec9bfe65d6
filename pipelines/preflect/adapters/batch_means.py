"""What the batches of one model need of the run, and what a reply from a batch costs."""

from __future__ import annotations

from dataclasses import dataclass

from preflect.adapters.chat_wire import Completion
from preflect.adapters.journalled import stored
from preflect.ports import BatchStore, CallMeter, CallStore, Gate, Purse, SentLine, StoredCall
from preflect.schemas import OpenAIModel, Price
from preflect.scoring.cost import batched, cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """One model of the recipe with the journal, the money, the gate and the counts that its batches share."""

    model: str
    """Its name in the recipe."""
    served_model: str
    """Its name at the endpoint."""
    spec: OpenAIModel
    journal: CallStore
    batches: BatchStore
    purse: Purse
    gate: Gate
    meter: CallMeter

    @property
    def price(self) -> Price | None:
        """US dollars per million tokens in a batch."""
        usual = self.spec.price
        return self.spec.batch.price or (None if usual is None else batched(usual))

    def stored(self, line: SentLine, reply: Completion, latency_s: float) -> StoredCall:
        """A reply as it's kept; where the endpoint counts no tokens, it costs what was set aside."""
        return stored(
            line.key,
            self.model,
            line.stage,
            line.sample_id,
            reply,
            served_model=self.served_model,
            prompt_tokens=0,
            cost_usd=cost_usd(self.price, reply.usage) if reply.usage else line.most_usd,
            latency_s=latency_s,
        )
