"""The stages a recipe may name, each with its options."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from preflect.schemas.base import Schema

Aspect = Literal["instruction_following", "honesty", "truthfulness", "helpfulness"]
Metric = Literal["ifd_ppl", "ifd_loss"]
Strategy = Literal["best_worst", "best_random", "rewrite_vs_draft", "correct_incorrect"]
Signal = Literal["small_margin", "judge_vs_grader", "judges_disagree", "order_flip", "ifd_extreme"]
ReviewKind = Literal["preference", "sft", "rft"]
Policy = Literal["majority", "expert", "weighted"]


class StageSpec(Schema):
    """What every stage's options have in common."""

    needs: ClassVar[tuple[frozenset[str], ...]] = ()
    """Groups of stages; of each group one must stand before this stage (`response` is the input's own column)."""
    whole_set: ClassVar[bool] = False
    """Whether the stage must see all samples, and so ends a phase."""

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models that this stage calls."""
        return ()


class OneModel(StageSpec):
    """A stage that calls one model."""

    model: str
    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)

    @property
    def model_names(self) -> tuple[str, ...]:
        return (self.model,)


class StudentStage(StageSpec):
    """A stage that does as a student says."""

    model: str | None = None
    """The student."""
    students: tuple[str, ...] = ()
    """Several, in its place: all of them score and are asked, the stage does as the first one says, and the report
    shows how far the others agree with it."""

    @model_validator(mode="after")
    def _one_way_to_name_students(self) -> StudentStage:
        if (self.model is None) == (not self.students):
            raise ValueError("give either `model` or `students`")
        return self

    @property
    def model_names(self) -> tuple[str, ...]:
        return self.students or (self.model or "",)


class SelfInstruct(OneModel):
    """New instructions from the seeds, until `count` are accepted."""

    stage: Literal["self_instruct"] = "self_instruct"
    whole_set = True
    count: int = Field(ge=1)
    exemplars: int = Field(default=6, ge=1)
    """Instructions shown in each request."""
    per_call: int = Field(default=4, ge=1)
    """New instructions asked for in each request."""
    max_similarity: float = Field(default=0.7, gt=0, le=1)
    """ROUGE-L above which a new instruction is a near-duplicate; an exact repeat always is."""
    keep_seeds: bool = True
    """Whether the seeds themselves go on beside the new instructions."""
    max_calls: int | None = Field(default=None, ge=1)
    """Requests at most; None: ten times what `count` would take if all were accepted."""


class Dedup(StageSpec):
    """Drop instructions that nearly repeat an earlier one."""

    stage: Literal["dedup"] = "dedup"
    whole_set = True
    max_similarity: float = Field(default=0.7, gt=0, le=1)


class FilterStage(StudentStage):
    """Keep the share of all samples that a filter of the literature prefers by a student's scores."""

    stage: Literal["filter"] = "filter"
    whole_set = True
    by: Literal["cherry", "superfiltering", "superfiltering_d"]
    """`cherry`: highest `ifd_loss` below 1; `superfiltering`: highest `ifd_ppl` below 1, under a small student;
    `superfiltering_d`: of those the `pool`, of that the samples that stand best for the rest of it."""
    keep: float = Field(gt=0, le=1)
    """Share of the samples that go on."""
    pool: float = Field(default=0.2, gt=0, le=1)
    """Share that `superfiltering_d` chooses from."""
    embeddings: str = "hashed"
    """What `superfiltering_d` compares texts by: `hashed`, shared words and no model, or `transformers:MODEL`."""
    needs = (frozenset({"respond", "response"}),)


class Respond(StageSpec):
    """Answer each instruction."""

    stage: Literal["respond"] = "respond"
    model: str | None = None
    models: tuple[str, ...] = ()
    samples: int = Field(default=1, ge=1, le=64)
    """Responses of each model."""
    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_way_to_name_models(self) -> Respond:
        if (self.model is None) == (not self.models):
            raise ValueError("give either `model` or `models`")
        return self

    @property
    def model_names(self) -> tuple[str, ...]:
        return self.models or (self.model or "",)


class ReflectInstruction(OneModel):
    """The teacher criticises the instruction and writes a better one with a new response."""

    stage: Literal["reflect_instruction"] = "reflect_instruction"
    needs = (frozenset({"respond", "response"}),)


class SelectInstruction(StudentStage):
    """The student keeps the new pair iff its IFD is higher."""

    stage: Literal["select_instruction"] = "select_instruction"
    metric: Metric = "ifd_ppl"
    needs = (frozenset({"reflect_instruction"}),)


class ReflectResponse(OneModel):
    """The teacher criticises and rewrites the response."""

    stage: Literal["reflect_response"] = "reflect_response"
    needs = (frozenset({"respond", "response"}),)


class SelectResponse(StudentStage):
    """The student keeps the rewrite iff its reversed IFD is lower, and admits the pair iff both are low enough."""

    stage: Literal["select_response"] = "select_response"
    mode: Literal["strict", "recycle"] = "recycle"
    metric: Metric = "ifd_ppl"
    threshold: float | None = Field(default=None, gt=0)
    """Both scores of an admitted pair are below this; None: below the student's own `thresholds`, 1 where it has none.
    """
    needs = (frozenset({"reflect_response"}),)


class JudgeAspects(OneModel):
    """A judge rates each response from 1 to 5 on each aspect."""

    stage: Literal["judge_aspects"] = "judge_aspects"
    aspects: tuple[Aspect, ...] = Field(
        default=("instruction_following", "honesty", "truthfulness", "helpfulness"), min_length=1
    )
    needs = (frozenset({"respond", "response"}),)


class GradeStage(StageSpec):
    """Verifiable graders score each response whose instruction has one."""

    stage: Literal["grade"] = "grade"
    needs = (frozenset({"respond", "response"}),)


class PairStage(StageSpec):
    """Choose a preference pair from the candidates."""

    stage: Literal["pair"] = "pair"
    strategy: Strategy = "best_worst"
    min_margin: float = Field(default=0.0, ge=0)
    """In units of what decides: rating points, share of the grade, difference of the student's score."""


class ReviewStage(StageSpec):
    """People review a part of the samples; the run pauses here until enough of their answers are back."""

    stage: Literal["review"] = "review"
    whole_set = True
    kind: ReviewKind = "preference"
    """`preference`: which of two responses is better; `sft`: rate and edit one; `rft`: check the reference answer."""
    size: int = Field(default=100, ge=1)
    """Samples in the queue."""
    random: float = Field(default=0.3, ge=0, le=1)
    """Share of the queue that is drawn by chance: what an estimate for all samples rests on."""
    gold: float = Field(default=0.1, ge=0, le=1)
    """Share of the queue whose right answer a grader knows: what annotators are watched by."""
    signals: dict[Signal, Annotated[float, Field(ge=0)]] = Field(default_factory=dict[Signal, float])
    """The rest of the queue goes to these signals in proportion to their numbers; none named: to all alike."""
    overlap: int = Field(default=1, ge=1)
    """People who answer each sample."""
    policy: Policy = "majority"
    """Who decides where people differ: the most; experts where they have spoken, else the most; or, of a `preference`,
    the most, each counted by their share of right answers on gold."""
    experts: tuple[str, ...] = ()
    """Reviewers whose word outweighs the others' under `policy: expert`."""
    enough: float = Field(default=1.0, gt=0, le=1)
    """Share of the queue that has `overlap` answers when the run goes on."""
    min_rating: float = Field(default=3.0, ge=1, le=5)
    """`sft`: a response rated lower on average is not trained on."""
    guidelines: str = ""
    """What reviewers are told, in Markdown; empty: what comes with preflect."""
    show_verdict: bool = False
    """Whether reviewers see what the judge would say, which sways them."""
    similar: bool = False
    """Whether an Argilla is given what its button "Find similar" goes by, the words of each sample; it takes twice as
    long to lay them out."""
    needs = (frozenset({"respond", "response"}),)

    @model_validator(mode="after")
    def _parts_fit(self) -> ReviewStage:
        if self.random + self.gold > 1:
            raise ValueError(f"random {self.random:g} and gold {self.gold:g} are more than the whole queue")
        if self.policy == "weighted" and self.kind != "preference":
            raise ValueError(
                f"`policy: weighted` weighs reviewers by their answers on gold, and `kind: {self.kind}` has no gold; "
                "`majority` or `expert` would be right"
            )
        if self.policy == "weighted" and not self.gold:
            raise ValueError("`policy: weighted` weighs reviewers by their answers on gold; set `gold` above 0")
        if self.policy == "expert" and not self.experts:
            raise ValueError("`policy: expert` hears the `experts` first, and none is named; name them")
        return self


AnyStage = Annotated[
    SelfInstruct
    | Dedup
    | FilterStage
    | Respond
    | ReflectInstruction
    | SelectInstruction
    | ReflectResponse
    | SelectResponse
    | JudgeAspects
    | GradeStage
    | PairStage
    | ReviewStage,
    Field(discriminator="stage"),
]
