"""What of a sample is put before people, and in which order."""

from __future__ import annotations

import random
from statistics import fmean

from preflect.grading import is_blank, same_text
from preflect.schemas import Instruction, Response, Sample
from preflect.schemas.stages import ReviewKind

LABELS: tuple[str, ...] = ("a", "b")
"""What reviewers call the responses, in the order shown."""


def subject_of(sample: Sample, kind: ReviewKind, seed: int) -> tuple[str, ...] | None:
    """Ids of the responses to show, in the order to show them; None where there is nothing to review.

    `preference`: the sample's pair, or else the response that goes on and the one rated lowest beside it, in an order
    drawn from seed and sample. `sft`: the response that would be trained on. `rft`: none, for its reference answer.
    """
    if kind == "rft":
        return None if reference_of(sample) is None else ()
    if kind == "sft":
        kept = trained_on(sample)
        return None if kept is None else (kept.id,)
    couple = _couple(sample)
    return None if couple is None else blinded(couple, sample.id, seed)


def blinded(couple: tuple[str, str], sample_id: str, seed: int) -> tuple[str, str]:
    """The two in the order in which they are shown: either one first, as the sample and the seed have it."""
    # The order in which they come must not show: it says which one was chosen.
    one, other = sorted(couple)
    swap = random.Random(f"blind:{seed}:{sample_id}").random() < 0.5  # noqa: S311, PLR2004 - to repeat, not a secret
    return (other, one) if swap else (one, other)


def trained_on(sample: Sample) -> Response | None:
    """The response that fine-tuning would learn from."""
    return sample.response_of(sample.pairs[-1].chosen_id) if sample.pairs else sample.response


def reference_of(sample: Sample) -> Instruction | None:
    """The instruction whose reference answer the export would use: the one that goes on, else the seed."""
    for instruction in (sample.instruction, sample.seed):
        if instruction.grader is not None:
            return instruction if instruction.reference_answer is not None else None
    return None


def _couple(sample: Sample) -> tuple[str, str] | None:
    if sample.pairs:
        return sample.pairs[-1].chosen_id, sample.pairs[-1].rejected_id
    first = sample.response
    if first is None or is_blank(first.text):
        return None
    candidates = sample.responses_to(sample.instruction.id)
    others = [r for r in candidates if not is_blank(r.text) and not same_text(r.text, first.text)]
    if not others:
        return None
    scores = {r.id: [g.score for g in sample.ratings if g.response_id == r.id] for r in others}
    worst = min(others, key=lambda r: (fmean(scores[r.id]) if scores[r.id] else 0.0, r.id))
    return first.id, worst.id
