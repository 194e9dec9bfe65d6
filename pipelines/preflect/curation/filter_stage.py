"""A filter of the literature as a stage that sees all samples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from preflect.curation.choice import METRIC_OF, Filter, Left
from preflect.ports import Student
from preflect.schemas import Rejection, Sample
from preflect.scoring import conversation_text, score_pair
from preflect.scoring.in_order import in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSamples:
    """Keep the samples that a filter chooses by the score of the pair that each goes on with."""

    student: Student
    filter: Filter
    name: str = "filter"

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Rejection]:
        """Each sample with its scores, or the rejection that says why it is not among the chosen, in their order."""
        async with aclosing(in_order(self._scored(sample) for sample in samples)) as stream:
            scored = [sample async for sample in stream]
        fates = self.filter.choose(
            [self._score(sample) for sample in scored], lambda rows: [_text(scored[r]) for r in rows]
        )
        for sample, fate in zip(scored, fates, strict=True):
            yield sample if fate is None else self._rejected(sample, fate)

    async def _scored(self, sample: Sample) -> Sample:
        if sample.response is None:
            return sample
        known = sample.scores
        scores = await score_pair(self.student, sample.instruction, sample.response, "forward", known=known)
        return sample.evolve(scores=(*known, *(score for score in scores if score not in known)))

    def _score(self, sample: Sample) -> float | str:
        pair = (sample.instruction.id, sample.response.id if sample.response else None)
        made = (METRIC_OF[self.filter.by], self.student.name, self.student.revision, self.student.template)
        for score in reversed(sample.scores):
            if (score.instruction_id, score.response_id) == pair and made == (
                score.metric,
                score.student,
                score.revision,
                score.template,
            ):
                return score.reason or "unscorable" if score.value is None else score.value
        return "unscorable:no_response"

    def _rejected(self, sample: Sample, fate: Left) -> Rejection:
        return sample.reject(self.name, "filter", fate.reason, fate.detail)


def _text(sample: Sample) -> str:
    """Instruction, input and response as one text, for an embedder."""
    instruction, response = sample.instruction, sample.response
    parts = (conversation_text(instruction.messages), instruction.input, response.text if response else None)
    return "\n".join(filter(None, parts))
