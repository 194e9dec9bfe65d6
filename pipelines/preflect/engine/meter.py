"""Counts what the executor and the models do, for the progress display and the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from preflect.engine.progress import ModelProgress, Snapshot, StageProgress
from preflect.engine.rate import Rate
from preflect.ports import StoredCall


@dataclass(slots=True)
class _StageCount:
    running: int = 0
    done: int = 0
    rejected: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _ModelCount:
    calls_rate: Rate
    tokens_rate: Rate
    in_flight: int = 0
    calls: int = 0
    replayed: int = 0
    retries: int = 0
    throttled: int = 0
    hedged: int = 0
    uncounted: int = 0
    allowed: int = 0
    paused_until: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


class Meter:
    """Written by the executor's thread, read by any other: counts may be a moment apart, never wrong for good."""

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._since = clock()
        self._stages: dict[str, _StageCount] = {}
        self._models: dict[str, _ModelCount] = {}
        self._weights: Mapping[str, int] = {}
        self._kept = 0
        self.finished = 0
        self.rejected = 0

    def expect(self, stages: Sequence[str], models: Sequence[str]) -> None:
        """Name the stages and models in the order of their display."""
        self._stages = {name: _StageCount() for name in stages}
        self._models = {name: _ModelCount(Rate(self._since), Rate(self._since)) for name in models}

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Name the stages of the phase in work, in order, with the calls that each makes for a sample."""
        self._weights = weights

    def total_known(self, total: int) -> None:
        """All samples have been drawn: there are so many, without bad rows and duplicates."""
        self._total = total

    def kept(self) -> None:
        """A sample was finished by an earlier sitting."""
        self._kept += 1

    def entered(self, stage: str) -> None:
        """A sample goes into a stage."""
        self._stages[stage].running += 1

    def left(self, stage: str, seconds: float, *, rejected: bool) -> None:
        """A sample comes out of a stage."""
        count = self._stages[stage]
        count.running -= 1
        count.seconds += seconds
        if rejected:
            count.rejected += 1
        else:
            count.done += 1

    def closed(self, *, rejected: bool) -> None:
        """A sample is through with the phase."""
        self.finished += 1
        self.rejected += rejected

    def started(self, model: str) -> None:
        """A call goes out."""
        self._models[model].in_flight += 1

    def held_back(self, model: str) -> None:
        """A call that was refused waits for its turn."""
        self._models[model].in_flight -= 1

    def retried(self, model: str) -> None:
        """A call is asked again."""
        self._models[model].retries += 1

    def throttled(self, model: str) -> None:
        """A call was refused because there were too many."""
        self._models[model].throttled += 1

    def hedged(self, model: str) -> None:
        """A slow call was asked a second time."""
        self._models[model].hedged += 1

    def uncounted(self, model: str) -> None:
        """A reply came without a count of its tokens."""
        self._models[model].uncounted += 1

    def paused(self, model: str, seconds: float) -> None:
        """Nothing goes out for so long."""
        self._models[model].paused_until = self._clock() + seconds

    def allowed(self, model: str, calls: int) -> None:
        """So many calls may be in flight from now on."""
        self._models[model].allowed = calls

    def finished_call(self, model: str, call: StoredCall | None, out_s: float | None = None) -> None:  # noqa: ARG002
        """A call came back; None if it failed."""
        count = self._models[model]
        count.in_flight -= 1
        if call:
            count.calls += 1
            count.prompt_tokens += call.prompt_tokens
            count.completion_tokens += call.completion_tokens
            count.cost_usd += call.cost_usd
            now_s = self._clock()
            count.calls_rate.add(now_s)
            count.tokens_rate.add(now_s, call.prompt_tokens + call.completion_tokens)

    def replayed(self, model: str) -> None:
        """A reply came from the journal."""
        self._models[model].replayed += 1

    def stage_seconds(self) -> dict[str, float]:
        """Seconds by stage, summed over samples."""
        return {name: count.seconds for name, count in self._stages.items()}

    def snapshot(self) -> Snapshot:
        """What stands now."""
        now_s = self._clock()
        elapsed_s = now_s - self._since
        passed, ahead = self._work()
        return Snapshot(
            total=self._total,
            finished=self._kept + self.finished,
            rejected=self.rejected,
            stages=tuple(
                StageProgress(name=name, running=c.running, done=c.done, rejected=c.rejected)
                for name, c in self._stages.items()
            ),
            models=tuple(_progress(name, count, now_s) for name, count in self._models.items()),
            elapsed_s=elapsed_s,
            seconds_left=elapsed_s / passed * ahead if self._total and passed else None,
            share=1 - ahead / whole if (whole := self._whole()) else None,
        )

    def _whole(self) -> int:
        return (self._total or 0) * sum(self._weights.values())

    def _work(self) -> tuple[int, int]:
        """Calls' worth of work done in this sitting, and still ahead; a rejected sample has none ahead."""
        passed, later = 0, sum(self._weights.values())
        kept = self._kept * later
        for stage, weight in self._weights.items():
            count = self._stages[stage]
            passed += count.done * weight + count.rejected * later
            later -= weight
        return passed, max(self._whole() - kept - passed, 0)


def _progress(name: str, count: _ModelCount, now_s: float) -> ModelProgress:
    return ModelProgress(
        name=name,
        in_flight=count.in_flight,
        calls=count.calls,
        replayed=count.replayed,
        retries=count.retries,
        throttled=count.throttled,
        hedged=count.hedged,
        uncounted=count.uncounted,
        allowed=count.allowed,
        prompt_tokens=count.prompt_tokens,
        completion_tokens=count.completion_tokens,
        cost_usd=count.cost_usd,
        calls_per_s=count.calls_rate.per_second(now_s),
        tokens_per_s=count.tokens_rate.per_second(now_s),
        paused_s=max(count.paused_until - now_s, 0.0),
    )
