"""Training rows in TRL's formats; every export starts from these."""

from __future__ import annotations

from pydantic import Field, JsonValue

from preflect.schemas.base import Schema
from preflect.schemas.grader import GraderSpec
from preflect.schemas.message import Conversation


class Row(Schema):
    """What each row says of its origin, in columns that no trainer reads."""

    sample_id: str
    source: str = ""
    simulated: bool = False


class SftRow(Row):
    """Supervised fine-tuning: the last message is the assistant's."""

    messages: Conversation = Field(min_length=2)


class DpoRow(Row):
    """Preference with an explicit prompt."""

    prompt: Conversation = Field(min_length=1)
    chosen: Conversation = Field(min_length=1)
    rejected: Conversation = Field(min_length=1)
    margin: float
    basis: str


class KtoRow(Row):
    """One completion and whether it is desirable."""

    prompt: Conversation = Field(min_length=1)
    completion: Conversation = Field(min_length=1)
    label: bool


class RftRow(Row):
    """Reinforcement fine-tuning: a prompt, its reference answer, and the grader that tells right from wrong."""

    prompt: Conversation = Field(min_length=1)
    reference_answer: str | None
    grader: GraderSpec
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
