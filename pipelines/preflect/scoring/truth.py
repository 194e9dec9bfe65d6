"""What is true of the texts of a simulated run, and how well the run did by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from typing import Any

from preflect.schemas import Response, Sample, content_id


def truth_key(instruction_text: str, response_text: str) -> str:
    """What a text is found by in the truth file: the instruction with its input below it, and the answer to it.

    White space is folded in the instruction and stripped around the answer, as stages may do.
    """
    return content_id([" ".join(instruction_text.split()), response_text.strip()])


@dataclass(frozen=True, slots=True)
class TruthOfText:
    """What the simulator knows of a text it wrote."""

    quality: float | None
    """From 0 to 1; None where the simulator does not know the task."""
    fault: str | None
    task: str | None
    """Family of the task."""


@dataclass(frozen=True, slots=True)
class TruthOfRating:
    """One rating beside the truth, both from 1 to 5."""

    true: float | None
    given: int
    shown_at: int
    """Place among the answers shown, from 1."""


@dataclass(slots=True)
class Truth:
    """The truth file of one run."""

    texts: dict[str, TruthOfText] = field(default_factory=dict[str, TruthOfText])
    instructions: dict[str, TruthOfText] = field(default_factory=dict[str, TruthOfText])
    """Of new instructions, by their key with an empty answer; `fault` is the flaw planted in them."""
    ratings: dict[tuple[str, str, int], TruthOfRating] = field(
        default_factory=dict[tuple[str, str, int], TruthOfRating]
    )
    """By the text's key, the aspect and the place at which it was shown."""

    def quality(self, instruction_text: str, response_text: str) -> TruthOfText | None:
        """What is known of this answer; None if the simulator did not write it."""
        return self.texts.get(truth_key(instruction_text, response_text))


def read_truth(lines: Iterable[str | bytes]) -> Truth:
    """The truth from the lines of the file that the simulator appends to; lines that repeat change nothing.

    A last line that a killed simulator left unfinished is passed over.
    """
    truth = Truth()
    for line in lines:
        record = _record(line)
        match record.get("kind"):
            case "draft" | "rewrite":
                truth.texts[record["key"]] = TruthOfText(record["quality"], record["fault"], record["task"])
            case "instruction":
                truth.instructions[record["key"]] = TruthOfText(None, record["fault"], record["task"])
            case "rating":
                place = (record["key"], record["aspect"], record["shown_at"])
                truth.ratings[place] = TruthOfRating(record["true"], record["given"], record["shown_at"])
            case _:
                continue
    return truth


def _record(line: str | bytes) -> dict[str, Any]:
    try:
        return json.loads(line) if line.strip() else {}
    except json.JSONDecodeError:
        return {}


@dataclass(slots=True, kw_only=True)
class TruthSummary:
    """How a simulated run did, in counts; the shares are None where there is nothing to count."""

    chosen_better: int = 0
    chosen_equal: int = 0
    """Pairs between two answers of the same true quality."""
    chosen_worse: int = 0
    pairs_unknown: int = 0
    """Pairs with an answer whose quality nobody knows."""
    faulty_drafts: int = 0
    """Answers with a fault that were rewritten."""
    repaired: int = 0
    sound_drafts: int = 0
    """Answers without a fault that were rewritten."""
    broken: int = 0
    judged: int = 0
    """Pairs of rated answers of different true quality."""
    judged_right: int = 0
    """Those of them whose mean ratings stand in the order of the truth."""
    responses: int = 0
    responses_unknown: int = 0
    drafts_by_fault: dict[str, int] = field(default_factory=dict[str, int])
    """Drafts of known tasks by fault, `none` for those without."""

    @property
    def chosen_better_share(self) -> float | None:
        """Share of the pairs of known quality whose chosen answer is truly the better one."""
        return _share(self.chosen_better, self.chosen_better + self.chosen_equal + self.chosen_worse)

    @property
    def repaired_share(self) -> float | None:
        """Share of the faulty answers whose rewrite has no fault."""
        return _share(self.repaired, self.faulty_drafts)

    @property
    def broken_share(self) -> float | None:
        """Share of the sound answers whose rewrite has a fault."""
        return _share(self.broken, self.sound_drafts)

    @property
    def judge_accuracy(self) -> float | None:
        """Share of answer pairs of different true quality that the judge orders rightly; ties count as wrong."""
        return _share(self.judged_right, self.judged)

    @property
    def unknown_share(self) -> float | None:
        """Share of the answers whose quality nobody knows."""
        return _share(self.responses_unknown, self.responses)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def summarise(truth: Truth, samples: Iterable[Sample]) -> TruthSummary:
    """How often chosen is truly better, what reflection repaired and broke, and how well the judge did."""
    summary = TruthSummary()
    for sample in samples:
        count_sample(summary, truth, sample)
    return summary


def count_sample(summary: TruthSummary, truth: Truth, sample: Sample) -> None:
    """Count one more sample in."""
    qualities = {response.id: _of(truth, sample, response) for response in sample.responses}
    _count_responses(summary, sample, qualities)
    _count_pairs(summary, sample, qualities)
    _count_rewrites(summary, sample, qualities)
    _count_judgements(summary, sample, qualities)


_Known = dict[str, TruthOfText | None]


def _of(truth: Truth, sample: Sample, response: Response) -> TruthOfText | None:
    found = truth.quality(sample.instruction_of(response.instruction_id).merged, response.text)
    return found if found and found.quality is not None else None


def _quality(known: TruthOfText | None) -> float | None:
    return known.quality if known else None


def _count_responses(summary: TruthSummary, sample: Sample, qualities: _Known) -> None:
    summary.responses += len(sample.responses)
    summary.responses_unknown += sum(known is None for known in qualities.values())
    for response in sample.responses:
        known = qualities[response.id]
        if response.origin == "draft" and known is not None:
            name = known.fault or "none"
            summary.drafts_by_fault[name] = summary.drafts_by_fault.get(name, 0) + 1


def _count_pairs(summary: TruthSummary, sample: Sample, qualities: _Known) -> None:
    for pair in sample.pairs:
        chosen, rejected = _quality(qualities.get(pair.chosen_id)), _quality(qualities.get(pair.rejected_id))
        if chosen is None or rejected is None:
            summary.pairs_unknown += 1
        elif chosen == rejected:
            summary.chosen_equal += 1
        elif chosen > rejected:
            summary.chosen_better += 1
        else:
            summary.chosen_worse += 1


def _count_rewrites(summary: TruthSummary, sample: Sample, qualities: _Known) -> None:
    for before, after in _rewrites(sample):
        old, new = qualities.get(before.id), qualities[after.id]
        if old is None or new is None:
            continue
        if old.fault:
            summary.faulty_drafts += 1
            summary.repaired += new.fault is None
        else:
            summary.sound_drafts += 1
            summary.broken += new.fault is not None


def _rewrites(sample: Sample) -> Iterator[tuple[Response, Response]]:
    """Each rewritten response with its rewrite; what people made of one is none, and no work of reflection's."""
    by_id = {response.id: response for response in sample.responses}
    for response in sample.responses:
        for parent in map(by_id.get, response.parents):
            if parent is not None and response.rewrites(parent):
                yield parent, response


def _count_judgements(summary: TruthSummary, sample: Sample, qualities: _Known) -> None:
    means = _mean_ratings(sample)
    for first, second in combinations([response for response in sample.responses if response.id in means], 2):
        one, other = _quality(qualities[first.id]), _quality(qualities[second.id])
        if first.instruction_id != second.instruction_id or one is None or other is None or one == other:
            continue
        summary.judged += 1
        summary.judged_right += (means[first.id] - means[second.id]) * (one - other) > 0


def _mean_ratings(sample: Sample) -> dict[str, float]:
    scores: dict[str, list[int]] = {}
    for rating in sample.ratings:
        scores.setdefault(rating.response_id, []).append(rating.score)
    return {response_id: fmean(given) for response_id, given in scores.items()}
