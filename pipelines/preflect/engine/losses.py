"""When too many samples are lost to failed calls for a run to go on."""

from __future__ import annotations

from typing import Final

from preflect.errors import TooManyRejectionsError
from preflect.schemas import Rejection, Sample

MIN_FINISHED_TO_JUDGE: Final = 20
"""Samples that must be finished before their share is judged while others are still to come."""


class Losses:
    """Counts samples lost to failed calls or unusable replies, against the share that may be."""

    def __init__(self, max_rejected: float) -> None:
        self._max_rejected = max_rejected
        self._finished = 0
        self._lost = 0
        self._last: Rejection | None = None

    def add(self, sample: Sample | None, rejection: Rejection | None) -> None:
        """Count a sample. Raises: TooManyRejectionsError when the share is passed."""
        self._finished += 1
        reason = _loss(sample, rejection)
        if reason is None:
            return
        self._lost += 1
        self._last = reason
        if self._finished >= MIN_FINISHED_TO_JUDGE and self._lost > self._max_rejected * self._finished:
            raise self._too_many()

    def judge_all(self) -> None:
        """No sample comes any more. Raises: TooManyRejectionsError when the share is passed, however few there were."""
        if self._lost > self._max_rejected * self._finished:
            raise self._too_many()

    def _too_many(self) -> TooManyRejectionsError:
        assert self._last is not None
        return TooManyRejectionsError(
            f"{self._lost} of {self._finished} samples were lost to failed calls or unusable replies, more than "
            f"limits.max_rejected = {self._max_rejected:g} allows; the last one: stage '{self._last.stage}', "
            f"{self._last.reason}: {self._last.detail[:300]}; mend the cause, or allow more in the run's recipe.yaml"
        )


def _loss(sample: Sample | None, rejection: Rejection | None) -> Rejection | None:
    """Why the sample is lost: its rejection, or a failed call where no model has answered at all."""
    if rejection is not None:
        return rejection if rejection.cause in ("call", "reply") else None
    if sample is None or any(response.provenance for response in sample.responses):
        return None
    return next((lost for lost in sample.rejections if lost.cause == "call"), None)
