"""Numbers and codes as a reader wants them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from preflect.schemas import Estimate

REASONS: Final = {
    "refusal": "the model refused",
    "truncated": "cut off at the length limit",
    "empty": "no text at all",
    "placeholder": "a placeholder instead of an answer",
    "unparsable": "a reply without the parts asked for",
    "call_timeout": "no reply in time",
    "call_failed": "the call failed for good",
    "content_filter": "stopped by the endpoint's content filter",
    "near_duplicate": "nearly repeats another instruction",
    "invalid_instruction": "not an instruction",
    "unanswerable": "cannot be answered as it stands",
    "not_admitted": "the student's scores are not below the threshold",
    "unscorable": "the student has no score",
    "not_below_one": "the instruction does not help the student",
    "not_top": "others score higher",
    "not_diverse": "others stand for it",
    "not_selected": "the rewrite did not win",
    "no_response": "no usable response",
    "no_pair": "no two candidates that could be paired",
    "tie": "the best and the worst are level",
    "margin_below": "the margin is below the minimum",
    "no_grade": "no grade",
    "no_correct": "all that could be chosen is known to be wrong",
    "no_incorrect": "all graded responses are right",
    "ungradable": "the grader could not run",
    "duplicate_row": "the same row twice",
    "swapped_completions": "an earlier row prefers them the other way",
    "no_grader": "no grader",
}

METRICS: Final = {"ifd_ppl": "IFD (ppl)", "ifd_loss": "IFD (loss)", "r_ifd_ppl": "r-IFD (ppl)"}

BASES: Final = {
    "verdict": "verdict",
    "grade": "share of the grade",
    "rating": "rating points",
    "student": "difference of the student's score",
}

NO_VALUE: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"
_MINUTE: Final = 60
_HOUR: Final = 3600
_MOST_SECONDS: Final = 10
_TEN_CENTS: Final = 0.1
_LEAST_SHOWN: Final = 0.0001


def words(code: str) -> str:
    """A reason code in words; an unknown code with spaces for its underscores."""
    return REASONS.get(code, code.replace("_", " "))


def spaced(name: str) -> str:
    """A name such as `instruction_following` as text: `Instruction following`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def count(number: float) -> str:
    """A whole number with thousands separators."""
    return f"{number:,.0f}"


def plural(number: float, one: str, many: str | None = None) -> str:
    """`1 pair`, `2,000 pairs`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def decimal(number: float | None, places: int = 3) -> str:
    """At most so many places, without trailing zeros; a dash for no value."""
    if number is None:
        return NO_VALUE
    text = f"{number:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", _MINUS)


def percent(part: float, whole: float) -> str:
    """`part` of `whole` as a percentage with one place; a dash where there is no whole."""
    return f"{decimal(100 * part / whole, 1)}%" if whole else NO_VALUE


def estimate(found: Estimate) -> str:
    """`0.83 (0.7 to 0.91)`; a dash where nothing is known."""
    if found.value is None:
        return NO_VALUE
    return f"{decimal(found.value, 2)} ({decimal(found.low, 2)} to {decimal(found.high, 2)})"


def usd(amount: float) -> str:
    """Dollars and cents; two significant digits of less than ten cents."""
    if amount == 0 or amount >= _TEN_CENTS:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= _LEAST_SHOWN else f"< ${_LEAST_SHOWN}"


def moment(iso: str) -> str:
    """`2024-05-01 10:11 UTC` for an ISO time; what is no time stays as it is."""
    try:
        return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return iso


def duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < _MOST_SECONDS:
        return f"{decimal(seconds, 2)} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{count(whole // _HOUR)} h {whole % _HOUR // _MINUTE} min"
