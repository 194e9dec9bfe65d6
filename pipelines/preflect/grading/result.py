"""What a grader answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GradeResult:
    """A score from 0 to 1, or None with the reason why the grader could not run."""

    score: float | None
    reason: str | None = None


PASSED = GradeResult(1.0)
NO_REFERENCE = GradeResult(None, "no reference answer")


def failed(reason: str) -> GradeResult:
    """The answer is wrong."""
    return GradeResult(0.0, reason)


def not_run(reason: str) -> GradeResult:
    """Nothing is known of the answer. A zero here would teach a model that right answers are wrong."""
    return GradeResult(None, reason)


def shorten(text: str, width: int = 80) -> str:
    """One line for a message."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
