"""What was hard about the traffic to each model, kept in the journal so that it outlives a sitting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from preflect.engine.journal import Journal
from preflect.engine.progress import Snapshot
from preflect.schemas import TrafficCounts

_KINDS: Final = ("retries", "throttled", "hedged", "uncounted")


def keep_traffic(journal: Journal, snapshot: Snapshot) -> None:
    """Add a sitting's counts to those of the sittings before; what was counted when a process was killed is lost."""
    for model in snapshot.models:
        for kind in _KINDS:
            if amount := getattr(model, kind):
                journal.add_to_counter(f"{kind}:{model.name}", amount)


def traffic_so_far(journal: Journal, models: Iterable[str]) -> tuple[TrafficCounts, ...]:
    """The counts of all sittings, of those models that have any."""
    return tuple(_counted(journal, models))


def _counted(journal: Journal, models: Iterable[str]) -> Iterator[TrafficCounts]:
    for model in models:
        counts = {kind: int(journal.counter(f"{kind}:{model}")) for kind in _KINDS}
        if any(counts.values()):
            yield TrafficCounts(model=model, **counts)
