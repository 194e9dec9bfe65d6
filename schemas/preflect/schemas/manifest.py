"""The manifest: what a run did. What is in it is done."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from preflect.schemas.base import SCHEMA_VERSION, Schema
from preflect.schemas.review import ReviewCounts


class CallCounts(Schema):
    """Calls of one model by one stage, from the journal: paid once, however often the run was resumed."""

    stage: str
    model: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompts' tokens, those that the endpoint had in its cache."""
    reasoning_tokens: int = 0
    """Of the completions' tokens, those of thoughts that the texts do not show."""
    cost_usd: float
    latency_s: float
    """Sum over the calls, from request to reply."""


class TrafficCounts(Schema):
    """What was hard about the traffic to one model, in all sittings but those that were killed."""

    model: str
    retries: int = 0
    """Calls asked again after a fault."""
    throttled: int = 0
    """Refused because there were too many (HTTP 429)."""
    hedged: int = 0
    """Slow calls that were asked a second time."""
    uncounted: int = 0
    """Replies without a count of their tokens, which are guessed; each is charged at the most that it can cost."""


class StageCounts(Schema):
    """What went through one stage; `rows_in + made == rows_out + rejected`."""

    stage: str
    """The stage's name, numbered where it occurs more than once."""
    rows_in: int
    made: int = 0
    """New rows that a whole-set stage brought, kept or not."""
    rows_out: int
    rejected: int
    reasons: dict[str, int] = Field(default_factory=dict)
    """Rejections by reason."""
    candidates_lost: dict[str, int] = Field(default_factory=dict)
    """Lost candidates of samples that went on, by reason."""
    seconds: float = 0.0
    """Sum over the samples of the time spent in the stage, in this and earlier sittings."""


class ExportCounts(Schema):
    """One exported dataset."""

    kind: str
    format: str
    train: int
    test: int
    refused: dict[str, int] = Field(default_factory=dict)
    """Rows that validation kept out, by reason."""


class Manifest(Schema):
    """Written whole each time something is finished; the run is over when `status` says so."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    status: Literal["running", "stopped", "paused", "failed", "done"]
    """`paused`: it waits for people's reviews."""
    message: str = ""
    """Why it stopped, and how to go on."""
    simulated: bool
    seed: int
    engine: str
    input_path: str
    input_sha256: str
    input_rows: int = 0
    input_rejected: int = 0
    replay: bool = False
    """Whether its last sitting had all replies from the journal, and could call nothing."""
    skipped_bad_rows: bool = False
    """Whether the run was told to leave rows out that it could not use."""
    recipe_id: str
    """Content hash of the recipe as run."""
    work_id: str = ""
    """Content hash of what the results depend on: the recipe without its limits and the way to its models."""
    versions: dict[str, str]
    prompts: dict[str, str] = Field(default_factory=dict)
    """Prompt name to version."""
    phases_done: int = 0
    stages: tuple[StageCounts, ...] = ()
    calls: tuple[CallCounts, ...] = ()
    traffic: tuple[TrafficCounts, ...] = ()
    """Only models that had retries, 429s, hedged calls or replies without a count of tokens."""
    lost_usd: float = 0.0
    """The most that requests without a usable reply can have cost: cut off, timed out, answered with a broken body."""
    exports: tuple[ExportCounts, ...] = ()
    review: ReviewCounts | None = None
    """What people said; None before anything was pulled."""
    started_at: str
    finished_at: str | None = None
    seconds: float = 0.0
    """Wall time of all sittings."""

    @property
    def cost_usd(self) -> float:
        """All that was spent."""
        return sum(count.cost_usd for count in self.calls) + self.lost_usd
