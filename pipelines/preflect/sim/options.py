"""How a simulated endpoint is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from preflect.schemas import SimulatorRates


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one model of the endpoint behaves."""

    seed: int = 0
    latency_s: float = 0.0
    rates: SimulatorRates = field(default_factory=SimulatorRates)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """All that a simulated endpoint is told."""

    port: int = 0
    """0: a free one."""
    host: str = "127.0.0.1"
    profile: Profile = field(default_factory=Profile)
    """Of every model that has none of its own."""
    profiles: Mapping[str, Profile] = field(default_factory=dict[str, Profile])
    """By the model name that requests carry."""
    known: tuple[Path, ...] = ()
    """JSONL files of tasks with model answers, known beside the generated world."""
    truth: Path | None = None
    """Where the truth about every text and rating is appended."""
    malformed: float = 0.01
    """Share of the replies with named parts that cannot be read."""
    stop_with_parent: bool = False
    """Whether the server ends when its standard input does."""
