"""Review by people: what they are asked, what they answered, and what their answers come to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from preflect.schemas.base import Schema
from preflect.schemas.stages import ReviewKind, ReviewStage

DeskName = Literal["review", "adjudication"]


class ReviewTask(Schema):
    """One sample in a queue."""

    sample_id: str
    response_ids: tuple[str, ...]
    """The responses in the order shown; what reviewers see says `a` and `b`."""
    part: str
    """Why it was chosen: a signal's name, `random`, `gold`, `fill` or `adjudicate`."""
    gold_id: str | None = None
    """Of a gold sample: the response that a grader knows to be the better one."""


class ReviewRound(Schema):
    """One choice of samples."""

    desk: DeskName = "review"
    kind: ReviewKind = "preference"
    population: int = Field(ge=0)
    """Samples it was chosen from: all that can be reviewed and were in no round before."""
    tasks: tuple[ReviewTask, ...]


class ReviewQueue(Schema):
    """Everything that was given to reviewers, and by which options."""

    run: str = ""
    """Whose it is, for others who come to where it lies: hash of the folder in which the run was made, and when."""
    options: ReviewStage
    rounds: tuple[ReviewRound, ...] = ()


class Estimate(Schema):
    """A figure with its 95 % interval, exact of a share and else by bootstrap; None where there is nothing to go by."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    """Samples that it was computed from."""


class JsonlDeskSpec(Schema):
    """Review in a file of JSON lines."""

    kind: Literal["jsonl"] = "jsonl"
    path: str


class ArgillaDeskSpec(Schema):
    """Review in Argilla."""

    kind: Literal["argilla"] = "argilla"
    url: str | None = None
    """None: the embedded server, wherever it listens."""
    api_key_env: str | None = None
    """Name of the variable with the key; the embedded server's own needs none."""
    home: str | None = None
    """The embedded server's data."""
    workspace: str = "preflect"
    dataset: str


DeskSpec = Annotated[JsonlDeskSpec | ArgillaDeskSpec, Field(discriminator="kind")]


class ReviewAnswer(Schema):
    """All that one person said of one sample, in the words of the form: `a` and `b` for what was shown."""

    sample_id: str
    reviewer: str
    values: dict[str, JsonValue]
    """Answer by name of the question."""
    submitted_at: str = ""
    """ISO 8601, UTC; empty where the tool does not say."""
    desk: DeskName = "review"
    place: DeskSpec | None = None
    """Where it was seen last, and alone can be withdrawn; None where the item was laid out anew since."""


class ReviewDesks(Schema):
    """Where each queue of a run was laid out."""

    desks: dict[DeskName, DeskSpec] = Field(default_factory=dict[DeskName, DeskSpec])


class ReviewCounts(Schema):
    """What the run keeps of its reviews."""

    reviewed: int
    """Samples with an answer."""
    decided: int
    """Samples that people decided."""
    reviewers: int
    answers_id: str
    """Content hash of the answers, and of the options, that the samples were made with."""
    judge_accuracy: Estimate
    """Share of the pairs that people decided which the judge puts in their order, estimated for all samples."""


class QuestionFigures(Schema):
    """How far people agree on one question."""

    question: str
    answers: int
    alpha: Estimate
    """Krippendorff's."""
    kappa: Estimate
    """Cohen's; only where exactly two people answered."""


class ReviewerFigures(Schema):
    """One reviewer's work."""

    reviewer: str
    answers: int
    gold: Estimate
    """Share of right answers on gold."""
    with_others: Estimate
    """Cohen's kappa with what most of the others say of the same samples."""
    with_judge: Estimate
    """Cohen's kappa with the judge."""
    first: Estimate
    """Share of the preferred responses that were shown first; 0.5 is without bias."""
    longer: Estimate
    """Share of the preferred responses that are the longer one."""
    seconds: float | None
    """Median time between two answers, pauses of over ten minutes left out."""


class ReviewReport(Schema):
    """`preflect review report`."""

    name: str
    simulated: bool
    kind: ReviewKind
    pushed: int
    reviewed: int
    decided: int
    conflicts: int
    """Samples that people disagree about; `push --adjudicate` gives them to an expert."""
    ties: int
    parts: dict[str, int]
    """Samples in the queue by why they were chosen."""
    questions: tuple[QuestionFigures, ...]
    reviewers: tuple[ReviewerFigures, ...]
    judge_accuracy: Estimate
    """Corrected for the choice of samples; see `preflect.scoring.survey`."""
    judge_accuracy_reviewed: Estimate
    """Of the reviewed samples as they are, which were chosen for being doubtful."""
    human_judge: Estimate
    """Cohen's kappa of people's decisions and the judge's preferences."""
    human_grader: Estimate
    judge_grader: Estimate
