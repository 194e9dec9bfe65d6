"""When too many samples are lost to failed calls for a run to go on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from preflect.errors import LastingLossesError, TooManyRejectionsError
from preflect.ports import Dropped, Stage
from preflect.schemas import Rejection, Sample

MIN_FINISHED_TO_JUDGE: Final = 20
"""Samples that must be finished before their share is judged while others are still to come."""


_REMEDIES: Final = {
    "truncated": "give the model a larger max_tokens or max_tokens_if_truncated in a new run",
    "content_filter": "the provider's filter would stop it again: change the instructions, or the provider's filter",
}
_MEND_OR_ALLOW: Final = "mend the cause, or allow more with --set limits.max_rejected=SHARE"


class Losses:
    """Counts samples lost to failed calls or unusable replies, against the share that may be."""

    def __init__(self, max_rejected: float) -> None:
        self._max_rejected = max_rejected
        self._finished = 0
        self._lost = _Lost()

    def add(self, sample: Sample | None, rejection: Rejection | None) -> None:
        """Count a sample. Raises: TooManyRejectionsError when the share is passed."""
        self._finished += 1
        reason = _loss(sample, rejection)
        if reason is None:
            return
        self._lost.add(reason)
        if self._finished >= MIN_FINISHED_TO_JUDGE and self._lost.total > self._max_rejected * self._finished:
            raise self._too_many()

    def judge_all(self) -> None:
        """No sample comes any more. Raises: TooManyRejectionsError when the share is passed, however few there were."""
        if self._lost.total > self._max_rejected * self._finished:
            raise self._too_many()

    def _too_many(self) -> TooManyRejectionsError:
        usual = self._lost.usual()
        what = f"{self._lost.total} of {self._finished} samples were lost"
        return _too_many(what, usual, f"stage '{usual.stage}', ", self._max_rejected)


class StageLosses:
    """Counts candidates that a stage lost to failed calls or unusable replies while their samples went on.

    A judge that nobody can read rejects no sample: without this the run would end well, and have nothing to show.
    Args: calls is how often each stage asks its models about a sample.
    """

    def __init__(self, max_rejected: float, calls: Mapping[str, int]) -> None:
        self._max_rejected = max_rejected
        self._calls = calls
        self._samples = Counter[str]()
        self._lost: defaultdict[str, _Lost] = defaultdict(_Lost)

    def add(self, stage: str, rejections: Iterable[Rejection]) -> None:
        """Count a sample that went on, with what the stage lost of it. Raises: TooManyRejectionsError."""
        self._samples[stage] += 1
        lost = [rejection for rejection in rejections if rejection.cause in ("call", "reply")]
        if not lost:
            return
        for rejection in lost:
            self._lost[stage].add(rejection)
        if self._samples[stage] >= MIN_FINISHED_TO_JUDGE:
            self._judge(stage)

    def add_finished(self, sample: Sample) -> None:
        """Count a sample that went through all stages. Raises: TooManyRejectionsError."""
        for stage in self._calls:
            self.add(stage, [rejection for rejection in sample.rejections if rejection.stage == stage])

    def judge_all(self) -> None:
        """No sample comes any more. Raises: TooManyRejectionsError when the share is passed, however few there were."""
        for stage in self._lost:
            self._judge(stage)

    def _judge(self, stage: str) -> None:
        lost, asked = self._lost[stage], self._calls.get(stage, 0) * self._samples[stage]
        if asked and lost.total > self._max_rejected * asked:
            what = f"stage '{stage}' lost {lost.total} of {asked} candidates"
            raise _too_many(what, lost.usual(), "", self._max_rejected)


class _Lost:
    """How many were lost, and for what."""

    def __init__(self) -> None:
        self._reasons = Counter[str]()
        self._last: dict[str, Rejection] = {}

    @property
    def total(self) -> int:
        return self._reasons.total()

    def add(self, rejection: Rejection) -> None:
        self._reasons[rejection.reason] += 1
        self._last[rejection.reason] = rejection

    def usual(self) -> Rejection:
        """The last one of the commonest reason: what a remedy helps most against."""
        ((reason, _),) = self._reasons.most_common(1)
        return self._last[reason]


def _too_many(what: str, usual: Rejection, where: str, max_rejected: float) -> TooManyRejectionsError:
    lasting = usual.cause == "reply" or usual.reason in _REMEDIES
    remedy = _REMEDIES.get(usual.reason, "mend the cause in a new run" if lasting else _MEND_OR_ALLOW)
    return (LastingLossesError if lasting else TooManyRejectionsError)(
        f"{what} to failed calls or unusable replies, more than limits.max_rejected = {max_rejected:g} allows; most "
        f"often: {where}{usual.reason}: {usual.detail[:300]}; {remedy}"
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """A stage whose lost candidates are counted."""

    stage: Stage
    losses: StageLosses

    @property
    def name(self) -> str:
        """The stage's own."""
        return self.stage.name

    async def run(self, sample: Sample) -> Sample | Rejection | Dropped:
        """What the stage makes of the sample. Raises: as the stage; TooManyRejectionsError."""
        result = await self.stage.run(sample)
        if isinstance(result, Sample):
            self.losses.add(self.name, result.rejections[len(sample.rejections) :])
        return result


def _loss(sample: Sample | None, rejection: Rejection | None) -> Rejection | None:
    """Why the sample is lost: its rejection, or a failed call where no model has answered at all."""
    if rejection is not None:
        return rejection if rejection.cause in ("call", "reply") else None
    if sample is None or any(response.provenance for response in sample.responses):
        return None
    return next((lost for lost in sample.rejections if lost.cause == "call"), None)
