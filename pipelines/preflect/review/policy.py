"""What is decided where several people answer: by the most, by experts, or by weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from preflect.schemas import ReviewStage

_UNKNOWN: Final = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person says."""

    reviewer: str
    value: str
    adjudicates: bool = False
    """Whether it was asked for to settle what others disagreed about."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided, and the share of the votes' weight that is for it."""

    value: str
    share: float


def decide(votes: Iterable[Vote], options: ReviewStage, weights: Mapping[str, Fraction]) -> Decision | None:
    """The value that most weight is for; None where there is no vote, or no single such value.

    An adjudicator's word stands alone, whatever the policy. `majority`: each vote counts 1. `expert`: where experts
    have voted, only theirs count. `weighted`: each counts its reviewer's weight, from `gold_weights`, or one half.
    """
    weight: dict[str, Fraction] = defaultdict(Fraction)
    for vote in heard([*votes], options):
        weight[vote.value] += _weight_of(vote.reviewer, options, weights)
    most = max(weight.values(), default=Fraction(0))
    best = [value for value, sum_ in weight.items() if sum_ == most]
    return Decision(best[0], float(most / sum(weight.values()))) if len(best) == 1 and most else None


def heard(votes: Sequence[Vote], options: ReviewStage) -> Sequence[Vote]:
    """The votes that count at all: those of adjudicators, or else of experts under `policy: expert`, or else all."""
    adjudicators = [vote for vote in votes if vote.adjudicates]
    experts = [vote for vote in votes if vote.reviewer in options.experts] if options.policy == "expert" else []
    return adjudicators or experts or votes


def _weight_of(reviewer: str, options: ReviewStage, weights: Mapping[str, Fraction]) -> Fraction:
    return weights.get(reviewer, _UNKNOWN) if options.policy == "weighted" else Fraction(1)


def gold_weights(on_gold: Mapping[str, Sequence[bool]]) -> dict[str, Fraction]:
    """By reviewer, the share of right answers on gold, with one right and one wrong added (Laplace's rule).

    So that nobody counts for nothing, or for certain, after a few answers.
    """
    return {reviewer: Fraction(sum(right) + 1, len(right) + 2) for reviewer, right in on_gold.items()}
