"""What a sample knows about which of two responses is better.

Kinds of evidence, the strongest first; a weaker one speaks only where all stronger ones are silent:

1. verdicts of people,
2. verdicts of graders,
3. grades: right beats wrong, whatever a judge makes of them,
4. verdicts of judges,
5. mean ratings over the aspects (and judges) that rated both,
6. where asked for: the student's reversed IFD of a rewrite and its draft.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from statistics import fmean
from typing import Final, Literal

from preflect.schemas import Sample, Verdict

Basis = Literal["verdict", "grade", "rating", "student"]

# Shares such as 2/3 - 1/3 are floats: what differs by less than this is equal.
_DECIMALS: Final = 9


class Strength(IntEnum):
    """How much a finding weighs against others."""

    STUDENT = 1
    RATING = 2
    JUDGE = 3
    GRADE = 4
    GRADER = 5
    HUMAN = 6

    @property
    def basis(self) -> Basis:
        """The kind of evidence as a Pair names it."""
        names: dict[Strength, Basis] = {
            Strength.STUDENT: "student",
            Strength.RATING: "rating",
            Strength.GRADE: "grade",
        }
        return names.get(self, "verdict")


class Open(Enum):
    """Why two responses have no order."""

    TIE = "tie"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One response is better than another."""

    better: str
    worse: str
    strength: Strength
    margin: float
    """Rating points, share of the grade, difference of the student's score; of verdicts the mean confidence."""


_SOURCES: Final = {"human": Strength.HUMAN, "grader": Strength.GRADER, "judge": Strength.JUDGE}


class Evidence:
    """All that a sample knows about its responses, indexed once."""

    def __init__(self, sample: Sample) -> None:
        self._verdicts: dict[tuple[Strength, frozenset[str]], list[Verdict]] = defaultdict(list)
        for verdict in sample.verdicts:
            both = frozenset((verdict.better_id, verdict.worse_id))
            self._verdicts[_SOURCES[verdict.source], both].append(verdict)
        self.unusable = {i for v in sample.verdicts if v.unusable for i in (v.better_id, v.worse_id)}
        """Responses that people would train nobody on."""
        self.grades = sample.grade_scores
        self._ratings: dict[str, dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
        for rating in sample.ratings:
            self._ratings[rating.response_id][rating.judge, rating.aspect].append(rating.score)
        self._student: dict[str, dict[tuple[str, str, str], float]] = defaultdict(dict)
        for score in sample.scores:
            if score.metric == "r_ifd_ppl" and score.value is not None:
                self._student[score.response_id][score.student, score.revision, score.template] = score.value

    def is_right(self, response_id: str) -> bool:
        """Whether a grader passed the response in full."""
        return self.grades.get(response_id, 0.0) >= 1.0

    def is_wrong(self, response_id: str) -> bool:
        """Whether a grader found any fault with the response."""
        return self.grades.get(response_id, 1.0) < 1.0

    def compare(self, first: str, second: str, *, ask_student: bool = False) -> Finding | Open:
        """Which of two responses is better, by the strongest evidence there is."""
        for strength in sorted(Strength, reverse=True):
            if strength is Strength.STUDENT and not ask_student:
                continue
            found = self._found(strength, first, second)
            if found is not None:
                return Open.UNKNOWN if isinstance(found, Finding) and self._contradicts_grades(found) else found
        return Open.TIE if first in self.grades and second in self.grades else Open.UNKNOWN

    def _found(self, strength: Strength, first: str, second: str) -> Finding | Open | None:
        match strength:
            case Strength.HUMAN | Strength.GRADER | Strength.JUDGE:
                return _majority(
                    strength, first, second, self._verdicts.get((strength, frozenset((first, second))), ())
                )
            case Strength.GRADE:
                return self._by_grade(first, second)
            case Strength.RATING:
                return self._by_rating(first, second)
            case Strength.STUDENT:
                return self._by_student(first, second)

    def _by_grade(self, first: str, second: str) -> Finding | None:
        if first not in self.grades or second not in self.grades:
            return None
        return _finding(Strength.GRADE, first, second, self.grades[first] - self.grades[second])

    def _by_rating(self, first: str, second: str) -> Finding | Open | None:
        one, other = self._ratings[first], self._ratings[second]
        shared = sorted(one.keys() & other.keys())
        if not shared:
            return None
        difference = sum((_mean(one[key]) - _mean(other[key]) for key in shared), Fraction(0)) / len(shared)
        return _finding(Strength.RATING, first, second, float(difference)) or Open.TIE

    def _by_student(self, first: str, second: str) -> Finding | Open | None:
        """The student can better guess the instruction from the response with the lower reversed IFD."""
        shared = [key for key in self._student[first] if key in self._student[second]]
        if not shared:
            return None
        difference = self._student[second][shared[-1]] - self._student[first][shared[-1]]
        return _finding(Strength.STUDENT, first, second, difference) or Open.TIE

    def _contradicts_grades(self, found: Finding) -> bool:
        """Whether opinion would put a wrong answer above an ungraded one, or an ungraded one above a right one."""
        if found.strength > Strength.GRADE:
            return False
        graded = (found.better in self.grades, found.worse in self.grades)
        return (graded == (True, False) and self.is_wrong(found.better)) or (
            graded == (False, True) and self.is_right(found.worse)
        )


def _majority(strength: Strength, first: str, second: str, verdicts: Iterable[Verdict]) -> Finding | Open | None:
    """What most verdicts say; as many for one as for the other, or ties alone, settle that neither is better."""
    found = list(verdicts)
    if not found:
        return None
    votes = {first: [v for v in found if not v.tie and v.better_id == first]}
    votes[second] = [v for v in found if not v.tie and v.better_id == second]
    if len(votes[first]) == len(votes[second]):
        return Open.TIE
    better, worse = (first, second) if len(votes[first]) > len(votes[second]) else (second, first)
    confidence = [1.0 if v.confidence is None else v.confidence for v in votes[better]]
    return Finding(better, worse, strength, fmean(confidence))


def _finding(strength: Strength, first: str, second: str, difference: float) -> Finding | None:
    """A finding in favour of the first where the difference is positive, of the second where it's negative."""
    margin = round(abs(difference), _DECIMALS)
    if not margin:
        return None
    better, worse = (first, second) if difference > 0 else (second, first)
    return Finding(better, worse, strength, margin)


def _mean(scores: list[int]) -> Fraction:
    return Fraction(sum(scores), len(scores))
