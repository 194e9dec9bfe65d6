"""Student selection 2 and admission: can the student guess the instruction better from the rewritten response?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from preflect.ports import Dropped, Student
from preflect.schemas import Rejection, Response, Sample
from preflect.schemas.stages import Metric
from preflect.scoring import score_pair, score_pairs
from preflect.stages.selection import of_metric, selected, shown, with_new_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectResponse:
    """Keep the rewritten response iff its reversed IFD is lower, then admit the pair iff both scores are low enough.

    Source: Li et al. 2024 (Selective Reflection-Tuning), selection after the reflection on the response. `strict`
    admits only samples whose rewritten response won, as in the released data; `recycle` admits every winner.
    """

    student: Student
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
        pairs = ((instruction, kept), (instruction, rewrite))
        old, new = await score_pairs(self.student, pairs, "reverse", "r_ifd_ppl", known=sample.scores)
        before, after = of_metric(old, "r_ifd_ppl"), of_metric(new, "r_ifd_ppl")
        won = before.value is not None and after.value is not None and after.value < before.value
        reason = f"r_ifd_ppl of rewrite {shown(after)}, of the response before {shown(before)}"
        scored, winner = with_new_scores(sample, *old, *new), rewrite if won else kept
        return selected(scored, "select_response", instruction, winner, won=won, reason=reason)

    async def _admit(self, sample: Sample, response: Response) -> Sample | Dropped:
        of_reverse = self.reverse_threshold or self.threshold
        pair, known = (self.student, sample.instruction, response), sample.scores
        forward, reverse = await asyncio.gather(
            score_pair(*pair, "forward", known=known, threshold=self.threshold),
            score_pair(*pair, "reverse", known=known, threshold=of_reverse),
        )
        scores = ((of_metric(reverse, "r_ifd_ppl"), of_reverse), (of_metric(forward, self.metric), self.threshold))
        scored = with_new_scores(sample, *forward, *reverse)
        if all(score.value is not None and score.value < bound for score, bound in scores):
            return scored
        numbers = ", ".join(f"{score.metric} {shown(score)}" for score, _ in scores)
        bounds = " and ".join(dict.fromkeys(f"{bound:g}" for _, bound in scores))
        detail = f"{numbers}; both must be below {bounds}"
        return Dropped(sample.reject(self.name, "filter", "not_admitted", detail), scored)


def _rewritten_response(sample: Sample, kept: Response) -> Response | None:
    """The newest rewrite of the response that goes on."""
    rewrites = [r for r in sample.responses if r.origin == "rewrite" and kept.id in r.parents]
    return rewrites[-1] if rewrites else None
