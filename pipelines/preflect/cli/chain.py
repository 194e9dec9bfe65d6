"""One sample's whole chain as text, in the order in which it came about."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Final

from preflect.schemas import Rejection, Response, Sample

_QUESTIONS: Final = {"rewrite": "the rewrite", "admission": "the pair", "filter": "keeping it"}


def chain_of(sample: Sample, rejection: Rejection | None) -> str:
    """Instructions with their responses, scores, decisions, ratings and pairs."""
    return "\n".join(_lines(sample, rejection))


def _lines(sample: Sample, rejection: Rejection | None) -> Iterator[str]:
    row = f", row {sample.source_id}" if sample.source_id else ""
    yield f"sample {sample.id} ({sample.source or 'no source'}{row})" + (" (simulated)" if sample.simulated else "")
    for instruction in sample.instructions:
        yield f"\n{instruction.origin} instruction {instruction.id}"
        yield _block(instruction.merged)
        if instruction.reference_answer is not None:
            yield f"  reference answer: {instruction.reference_answer}"
        for response in sample.responses_to(instruction.id):
            yield from _response(sample, response)
    yield from _decisions(sample)
    for lost in (*sample.rejections, *((rejection,) if rejection else ())):
        yield f"\nrejected at {lost.stage}: {lost.reason}" + (f": {lost.detail}" if lost.detail else "")


def _response(sample: Sample, response: Response) -> Iterator[str]:
    by = f" by {response.provenance.model}" if response.provenance else ""
    yield f"\n  {response.origin} {response.id}{by}"
    rewritten = {other.id for other in sample.responses if response.rewrites(other)}
    for critique in sample.critiques:
        if critique.target_id in rewritten:
            yield _block(f"critique: {critique.text}")
    yield _block(response.text)
    yield from _scores(sample, response)
    for grade in sample.grades:
        if grade.response_id == response.id:
            score = "none" if grade.score is None else f"{grade.score:g}"
            yield f"  grade: {grade.grader} {score} {grade.reason or ''}".rstrip()
    ratings = [r for r in sample.ratings if r.response_id == response.id]
    if ratings:
        yield "  ratings: " + ", ".join(f"{r.aspect} {r.score}" for r in ratings)


def _scores(sample: Sample, response: Response) -> Iterator[str]:
    """A line for each student."""
    by_student: dict[str, list[str]] = {}
    for s in sample.scores:
        if s.response_id == response.id:
            shown = f"{s.metric} {s.reason if s.value is None else f'{s.value:.3f}'}"
            by_student.setdefault(f"{s.student} ({s.template})", []).append(shown)
    for student, shown in by_student.items():
        by = f" by {student}" if len(by_student) > 1 else ""
        yield f"  scores{by}: {', '.join(shown)}"


def _decisions(sample: Sample) -> Iterator[str]:
    if sample.selections or sample.pairs:
        yield ""
    for selection in sample.selections:
        yield f"{selection.stage}: {'the rewrite' if selection.rewrite_won else 'the original'}: {selection.reason}"
    for opinion in sample.opinions:
        says = "yes" if opinion.yes else "no"
        yield f"{opinion.stage}: {opinion.model} says {says} to {_QUESTIONS[opinion.question]}"
    for pair in sample.pairs:
        yield f"pair: chosen {pair.chosen_id} over {pair.rejected_id}, {pair.basis} margin {pair.margin:g}"


def _block(text: str) -> str:
    return indent(text, "    ")
