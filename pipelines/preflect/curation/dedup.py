"""Drops instructions that nearly repeat an earlier one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from preflect.schemas import Instruction, Rejection, Sample
from preflect.scoring.near_duplicates import NearDuplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedup:
    """Of samples whose instructions nearly repeat each other, the first goes on."""

    max_similarity: float = 0.7
    """ROUGE-L above which two instructions are near-duplicates; an exact repeat always is."""
    name: str = "dedup"

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection]:
        """Each sample, or the rejection that names the earlier sample it repeats, in the order they came."""
        kept = NearDuplicates(self.max_similarity)
        for sample in samples:
            text = _whole_text(sample.instruction)
            nearest = kept.nearest(text)
            if nearest is None:
                kept.add(sample.id, text)
                yield sample
            else:
                detail = f"ROUGE-L {nearest[0]:.2f} with sample {nearest[1]}, {self.max_similarity:g} at most"
                yield sample.reject(self.name, "filter", "near_duplicate", detail)


def _whole_text(instruction: Instruction) -> str:
    # The same last turn after another conversation is another question.
    return "\n".join(message.content for message in instruction.prompt)
