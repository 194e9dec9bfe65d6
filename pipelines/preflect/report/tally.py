"""What the figures need of all samples, counted in one pass and kept small."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Literal, TypeAlias

import orjson

from preflect.report.adding_up import added, plain
from preflect.report.opinions import Opinions
from preflect.schemas import Pair, Response, Sample
from preflect.scoring.truth import Truth, TruthSummary, count_sample

SHOWN: Final = 20
"""Samples that the report shows whole."""

Group: TypeAlias = Literal["draft", "rewrite"]
Rank: TypeAlias = tuple[bool, str]
"""The lower is shown before the higher."""


def group_of(response: Response) -> Group:
    """`rewrite` for what a reflection made, `draft` for what was there before it."""
    return "rewrite" if response.origin == "rewrite" else "draft"


def _floats() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Tally:
    """Numbers of all samples: 8 bytes for each score, margin and length."""

    samples: int = 0
    simulated: int = 0
    scores: dict[tuple[str, Group], array[float]] = field(default_factory=lambda: defaultdict(_floats))
    """Student's scores by metric and group."""
    unscorable: Counter[str] = field(default_factory=Counter[str])
    """Scores without a value, by reason."""
    selections: dict[str, Counter[bool]] = field(default_factory=lambda: defaultdict(Counter[bool]))
    """By stage: how often the rewrite won."""
    ratings: dict[tuple[str, Group], Counter[int]] = field(default_factory=lambda: defaultdict(Counter[int]))
    """How often each score was given, by aspect and group."""
    grades: dict[tuple[str, Group], array[float]] = field(default_factory=lambda: defaultdict(_floats))
    """Grades by type of the grader and group."""
    ungraded: Counter[str] = field(default_factory=Counter[str])
    """Grades without a score, by reason."""
    margins: dict[str, array[float]] = field(default_factory=lambda: defaultdict(_floats))
    """Margins of the pairs by what decided them."""
    chosen_lengths: array[float] = field(default_factory=_floats)
    rejected_lengths: array[float] = field(default_factory=_floats)
    """Characters; the two arrays run side by side."""

    def add(self, sample: Sample) -> None:
        """Count one more sample."""
        self.samples += 1
        self.simulated += sample.simulated
        responses = {response.id: response for response in sample.responses}
        self._add_scores(sample, responses)
        for selection in sample.selections:
            self.selections[selection.stage][selection.rewrite_won] += 1
        for rating in sample.ratings:
            self.ratings[rating.aspect, group_of(responses[rating.response_id])][rating.score] += 1
        for grade in sample.grades:
            if grade.score is None:
                self.ungraded[grade.reason or "no reason given"] += 1
            else:
                self.grades[grade.grader, group_of(responses[grade.response_id])].append(grade.score)
        for pair in sample.pairs:
            self._add_pair(pair, responses)

    def _add_scores(self, sample: Sample, responses: dict[str, Response]) -> None:
        # Two selections may ask for the same score, and several students: the last is of the one that decided.
        once = {(s.metric, s.instruction_id, s.response_id): s for s in sample.scores}
        for score in once.values():
            if score.value is None:
                self.unscorable[score.reason or "no reason given"] += 1
            else:
                self.scores[score.metric, group_of(responses[score.response_id])].append(score.value)

    def _add_pair(self, pair: Pair, responses: dict[str, Response]) -> None:
        self.margins[pair.basis].append(pair.margin)
        self.chosen_lengths.append(len(responses[pair.chosen_id].text))
        self.rejected_lengths.append(len(responses[pair.rejected_id].text))

    @property
    def pairs(self) -> int:
        """How many preference pairs there are."""
        return len(self.chosen_lengths)

    @property
    def chosen_longer(self) -> int:
        """In how many pairs the chosen response has more characters than the rejected one."""
        return sum(c > r for c, r in zip(self.chosen_lengths, self.rejected_lengths, strict=True))


@dataclass(slots=True)
class Showcase:
    """A fixed choice of samples: those with a pair first, then by the hash of their id, so that order plays no part."""

    size: int = 20
    _kept: list[tuple[Rank, Sample | str]] = field(default_factory=list[tuple[Rank, Sample | str]])

    def add(self, sample: Sample) -> None:
        """Offer one more sample."""
        self._offer((not sample.pairs, blake2b(sample.id.encode(), digest_size=8).hexdigest()), sample)

    def _offer(self, rank: Rank, sample: Sample | str) -> None:
        if len(self._kept) == self.size and rank >= self._kept[-1][0]:
            return
        self._kept.append((rank, sample))
        self._kept.sort(key=lambda entry: entry[0])
        del self._kept[self.size :]

    def plain(self) -> list[tuple[Rank, str]]:
        """The same in values that JSON knows."""
        return [(rank, sample if isinstance(sample, str) else sample.model_dump_json()) for rank, sample in self._kept]

    def merge(self, plain: Iterable[tuple[Sequence[Any], str]]) -> None:
        """Offer what `plain` gave of other samples."""
        for (unpaired, digest), sample in plain:
            self._offer((unpaired, digest), sample)

    @property
    def samples(self) -> list[Sample]:
        """The samples chosen, in the order of the input."""
        read = (s if isinstance(s, Sample) else Sample.model_validate_json(s) for _, s in self._kept)
        return sorted(read, key=lambda sample: (sample.index, sample.id))


class Findings:
    """What one pass over the samples finds.

    Args: show is how many samples the report shows whole; truth is what the simulator knows of its texts, if any.
    """

    def __init__(self, truth: Truth | None, *, show: int = SHOWN) -> None:
        self.tally: Final = Tally()
        self.truth: Final = TruthSummary() if truth else None
        """How well the run did; only where there is a truth to compare with."""
        self.known: Final = truth
        self.opinions: Final = Opinions()
        self._showcase = Showcase(show)

    @property
    def shown(self) -> list[Sample]:
        """The few that the report shows whole."""
        return self._showcase.samples

    def to_bytes(self) -> bytes:
        """What was found, as one line; for findings that compare with no truth."""
        assert self.truth is None
        return orjson.dumps([plain(self.tally), plain(self.opinions), self._showcase.plain()])

    def merge(self, content: bytes) -> None:
        """Add what `to_bytes` gave of other samples, which come after these."""
        tally, opinions, shown = orjson.loads(content)
        added(self.tally, tally)
        added(self.opinions, opinions)
        self._showcase.merge(shown)

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples as they are, each counted as it passes."""
        for sample in samples:
            self.tally.add(sample)
            self._showcase.add(sample)
            self.opinions.add(sample)
            if self.known is not None and self.truth is not None:
                count_sample(self.truth, self.known, sample)
            yield sample


def read_once(samples: Iterable[Sample], truth: Truth | None, *, show: int = SHOWN) -> Findings:
    """Count all samples and choose those to show, in one pass."""
    findings = Findings(truth, show=show)
    deque(findings.watch(samples), maxlen=0)
    return findings
