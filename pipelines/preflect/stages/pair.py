"""Chooses a preference pair from a sample's candidates, by evidence alone: no model is called."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations

from preflect import schemas
from preflect.grading import is_blank, same_text
from preflect.schemas import Rejection, Response, Sample
from preflect.schemas.stages import Strategy
from preflect.stages.evidence import Evidence, Finding, Open, Strength
from preflect.stages.ranking import settle, standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Choose one pair of each sample.

    A sample without a pair goes on, the reason among its rejections: its response is fine-tuning data all the same, and
    by another strategy or margin it may have a pair.
    """

    strategy: Strategy = "best_worst"
    min_margin: float = 0.0
    seed: int = 0
    """The recipe's seed; only `best_random` draws."""
    name: str = "pair"

    async def run(self, sample: Sample) -> Sample:
        """The sample with one pair more, or with the reason why there is none (see `choose_pair`)."""
        rng = pair_rng(self.seed, sample.id)
        chosen = choose_pair(sample, self.strategy, self.min_margin, rng, stage=self.name)
        if isinstance(chosen, Rejection):
            return sample.evolve(rejections=(*sample.rejections, chosen))
        return sample.evolve(pairs=(*sample.pairs, chosen))


def pair_rng(seed: int, sample_id: str) -> random.Random:
    """The sample's own source of randomness, the same in whatever order samples come."""
    return random.Random(f"pair:{seed}:{sample_id}")  # noqa: S311 - a choice to repeat, not a secret


def choose_pair(
    sample: Sample, strategy: Strategy, min_margin: float, rng: random.Random, *, stage: str = "pair"
) -> schemas.Pair | Rejection:
    """The pair that the evidence supports, or why there is none.

    Candidates are the responses to the instruction that goes on; texts that differ in white space or case at most never
    pair. What is better follows `preflect.stages.evidence`, contradictions `preflect.stages.ranking`; the order of the
    candidates means nothing.

    - `best_worst`: the best that may be chosen over the worst that it beats.
    - `best_random`: the same best over one drawn from all that it beats.
    - `correct_incorrect`: the best of those graded right over the worst of those graded wrong.
    - `rewrite_vs_draft`: a rewrite and what it was made from; the better one is chosen, be it the draft, and where
      nothing else is known the student's reversed IFD decides.

    A response with a failed grade is never chosen, unless a person set it above one that passed; one that people find
    bad never is. `min_margin` is in the
    units of what decided; verdicts have none, and always suffice.

    The rejection's reason: `no_pair` (nothing to compare, or nothing known), `tie`, `margin_below`, `no_grade`,
    `no_correct` (all that could be chosen is known to be wrong), `no_incorrect`.
    """
    contest = _Contest(sample, strategy)
    found = contest.winner(rng)
    if not isinstance(found, Finding):
        return sample.reject(stage, "filter", *found)
    if found.strength.basis != "verdict" and found.margin < min_margin:
        detail = f"{found.strength.basis} margin {found.margin:g} < {min_margin:g}"
        return sample.reject(stage, "filter", "margin_below", detail)
    return schemas.Pair(
        instruction_id=sample.instruction.id,
        chosen_id=found.better,
        rejected_id=found.worse,
        strategy=strategy,
        basis=found.strength.basis,
        margin=found.margin,
    )


class _Contest:
    """The candidates of one sample under one strategy."""

    def __init__(self, sample: Sample, strategy: Strategy) -> None:
        self.sample = sample
        self.strategy = strategy
        self.evidence = Evidence(sample)
        responses = {r.id: r for r in sample.responses_to(sample.instruction.id) if not is_blank(r.text)}
        self.candidates = [responses[response_id] for response_id in sorted(responses)]

    def winner(self, rng: random.Random) -> Finding | tuple[str, str]:
        """The finding that makes the pair, or the reason and detail why there is none."""
        couples = [couple for couple in combinations(self.candidates, 2) if not same_text(*(r.text for r in couple))]
        competing = [couple for couple in couples if self._compete(*couple)]
        if not competing:
            return "no_pair", f"{len(self.candidates)} responses, none to set against another"
        findings = [found for couple in couples if isinstance(found := self._compare(*couple), Finding)]
        settled = settle(findings)
        ids = {frozenset(response.id for response in couple) for couple in competing}
        allowed = [f for f in settled if frozenset((f.better, f.worse)) in ids and self._may_choose(f)]
        if allowed:
            return self._pick(allowed, standings(settled), rng)
        return self._why_none([self._compare(*couple) for couple in competing])

    def _compete(self, first: Response, second: Response) -> bool:
        if self.strategy != "rewrite_vs_draft":
            return True
        return first.rewrites(second) or second.rewrites(first)

    def _compare(self, first: Response, second: Response) -> Finding | Open:
        ask_student = self.strategy == "rewrite_vs_draft" and self._compete(first, second)
        return self.evidence.compare(first.id, second.id, ask_student=ask_student)

    def _may_choose(self, found: Finding) -> bool:
        if found.better in self.evidence.unusable:
            return False
        if self.strategy == "correct_incorrect":
            return self.evidence.is_right(found.better) and self.evidence.is_wrong(found.worse)
        overruled = found.strength is Strength.HUMAN and self.evidence.is_right(found.worse)
        return overruled or not self.evidence.is_wrong(found.better)

    def _pick(self, allowed: list[Finding], standing: dict[str, int], rng: random.Random) -> Finding:
        """One of the allowed findings; what is equal in all else is ordered by content hash, never by place."""
        if self.strategy == "rewrite_vs_draft":
            # The rewrite that a selection weighed, before any other.
            selected = {selection.response_id for selection in self.sample.selections[-1:]}
            return max(allowed, key=lambda f: (not selected.isdisjoint({f.better, f.worse}), *_weight(f)))
        best = max((f.better for f in allowed), key=lambda response_id: (standing[response_id], response_id))
        beaten = sorted((f for f in allowed if f.better == best), key=lambda f: f.worse)
        if self.strategy == "best_random":
            return rng.choice(beaten)
        return min(beaten, key=lambda f: (standing[f.worse], *(-part for part in (f.strength, f.margin)), f.worse))

    def _why_none(self, compared: list[Finding | Open]) -> tuple[str, str]:
        graded = [r.id for r in self.candidates if r.id in self.evidence.grades]
        right = [response_id for response_id in graded if self.evidence.is_right(response_id)]
        if self.strategy == "correct_incorrect" and not graded:
            return "no_grade", "no response has a grade"
        if self.strategy == "correct_incorrect" and len(right) == len(graded):
            return "no_incorrect", f"all {len(graded)} graded responses are right"
        if not right and (self.strategy == "correct_incorrect" or len(graded) == len(self.candidates)):
            return "no_correct", f"all {len(graded)} graded responses are wrong"
        return self._why_open(compared)

    def _why_open(self, compared: list[Finding | Open]) -> tuple[str, str]:
        findings = [outcome for outcome in compared if isinstance(outcome, Finding)]
        if any(map(self._may_choose, findings)):
            return "tie", "the evidence runs in a circle"
        if findings:
            return "no_correct", "what is better is known to be wrong"
        if Open.TIE in compared:
            return "tie", f"the evidence makes no difference between {len(self.candidates)} responses"
        return "no_pair", f"no verdict, grade or rating tells {len(self.candidates)} responses apart"


def _weight(found: Finding) -> tuple[int, float, str, str]:
    return found.strength, found.margin, found.better, found.worse
