"""Student selection 2 and admission: can the student guess the instruction better from the rewritten response?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from preflect.ports import Dropped, Student
from preflect.schemas import Instruction, Rejection, Response, Sample, StudentScore
from preflect.schemas.stages import Metric
from preflect.scoring import score_pair
from preflect.scoring.voting import Answer, Voter, answer_of_first
from preflect.stages.selection import is_rewrite_better, of_metric, selected, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectResponse:
    """Keep the rewritten response iff its reversed IFD is lower, then admit the pair iff both scores are low enough.

    Source: Li et al. 2024 (Selective Reflection-Tuning), selection after the reflection on the response. `strict`
    admits only samples whose rewritten response won, as in the released data; `recycle` admits every winner.
    """

    student: Student
    others: tuple[Voter, ...] = ()
    """Students asked beside it: what they would have decided is kept with their scores, and decides nothing."""
    model: str = "student"
    """The student's name in the recipe."""
    mode: Literal["strict", "recycle"] = "recycle"
    metric: Metric = "ifd_ppl"
    threshold: float = 1.0
    reverse_threshold: float | None = None
    """Where r_ifd_ppl has one of its own."""
    name: str = "select_response"

    async def run(self, sample: Sample) -> Sample | Rejection | Dropped:
        """The sample with its scores and a Selection.

        Rejected as `no_response`, or, with both all the same, as `not_selected` or `not_admitted`.
        """
        kept = sample.response
        if kept is None:
            return sample.reject(self.name, "filter", "no_response", "there is no response to select")
        chosen = await self._select(sample, kept)
        selection = chosen.selections[-1]
        if self.mode == "strict" and not selection.rewrite_won:
            return Dropped(sample.reject(self.name, "filter", "not_selected", selection.reason), chosen)
        return await self._admit(chosen, chosen.response_of(selection.response_id))

    async def _select(self, sample: Sample, kept: Response) -> Sample:
        rewrite, instruction = _rewritten_response(sample, kept), sample.instruction
        if rewrite is None:
            return selected(sample, "select_response", instruction, kept, won=False, reason="no rewrite: response kept")
        pairs, known = ((instruction, kept), (instruction, rewrite)), sample.scores

        async def ask(voter: Voter) -> Answer:
            return await is_rewrite_better(
                voter.student, pairs, "reverse", "r_ifd_ppl", before="the response before", known=known
            )

        scored, answer = await answer_of_first(sample, self.name, "rewrite", self._voters, ask)
        winner = rewrite if answer.yes else kept
        return selected(scored, "select_response", instruction, winner, won=answer.yes, reason=answer.words)

    async def _admit(self, sample: Sample, response: Response) -> Sample | Dropped:
        pair, known = (sample.instruction, response), sample.scores

        async def ask(voter: Voter) -> Answer:
            return await _is_good_enough(voter, *pair, self.metric, known)

        scored, answer = await answer_of_first(sample, self.name, "admission", self._voters, ask)
        return (
            scored if answer.yes else Dropped(sample.reject(self.name, "filter", "not_admitted", answer.words), scored)
        )

    @property
    def _voters(self) -> tuple[Voter, ...]:
        first = Voter(
            name=self.model,
            student=self.student,
            threshold=self.threshold,
            reverse_threshold=self.reverse_threshold,
        )
        return (first, *self.others)


async def _is_good_enough(
    voter: Voter, instruction: Instruction, response: Response, metric: Metric, known: Iterable[StudentScore]
) -> Answer:
    of_forward, of_reverse = voter.threshold, voter.reverse_threshold or voter.threshold
    pair = (voter.student, instruction, response)
    forward, reverse = await asyncio.gather(
        score_pair(*pair, "forward", known=known, threshold=of_forward),
        score_pair(*pair, "reverse", known=known, threshold=of_reverse),
    )
    scores = ((of_metric(reverse, "r_ifd_ppl"), of_reverse), (of_metric(forward, metric), of_forward))
    numbers = ", ".join(f"{score.metric} {shown(score)}" for score, _ in scores)
    bounds = " and ".join(dict.fromkeys(f"{bound:g}" for _, bound in scores))
    yes = all(score.value is not None and score.value < bound for score, bound in scores)
    return Answer(yes, f"{numbers}; both must be below {bounds}", (*forward, *reverse))


def _rewritten_response(sample: Sample, kept: Response) -> Response | None:
    """The newest rewrite of the response that goes on."""
    rewrites = [response for response in sample.responses if response.rewrites(kept)]
    return rewrites[-1] if rewrites else None
