"""A review's options from the command line, for a run whose recipe has no such stage."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from pydantic import ValidationError

from preflect.errors import InputError
from preflect.recipes.locate import Source
from preflect.recipes.nearest import did_you_mean
from preflect.recipes.overrides import override
from preflect.schemas import Limits, ReviewStage
from preflect.scoring.survey import FEWEST


def options_with(options: ReviewStage, settings: Sequence[str]) -> ReviewStage:
    """The options with each `key=VALUE` in its place, values read as YAML. Raises: InputError."""
    values = override(Source("review", options.model_dump(mode="json")), settings).values
    try:
        return ReviewStage.model_validate_json(orjson.dumps(values))
    except ValidationError as error:
        raise InputError("; ".join(_complaint(e["loc"], e["msg"], e["input"]) for e in error.errors())) from error


def gate_fault(limits: Limits, options: ReviewStage) -> str | None:
    """Why `limits.judge_min_accuracy` could let nothing through, whatever people answer to such a queue."""
    if limits.judge_min_accuracy is None:
        return None
    if options.kind != "preference":
        return (
            f"a review of `kind: {options.kind}` says nothing of the judge, and limits.judge_min_accuracy would let "
            "nothing through; leave one of them out"
        )
    by_lot = round(options.size * options.random)
    if by_lot >= FEWEST:
        return None
    return (
        f"size {options.size:,} and random {options.random:g} have {by_lot} samples drawn by chance, and "
        f"limits.judge_min_accuracy needs at least {FEWEST}; raise size or random"
    )


def _complaint(place: tuple[int | str, ...], message: str, got: object) -> str:
    if not place:  # of the options together
        return f"--set: {message.removeprefix('Value error, ')}"
    key = ".".join(map(str, place))
    if message.startswith("Extra inputs"):
        known = [name for name in ReviewStage.model_fields if name != "stage"]
        return f"--set {key}: a review has no such option; it has {', '.join(known)}{did_you_mean(key, known)}"
    return f"--set {key}: {message}, got {got!r}"
