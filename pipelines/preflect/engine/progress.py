"""What a run has done so far, as numbers that any display can show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """Samples at one stage of the phase in work."""

    name: str
    running: int
    done: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProgress:
    """Calls to one model in this sitting; `replayed` came from the journal and cost nothing."""

    name: str
    in_flight: int
    calls: int
    replayed: int
    retries: int
    throttled: int
    """Refused because there were too many (HTTP 429)."""
    hedged: int
    """Slow ones that were asked a second time."""
    allowed: int
    """Calls that may be in flight now."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    uncounted: int = 0
    """Replies without a count of their tokens, each charged at the most that it can cost."""
    calls_per_s: float = 0.0
    """Finished calls, over the last ten seconds."""
    tokens_per_s: float = 0.0
    """Prompts' and completions', over the last ten seconds."""
    paused_s: float = 0.0
    """For so long no call goes out, since the endpoint said so (Retry-After)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run at one moment."""

    total: int | None
    """Samples that the phase will see; None while nobody knows."""
    finished: int
    """Samples through the phase, the rejected ones among them."""
    rejected: int
    stages: tuple[StageProgress, ...]
    models: tuple[ModelProgress, ...]
    elapsed_s: float
    seconds_left: float | None
    """At the present pace; None while there is no pace."""
    share: float | None = None
    """Of the phase's calls, how many are behind it: long before the first sample is through, this moves."""

    def to_json(self) -> bytes:
        """One line of JSON."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, line: bytes | str) -> Self:
        """What `to_json` wrote. Raises: orjson.JSONDecodeError on half a line."""
        fields: dict[str, Any] = orjson.loads(line)
        fields["stages"] = tuple(StageProgress(**stage) for stage in fields["stages"])
        fields["models"] = tuple(ModelProgress(**model) for model in fields["models"])
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProgress:
    """How far the scoring of a dataset is at one moment."""

    total: int
    done: int
    """Those of earlier sittings too."""
    unscorable: int
    rows_per_s: float
    """Over the last ten seconds."""
    elapsed_s: float

    @property
    def seconds_left(self) -> float | None:
        """At the present pace; None while there is no pace."""
        return (self.total - self.done) / self.rows_per_s if self.rows_per_s else None


_Counts = TypeVar("_Counts", StageProgress, ModelProgress)


def combined(parts: Sequence[Snapshot]) -> Snapshot:
    """One phase that several processes share, each with samples of its own."""
    first, *others = parts
    if not others:
        return first
    totals = [part.total for part in parts if part.total is not None]
    left = [part.seconds_left for part in parts if part.seconds_left is not None]
    shares = [part.share for part in parts if part.share is not None]
    return Snapshot(
        total=sum(totals) if len(totals) == len(parts) else None,
        finished=sum(part.finished for part in parts),
        rejected=sum(part.rejected for part in parts),
        stages=_summed(part.stages for part in parts),
        models=_summed(part.models for part in parts),
        elapsed_s=max(part.elapsed_s for part in parts),
        seconds_left=max(left, default=None),
        share=sum(shares) / len(shares) if shares else None,
    )


def _summed(of_parts: Iterable[Sequence[_Counts]]) -> tuple[_Counts, ...]:
    return tuple(_sum(same) for same in zip(*of_parts, strict=True))


def _sum(same: Sequence[_Counts]) -> _Counts:
    counts = [field.name for field in fields(same[0]) if field.name != "name"]
    return replace(same[0], **{name: sum(getattr(one, name) for one in same) for name in counts})
