"""A filter of the literature as a stage that sees all samples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain

from preflect.curation.choice import METRIC_OF, Filter, Left
from preflect.ports import Dropped, Student
from preflect.schemas import Rejection, Sample
from preflect.scoring import HELPS_BELOW, conversation_text, score_pair
from preflect.scoring.in_order import in_order
from preflect.scoring.voting import Voter, with_new_scores, with_opinions


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSamples:
    """Keep the samples that a filter chooses by the score of the pair that each goes on with."""

    student: Student
    filter: Filter
    others: tuple[Voter, ...] = ()
    """Students that score beside it: which samples they would have kept is kept too, and decides nothing."""
    model: str = "student"
    """The student's name in the recipe."""
    name: str = "filter"

    async def run_all(self, samples: Iterable[Sample]) -> AsyncIterator[Sample | Dropped]:
        """Each sample with its scores, dropped with the reason why if it is not among the chosen, in their order."""
        async with aclosing(in_order(self._scored(sample) for sample in samples)) as stream:
            scored = [sample async for sample in stream]
        voters = (Voter(name=self.model, student=self.student), *self.others)
        fates = [self._fates(scored, voter.student) for voter in voters]
        for sample, of_each in zip(scored, zip(*fates, strict=True), strict=True):
            says = [v.says(self.name, "filter", yes=fate is None) for v, fate in zip(voters, of_each, strict=True)]
            told, fate = with_opinions(sample, says), of_each[0]
            yield told if fate is None else Dropped(self._rejected(sample, fate), told)

    def _fates(self, samples: Sequence[Sample], student: Student) -> list[Left | None]:
        scores = [self._score(sample, student) for sample in samples]
        return self.filter.choose(scores, lambda rows: [_text(samples[row]) for row in rows])

    async def _scored(self, sample: Sample) -> Sample:
        if sample.response is None:
            return sample
        pair, known = (sample.instruction, sample.response), sample.scores
        # The first one's scores last: what comes later goes by the newest.
        students = (*(voter.student for voter in reversed(self.others)), self.student)
        found = await asyncio.gather(
            *(score_pair(one, *pair, "forward", known=known, threshold=HELPS_BELOW) for one in students)
        )
        return with_new_scores(sample, *chain(*found))

    def _score(self, sample: Sample, student: Student) -> float | str:
        pair = (sample.instruction.id, sample.response.id if sample.response else None)
        made = (METRIC_OF[self.filter.by], student.name, student.revision, student.template)
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
