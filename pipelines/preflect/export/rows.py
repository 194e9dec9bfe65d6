"""From a sample to its training rows."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypedDict

from preflect.schemas import DpoRow, Instruction, Response, RftRow, Row, Sample, SftRow

Kind = Literal["sft", "dpo", "rft"]


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a sample has no row that may be trained on."""

    reason: str
    detail: str


def rows_of(sample: Sample, kind: Kind) -> Sequence[Row | Unfit]:
    """The sample's rows of a kind, none where it has nothing for one: no response, no pair, no grader."""
    match kind:
        case "sft":
            row = sft_row(sample)
        case "dpo":
            return dpo_rows(sample)
        case "rft":
            row = rft_row(sample)
    return [] if row is None else [row]


def sft_row(sample: Sample) -> SftRow | Unfit | None:
    """The final instruction with the best response known to it, never one that its grader found wrong.

    The best known: the chosen one of the last pair, else one that people prefer, an edit of theirs before all, else the
    response that goes on, else one that its grader passed; never one that people find bad, nor one in its place of
    which nothing better is known.
    """
    vouched = _vouched_for(sample)
    instruction, candidates = _known_best(sample, vouched)
    if not candidates:
        return None
    grades = sample.grade_scores
    first: Response | None = candidates[0]
    right = [response for response in candidates if grades.get(response.id, 0.0) >= 1.0]
    bad = {response_id for v in sample.verdicts if v.unusable for response_id in (v.better_id, v.worse_id)}
    if first.id in bad:
        first = next((r for r in candidates if r.id not in bad and (r in right or r.id in vouched)), None)
    if first is None:
        return Unfit("judged_bad", "people find the response that would be trained on bad")
    response = first if first.id not in grades else next((r for r in right if r.id not in bad), None)
    if response is None:
        return Unfit("known_wrong", "every response that could be trained on fails its grader")
    return SftRow(messages=(*instruction.prompt, *response.as_messages()), **_origin(sample))


def _known_best(sample: Sample, vouched: AbstractSet[str]) -> tuple[Instruction, list[Response]]:
    """The final instruction and its responses, the best known first."""
    if sample.pairs:
        pair = sample.pairs[-1]
        return sample.instruction_of(pair.instruction_id), [sample.response_of(pair.chosen_id)]
    first = sample.response
    if first is None:
        return sample.instruction, []
    others = (other for other in sample.responses_to(sample.instruction.id) if other.id != first.id)
    return sample.instruction, sorted([first, *others], key=lambda r: (r.origin != "human", r.id not in vouched))


def _vouched_for(sample: Sample) -> set[str]:
    """The responses that people put above another one."""
    return {v.better_id for v in sample.verdicts if v.source == "human" and not v.tie}


def dpo_rows(sample: Sample) -> list[DpoRow]:
    """Every pair of the sample, oldest first, with an explicit prompt."""
    return [
        DpoRow(
            prompt=sample.instruction_of(pair.instruction_id).prompt,
            chosen=sample.response_of(pair.chosen_id).as_messages(),
            rejected=sample.response_of(pair.rejected_id).as_messages(),
            margin=pair.margin,
            basis=pair.basis,
            **_origin(sample),
        )
        for pair in sample.pairs
    ]


def rft_row(sample: Sample) -> RftRow | Unfit | None:
    """The final instruction with its grader, else the seed with its own: a rewrite may have none.

    With the reference answer that people gave it; unfit where they refute it and know no other.
    """
    for asked in (sample.instruction, sample.seed):
        if asked.grader is not None:
            instruction = sample.checked(asked)
            if instruction is None:
                return Unfit("reference_refuted", "people find the reference answer wrong, and agree on no other")
            assert instruction.grader is not None
            return RftRow(
                prompt=instruction.prompt,
                reference_answer=instruction.reference_answer,
                grader=instruction.grader,
                metadata=sample.metadata,
                **_origin(sample),
            )
    return None


class _Origin(TypedDict):
    sample_id: str
    source: str
    simulated: bool


def _origin(sample: Sample) -> _Origin:
    return {"sample_id": sample.id, "source": sample.source, "simulated": sample.simulated}
