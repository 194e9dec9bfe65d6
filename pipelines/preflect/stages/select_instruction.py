"""Student selection 1: is the rewritten instruction, with its new response, harder for the student?"""

from __future__ import annotations

from dataclasses import dataclass

from preflect.ports import Student
from preflect.schemas import Instruction, Rejection, Response, Sample
from preflect.schemas.stages import Metric
from preflect.scoring.voting import Answer, Voter, answer_of_first
from preflect.stages.selection import is_rewrite_better, selected


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectInstruction:
    """Keep the rewritten pair iff its IFD is higher than that of the pair it was made from.

    Source: Li et al. 2024 (Selective Reflection-Tuning), selection after the reflection on the instruction.
    """

    student: Student
    others: tuple[Voter, ...] = ()
    """Students asked beside it: what they would have decided is kept with their scores, and decides nothing."""
    model: str = "student"
    """The student's name in the recipe."""
    metric: Metric = "ifd_ppl"
    name: str = "select_instruction"

    async def run(self, sample: Sample) -> Sample | Rejection:
        """The sample with both pairs' scores and a Selection; rejected where it has no response at all."""
        response = sample.response
        if response is None:
            return sample.reject(self.name, "filter", "no_response", "there is no response to select")
        rewrite = _rewritten_pair(sample)
        if rewrite is None:
            return selected(
                sample,
                "select_instruction",
                sample.instruction,
                response,
                won=False,
                reason="no rewrite: original kept",
            )
        return await self._choose(sample, response, rewrite)

    async def _choose(self, sample: Sample, response: Response, rewrite: tuple[Instruction, Response]) -> Sample:
        original, known = (sample.instruction, response), sample.scores

        async def ask(voter: Voter) -> Answer:
            pairs = (original, rewrite)
            return await is_rewrite_better(voter.student, pairs, "forward", self.metric, before="original", known=known)

        voters = (Voter(name=self.model, student=self.student), *self.others)
        scored, answer = await answer_of_first(sample, self.name, "rewrite", voters, ask)
        kept = rewrite if answer.yes else original
        return selected(scored, "select_instruction", *kept, won=answer.yes, reason=answer.words)


def _rewritten_pair(sample: Sample) -> tuple[Instruction, Response] | None:
    """The newest rewrite of the current instruction and the newest response written with it."""
    current = sample.instruction.id
    rewrites = [i for i in sample.instructions if i.origin == "rewrite" and current in i.parents]
    if not rewrites:
        return None
    responses = [r for r in sample.responses_to(rewrites[-1].id) if r.origin == "rewrite"]
    return (rewrites[-1], responses[-1]) if responses else None
