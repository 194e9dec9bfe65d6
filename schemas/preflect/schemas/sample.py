"""The Sample: one instruction on its way from seed to training row, with all that was ever made for it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from preflect.schemas.base import SCHEMA_VERSION, Identified, Schema
from preflect.schemas.grader import GraderSpec
from preflect.schemas.message import Conversation, Message


class Sampling(Schema):
    """The parameters a reply was sampled with; None means that the endpoint's own default applied."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


class Provenance(Schema):
    """Where a text made by a model comes from."""

    model: str
    """The model's name at its endpoint."""
    prompt_version: str
    """`name@hash` of the prompt file."""
    call_id: str
    """Key of the call in the run's journal."""
    sampling: Sampling = Sampling()


class Instruction(Identified):
    """What is asked: a conversation that ends with the user's turn, and what is known of its right answer."""

    messages: Conversation = Field(min_length=1)
    input: str | None = None
    """Text that the instruction works on, kept apart as in Alpaca's format."""
    origin: Literal["seed", "self_instruct", "rewrite"] = "seed"
    parents: tuple[str, ...] = ()
    """Ids of the instructions that this one was made from."""
    reference_answer: str | None = None
    grader: GraderSpec | None = None
    provenance: Provenance | None = None

    @property
    def text(self) -> str:
        """The words of the last turn, without the input."""
        return self.messages[-1].content

    @property
    def merged(self) -> str:
        """The last turn with the input below it, as a model is asked."""
        return f"{self.text}\n\n{self.input}" if self.input else self.text

    @property
    def prompt(self) -> Conversation:
        """The conversation as it is sent, the input merged into the last turn."""
        if not self.input:
            return self.messages
        return (*self.messages[:-1], self.messages[-1].evolve(content=self.merged))


class Response(Identified):
    """One candidate answer to one instruction."""

    instruction_id: str
    text: str
    """The answer itself, what a user would read."""
    thinking: str | None = None
    reflection: str | None = None
    origin: Literal["dataset", "draft", "rewrite", "human"] = "draft"
    """`dataset`: it came with the input."""
    parents: tuple[str, ...] = ()
    """Ids of the responses that this one improves on; of an answer to a new instruction, of the one to the old."""
    index: int = Field(default=0, ge=0)
    """Which of several samples of one prompt this is."""
    finish_reason: str | None = None
    provenance: Provenance | None = None

    def as_messages(self) -> tuple[Message, ...]:
        """The completion as a chat turn."""
        return (Message(role="assistant", content=self.text),)

    def rewrites(self, other: Response) -> bool:
        """Whether this is that response rewritten: both answer the same instruction."""
        return self.origin == "rewrite" and other.id in self.parents and other.instruction_id == self.instruction_id


class Critique(Schema):
    """A teacher's criticism of an instruction or a response."""

    target_id: str
    """Id of the instruction or response criticised."""
    kind: Literal["instruction", "response"]
    text: str
    provenance: Provenance


class StudentScore(Schema):
    """One score of a student model for one (instruction, response)."""

    student: str
    revision: str
    template: str
    metric: Literal["ifd_ppl", "ifd_loss", "r_ifd_ppl"]
    instruction_id: str
    response_id: str
    value: float | None
    reason: str | None = None
    """Why there is no value: `unscorable:…`."""
    conditioned_tokens: int = Field(ge=0)
    unconditioned_tokens: int = Field(ge=0)


class Selection(Schema):
    """What the student's scores decided."""

    stage: Literal["select_instruction", "select_response"]
    instruction_id: str
    """The instruction that goes on."""
    response_id: str
    """The response that goes on."""
    rewrite_won: bool
    reason: str
    """The comparison in words, with its numbers."""


class Opinion(Schema):
    """What one student says to a question that a stage put to several; the stage did as the first one said."""

    stage: str
    """The stage's name in the run."""
    question: Literal["rewrite", "admission", "filter"]
    """Is the rewrite the better one; is the pair that goes on good enough; is the sample among those to keep."""
    model: str
    """The student's name in the recipe; the three that follow are those of its scores."""
    student: str
    revision: str
    template: str
    yes: bool


class Rating(Schema):
    """A judge's score of one response on one aspect."""

    response_id: str
    aspect: str
    score: int = Field(ge=1, le=5)
    rationale: str
    judge: str
    """The judge's name in the recipe."""
    provenance: Provenance


class Comparison(Schema):
    """One answer of a judge who was shown two responses in one order."""

    first_id: str
    second_id: str
    preferred: Literal["first", "second", "tie"]
    rationale: str
    judge: str
    provenance: Provenance


class Verdict(Schema):
    """What is settled between two responses, after all orders and judges, or by a person."""

    better_id: str
    worse_id: str
    tie: bool = False
    source: Literal["judge", "grader", "human"]
    confidence: float | None = Field(default=None, ge=0, le=1)
    unusable: bool = False
    """Neither may be trained on: a tie of two bad ones, or of one with itself."""


class Grade(Schema):
    """What a grader says of one response: a score, or why there is none."""

    response_id: str
    grader: str
    """The type of the grader."""
    score: float | None = Field(ge=0, le=1)
    reason: str | None = None
    """Why it failed or could not run."""


class Pair(Identified):
    """A preference: for this instruction, chosen is better than rejected."""

    instruction_id: str
    chosen_id: str
    rejected_id: str
    strategy: str
    basis: Literal["verdict", "grade", "rating", "student"]
    """What decided it."""
    margin: float = Field(ge=0)
    """In units of the basis: rating points (1 to 5), share of the grade, difference of the student's score."""


class Review(Schema):
    """One person's answer to one question about one sample."""

    reviewer: str
    question: str
    """`better`, `rating`, `problems`, `improved`, `note`; `correct` and `reference` of a reference answer."""
    value: JsonValue
    """Of `better` the response's id, `tie` or `both_bad`."""
    response_ids: tuple[str, ...] = ()
    """The responses asked about, in the order shown."""
    submitted_at: str
    """ISO 8601, UTC; empty where the tool does not say."""
    expert: bool = False
    """Whether it was given to settle what others disagreed about."""


class ReferenceCheck(Schema):
    """What people decided about an instruction's reference answer."""

    instruction_id: str
    right: bool
    correction: str | None = None
    """The right answer, where it's wrong and they agree on another one."""


class Rejection(Schema):
    """Why a sample, or one candidate of it, went no further."""

    sample_id: str
    stage: str
    cause: Literal["input", "call", "reply", "filter"]
    """`call`: the model could not be asked; `reply`: its answer is unusable; `filter`: it was judged and not kept."""
    reason: str
    """A short code, counted in the report: `refusal`, `truncated`, `near_duplicate`, …"""
    detail: str = ""


class Sample(Schema):
    """One seed instruction and everything made for it; nothing is edited in place and nothing is thrown away."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: str
    """The id of the seed instruction."""
    index: int = Field(ge=0)
    """Place in the input: what the order of every output file follows."""
    source: str = ""
    source_id: str | None = None
    """The row's own id in the input."""
    instructions: tuple[Instruction, ...] = Field(min_length=1)
    """The seed first, then its rewrites."""
    responses: tuple[Response, ...] = ()
    critiques: tuple[Critique, ...] = ()
    scores: tuple[StudentScore, ...] = ()
    selections: tuple[Selection, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    """Only of stages that have several students."""
    grades: tuple[Grade, ...] = ()
    ratings: tuple[Rating, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    pairs: tuple[Pair, ...] = ()
    reviews: tuple[Review, ...] = ()
    reference_checks: tuple[ReferenceCheck, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    """Candidates lost on the way, the sample itself going on."""
    simulated: bool = False
    """True if any text in it was made by the simulated endpoint."""
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def seed(self) -> Instruction:
        """The instruction as it came in."""
        return self.instructions[0]

    @property
    def instruction(self) -> Instruction:
        """The instruction that goes on: the last selection's, else the seed."""
        return self.instruction_of(self.selections[-1].instruction_id) if self.selections else self.seed

    def instruction_of(self, instruction_id: str) -> Instruction:
        """The instruction with this id. Raises: KeyError."""
        for instruction in self.instructions:
            if instruction.id == instruction_id:
                return instruction
        raise KeyError(instruction_id)

    def response_of(self, response_id: str) -> Response:
        """The response with this id. Raises: KeyError."""
        for response in self.responses:
            if response.id == response_id:
                return response
        raise KeyError(response_id)

    def checked(self, instruction: Instruction) -> Instruction | None:
        """The instruction with the reference answer that people gave it; None where they refute it and know no other.

        Its id stays that of the instruction: what was made for it stays so.
        """
        for check in self.reference_checks:
            if check.instruction_id == instruction.id and not check.right:
                return None if check.correction is None else _corrected(instruction, check.correction)
        return instruction

    @property
    def grade_scores(self) -> dict[str, float]:
        """The last score of each graded response, by its id."""
        return {grade.response_id: grade.score for grade in self.grades if grade.score is not None}

    def responses_to(self, instruction_id: str) -> tuple[Response, ...]:
        """All candidates for one instruction, oldest first."""
        return tuple(r for r in self.responses if r.instruction_id == instruction_id)

    @property
    def response(self) -> Response | None:
        """The response that goes on: the last selection's, else the first to the current instruction, if any."""
        if self.selections:
            return self.response_of(self.selections[-1].response_id)
        return next(iter(self.responses_to(self.instruction.id)), None)

    def reject(
        self, stage: str, cause: Literal["input", "call", "reply", "filter"], reason: str, detail: str = ""
    ) -> Rejection:
        """A rejection that carries this sample's id."""
        return Rejection(sample_id=self.id, stage=stage, cause=cause, reason=reason, detail=detail)


def _corrected(instruction: Instruction, reference: str) -> Instruction:
    # Not `evolve`, which would give it another id. A grader's own reference would outrank the instruction's.
    grader = instruction.grader
    if grader is not None and "reference" in type(grader).model_fields:
        grader = grader.evolve(reference=None)
    return instruction.model_copy(update={"reference_answer": reference, "grader": grader})
