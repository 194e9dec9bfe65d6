"""One sample from seed to pair, as the report shows it: every text, what changed, and why it went on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Final

from preflect.report.difference import Segment, word_difference
from preflect.report.wording import BASES, METRICS, decimal, plural, spaced, words
from preflect.schemas import Critique, Grade, Instruction, Pair, Provenance, Response, Sample, Verdict
from preflect.scoring.truth import Truth

MOST_CHARS: Final = 6000
"""A longer text is cut here in the report; the run keeps it whole."""

_INSTRUCTION_ORIGINS: Final = {"seed": "Seed", "self_instruct": "New instruction", "rewrite": "Rewritten instruction"}
_RESPONSE_ORIGINS: Final = {
    "dataset": "Response from the input",
    "draft": "Draft",
    "rewrite": "Rewrite",
    "human": "Written by a person",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An instruction or a response, as changes against its parent where it has one."""

    label: str
    """A letter for a response, a numeral for an instruction."""
    heading: str
    segments: tuple[Segment, ...]
    changed: bool
    """Whether the segments are changes against `parent`."""
    parent: str = ""
    facts: tuple[str, ...] = ()
    critiques: tuple[str, ...] = ()
    extras: tuple[tuple[str, str], ...] = ()
    """Other parts: input, reference answer, thinking."""
    badges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedAspect:
    """One aspect: score, rationale and judge, by the label of the response."""

    aspect: str
    cells: tuple[tuple[int, str, str] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPair:
    """A preference pair: labels, and the texts as they go out."""

    chosen: str
    rejected: str
    chosen_text: str
    rejected_text: str
    instruction: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Everything of one sample, ready for the page."""

    id: str
    title: str
    source: str
    instructions: tuple[Text, ...]
    responses: tuple[tuple[str, tuple[Text, ...]], ...]
    """By the label of the instruction they answer, oldest first."""
    selections: tuple[str, ...]
    labels: tuple[str, ...]
    """Of the responses that were rated, in the order of the ratings' cells."""
    ratings: tuple[RatedAspect, ...]
    verdicts: tuple[str, ...]
    pairs: tuple[ShownPair, ...]
    reviews: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(slots=True)
class _Names:
    """Short labels for the texts of one sample, in the order they were made."""

    sample: Sample
    instructions: dict[str, str] = field(init=False)
    responses: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.instructions = {one.id: str(n) for n, one in enumerate(self.sample.instructions, 1)}
        self.responses = {one.id: letters(n) for n, one in enumerate(self.sample.responses)}


def letters(number: int) -> str:
    """A, B, … Z, AA, AB, … for 0, 1, …"""
    rest, last = divmod(number, len(ascii_uppercase))
    return (letters(rest - 1) if rest else "") + ascii_uppercase[last]


def chain_of(sample: Sample, truth: Truth | None = None) -> Chain:
    """The whole way of a sample, with what the simulator knows of its responses if there is a truth."""
    names = _Names(sample)
    labels = tuple(dict.fromkeys(rating.response_id for rating in sample.ratings))
    return Chain(
        id=sample.id,
        title=_first_words(sample.seed.text),
        source=sample.source,
        instructions=tuple(_instruction(sample, names, one) for one in sample.instructions),
        responses=tuple(
            (names.instructions[one.id], tuple(_response(sample, names, r, truth) for r in sample.responses_to(one.id)))
            for one in sample.instructions
        ),
        selections=tuple(_selections(sample, names)),
        labels=tuple(names.responses[response_id] for response_id in labels),
        ratings=tuple(_ratings(sample, labels)),
        verdicts=tuple(_verdict(names, verdict) for verdict in sample.verdicts),
        pairs=tuple(_pair(sample, names, pair) for pair in sample.pairs),
        reviews=tuple(f"{r.reviewer} on {spaced(r.question).lower()}: {r.value}" for r in sample.reviews),
        lost=tuple(f"{r.stage}: {words(r.reason)}{f' ({r.detail})' if r.detail else ''}" for r in sample.rejections),
    )


def _first_words(text: str, most: int = 110) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]} …"


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    return f"{text[:MOST_CHARS]}\n[… {plural(len(text) - MOST_CHARS, 'more character')} in the run]"


def _segments(text: str, parent: str | None) -> tuple[Segment, ...]:
    return (Segment("same", _cut(text)),) if parent is None else word_difference(_cut(parent), _cut(text))


def _instruction(sample: Sample, names: _Names, one: Instruction) -> Text:
    parents = [sample.instruction_of(parent) for parent in one.parents if parent in names.instructions]
    # A rewrite has its input merged in; so it is compared with what the teacher saw.
    before = parents[0].merged if one.origin == "rewrite" and parents else None
    turns = tuple((f"Earlier turn, {turn.role}", _cut(turn.content)) for turn in one.messages[:-1])
    return Text(
        label=names.instructions[one.id],
        heading=_INSTRUCTION_ORIGINS[one.origin],
        segments=_segments(one.merged if before is not None else one.text, before),
        changed=before is not None,
        parent=names.instructions[parents[0].id] if parents else "",
        facts=_made_by(one.provenance),
        critiques=_critiques(sample, "instruction", one.parents) if before is not None else (),
        extras=(*turns, *_known_of(one)),
        badges=("goes on",) if sample.selections and one.id == sample.instruction.id else (),
    )


def _known_of(one: Instruction) -> Iterator[tuple[str, str]]:
    if one.input:
        yield "Input", _cut(one.input)
    if one.reference_answer is not None:
        yield "Reference answer", _cut(one.reference_answer)
    if one.grader is not None:
        yield "Grader", one.grader.model_dump_json(exclude_none=True)


def _response(sample: Sample, names: _Names, one: Response, truth: Truth | None) -> Text:
    parents = [sample.response_of(parent) for parent in one.parents if parent in names.responses]
    before = parents[0].text if one.origin == "rewrite" and parents else None
    parts = (("Thinking", one.thinking), ("Reflection", one.reflection))
    return Text(
        label=names.responses[one.id],
        heading=_RESPONSE_ORIGINS[one.origin],
        segments=_segments(one.text, before),
        changed=before is not None,
        parent=names.responses[parents[0].id] if parents else "",
        facts=(
            *_made_by(one.provenance),
            plural(len(one.text), "character"),
            *_measured(sample, one),
            *_known_truth(sample, one, truth),
        ),
        critiques=_critiques(sample, "response", [parent.id for parent in parents if one.rewrites(parent)]),
        extras=tuple((name, _cut(text)) for name, text in parts if text),
        badges=tuple(_badges(sample, one)),
    )


def _made_by(provenance: Provenance | None) -> tuple[str, ...]:
    return (provenance.model,) if provenance else ()


def _critiques(sample: Sample, kind: str, parents: Sequence[str]) -> tuple[str, ...]:
    def is_of(critique: Critique) -> bool:
        return critique.kind == kind and critique.target_id in parents

    return tuple(_cut(critique.text) for critique in sample.critiques if is_of(critique))


def _measured(sample: Sample, one: Response) -> Iterator[str]:
    scores = {score.metric: score for score in sample.scores if score.response_id == one.id}
    for metric, score in scores.items():
        yield f"{METRICS[metric]} {decimal(score.value) if score.value is not None else score.reason or 'no score'}"
    yield from (_grade(grade) for grade in sample.grades if grade.response_id == one.id)


def _known_truth(sample: Sample, one: Response, truth: Truth | None) -> Iterator[str]:
    known = truth.quality(sample.instruction_of(one.instruction_id).merged, one.text) if truth else None
    if known and known.quality is not None:
        fault = spaced(known.fault).lower() if known.fault else "no fault"
        yield f"truth: {fault}, quality {decimal(known.quality, 2)}"


def _grade(grade: Grade) -> str:
    score = decimal(grade.score, 2) if grade.score is not None else "none"
    return f"grade {score} ({grade.grader}{f': {grade.reason}' if grade.reason else ''})"


def _badges(sample: Sample, one: Response) -> Iterator[str]:
    if sample.selections and one.id == sample.selections[-1].response_id:
        yield "goes on"
    if any(pair.chosen_id == one.id for pair in sample.pairs):
        yield "chosen"
    if any(pair.rejected_id == one.id for pair in sample.pairs):
        yield "rejected"


def _selections(sample: Sample, names: _Names) -> Iterator[str]:
    for selection in sample.selections:
        outcome = "the rewrite won" if selection.rewrite_won else "the rewrite did not win"
        kept = (
            f"instruction {names.instructions[selection.instruction_id]} with {names.responses[selection.response_id]}"
        )
        yield f"{spaced(selection.stage)}: {outcome}, {kept} goes on. {selection.reason}"


def _ratings(sample: Sample, response_ids: tuple[str, ...]) -> Iterator[RatedAspect]:
    given = {(rating.aspect, rating.response_id): rating for rating in sample.ratings}
    for aspect in dict.fromkeys(rating.aspect for rating in sample.ratings):
        found = [given.get((aspect, response_id)) for response_id in response_ids]
        cells = tuple((one.score, _cut(one.rationale), one.judge) if one else None for one in found)
        yield RatedAspect(aspect=spaced(aspect), cells=cells)


def _verdict(names: _Names, verdict: Verdict) -> str:
    better, worse = names.responses[verdict.better_id], names.responses[verdict.worse_id]
    text = f"{better} and {worse} are level" if verdict.tie else f"{better} is better than {worse}"
    sure = "" if verdict.confidence is None else f", confidence {decimal(verdict.confidence, 2)}"
    return f"{text} (by {verdict.source}{sure})"


def _pair(sample: Sample, names: _Names, pair: Pair) -> ShownPair:
    return ShownPair(
        chosen=names.responses[pair.chosen_id],
        rejected=names.responses[pair.rejected_id],
        chosen_text=_cut(sample.response_of(pair.chosen_id).text),
        rejected_text=_cut(sample.response_of(pair.rejected_id).text),
        instruction=names.instructions[pair.instruction_id],
        summary=f"margin {decimal(pair.margin)} ({BASES[pair.basis]}), strategy {spaced(pair.strategy).lower()}",
    )
