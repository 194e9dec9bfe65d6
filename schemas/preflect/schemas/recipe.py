"""The recipe: all that a run is told, in one file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from preflect.schemas.base import Schema
from preflect.schemas.grader import GraderSpec
from preflect.schemas.models import ModelSpec
from preflect.schemas.stages import AnyStage

InputField = Literal[
    "instruction", "messages", "id", "input", "response", "reference_answer", "grader", "source", "metadata"
]


class ColumnPattern(Schema):
    """A field taken from part of a column."""

    column: str
    """Name of the column; dots and numbers reach into nested values (`instances.0.input`)."""
    pattern: str | None = None
    """Regular expression; its first group, else its whole match, becomes the value."""


class InputSpec(Schema):
    """Where the seed instructions are, and which column is what."""

    path: str
    """.jsonl, .json, .csv or .parquet; `hf://org/name`; `preflect://seeds/…` for what is shipped."""
    columns: dict[InputField, str | ColumnPattern] = Field(default_factory=dict[InputField, str | ColumnPattern])
    """Field to column, where the names differ."""
    grader: GraderSpec | None = None
    """The grader of every row that brings none of its own and has a reference answer."""
    split: str = "train"
    """Which split of an `hf://` dataset."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first rows."""


class ExportSpec(Schema):
    """What training data the run writes."""

    formats: tuple[Literal["trl"], ...] = ("trl",)
    kinds: tuple[Literal["sft", "dpo", "rft"], ...] = ("sft", "dpo", "rft")
    test_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Share of the instructions whose rows go to the test split."""
    max_prompt_chars: int = Field(default=32_768, ge=1)
    """A longer prompt is refused: trainers drop it without a word."""


class SharedLimit(Schema):
    """What all models that name it may ask of a provider together."""

    concurrency: int | None = Field(default=None, ge=1)
    """Calls in flight at most; None: as many as the models' own limits add up to."""
    rpm: int | None = Field(default=None, ge=1)
    """Requests per minute at most."""
    tpm: int | None = Field(default=None, ge=1)
    """Tokens per minute at most, input and output together."""


class Limits(Schema):
    """What ends a run early, and how much is asked at once."""

    budget_usd: float | None = Field(default=None, gt=0)
    max_rejected: float = Field(default=0.2, ge=0, le=1)
    """Share of samples, or of a stage's candidates, lost to failed calls or unusable replies that stops the run."""
    judge_min_accuracy: float | None = Field(default=None, ge=0, le=1)
    """No export where the judge, measured against people's reviews, is right less often."""
    open_samples: int | None = Field(default=None, ge=1)
    """Samples in work at once; None: 512, or twice the calls that may be in flight where that is more."""
    shared: dict[str, SharedLimit] = Field(default_factory=dict)
    """Limits that several models have in common, by the name in the models' `limit`."""


class Recipe(Schema):
    """A whole run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0, lt=2**31)
    engine: Literal["distilabel", "local"] = "distilabel"
    input: InputSpec
    models: dict[str, ModelSpec] = Field(default_factory=dict)
    stages: tuple[AnyStage, ...] = Field(min_length=1)
    export: ExportSpec = ExportSpec()
    limits: Limits = Limits()
