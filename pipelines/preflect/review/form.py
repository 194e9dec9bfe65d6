"""The form that people fill in, and what of a sample stands on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from preflect.desk import ReviewForm, ReviewItem, ReviewQuestion
from preflect.grading import is_blank, same_text
from preflect.review.opinions import BOTH_BAD, TIE, judge_margin, judge_says
from preflect.review.subject import LABELS, reference_of
from preflect.schemas import Conversation, ReviewStage, ReviewTask, Sample
from preflect.schemas.stages import ReviewKind

PROBLEMS: Final[Mapping[str, str]] = {
    "wrong": "Something in it is wrong",
    "misses_instruction": "Does not do what was asked",
    "incomplete": "Leaves something out",
    "unclear": "Hard to understand",
    "too_long": "Longer than it should be",
    "unsafe": "Harmful or offensive",
    "refusal": "Refuses without need",
}
_RESPONSES: Final[Mapping[ReviewKind, int]] = {"preference": 2, "sft": 1, "rft": 0}
"""How many are shown."""
_GUIDELINES: Final = {
    "preference": (
        "Read the prompt, then both responses. Choose the response that you would rather have been given. Judge what "
        "is said before how it is said: a right and plain answer is better than a wrong and polished one, and longer "
        "is not better. **Tie** means that you have no preference, **Both bad** that neither should be given to anyone."
    ),
    "sft": (
        "Read the prompt, then the response. Rate it from 1 (of no use) to 5 (could not be better). If you can make it "
        "better with little work, write the better response out in full."
    ),
    "rft": (
        "Read the prompt and work it out yourself before you look at the reference answer. Say whether the reference "
        "answer is right; if it isn't and you know the right one, write that down, and nothing else with it."
    ),
}


def form_of(options: ReviewStage, name: str, run: str = "") -> ReviewForm:
    """The questions of this kind of review."""
    return ReviewForm(
        name=name,
        guidelines=options.guidelines or _GUIDELINES[options.kind],
        questions=tuple(_questions(options)),
        responses=_RESPONSES[options.kind],
        overlap=options.overlap,
        run=run,
    )


def _questions(options: ReviewStage) -> Iterator[ReviewQuestion]:
    if options.kind == "rft":
        choices = {"yes": "Yes", "no": "No", "unsure": "I can't tell"}
        yield ReviewQuestion("correct", "Is the reference answer right?", "label", choices)
        yield ReviewQuestion("reference", "The right answer, if it isn't and you know it", "text", required=False)
    if options.kind == "preference":
        choices = {"a": "A", "b": "B", TIE: "Tie", BOTH_BAD: "Both bad"}
        yield ReviewQuestion("better", "Which response is better?", "label", choices)
    for label in LABELS[: _RESPONSES[options.kind]]:
        which = f"response {label.upper()}" if options.kind == "preference" else "the response"
        yield ReviewQuestion(
            f"rating_{label}", f"How good is {which}, from 1 to 5?", "rating", required=options.kind == "sft"
        )
        yield ReviewQuestion(f"problems_{label}", f"What is wrong with {which}?", "labels", PROBLEMS, required=False)
    if options.kind != "rft":
        yield ReviewQuestion("improved", "A better response, written out in full", "text", required=False)
    yield ReviewQuestion("note", "A note", "text", required=False)


def item_of(sample: Sample, task: ReviewTask, options: ReviewStage) -> ReviewItem:
    """What people see of a sample, without a word of which model wrote what."""
    instruction = reference_of(sample) if options.kind == "rft" else None
    asked = instruction or (
        sample.instruction_of(sample.response_of(task.response_ids[0]).instruction_id)
        if task.response_ids
        else sample.instruction
    )
    responses = [sample.response_of(response_id).text for response_id in task.response_ids]
    verdict = _verdict(sample, task)
    return ReviewItem(
        id=sample.id,
        prompt=as_markdown(asked.prompt),
        responses=tuple(responses),
        reference=instruction.reference_answer if instruction else None,
        metadata={"source": sample.source or "none", "prompt_chars": len(asked.merged), **_lengths(responses)},
        hidden={"part": task.part, **verdict},
        suggested={"better": str(verdict["judge"])} if options.show_verdict and "judge" in verdict else {},
    )


def _lengths(responses: list[str]) -> dict[str, int]:
    return {"response_chars": max(map(len, responses))} if responses else {}


def _verdict(sample: Sample, task: ReviewTask) -> dict[str, str | float]:
    """What the judge would say, in the form's words, and by how many points."""
    if len(task.response_ids) != len(LABELS):
        return {}
    couple = (task.response_ids[0], task.response_ids[1])
    said, margin = judge_says(sample, couple), judge_margin(sample, couple)
    labels = dict(zip(couple, LABELS, strict=True))
    return ({"judge": labels.get(said, said)} if said else {}) | ({} if margin is None else {"margin": abs(margin)})


def as_markdown(conversation: Conversation) -> str:
    """The turns one below the other; a single turn stands for itself."""
    if len(conversation) == 1:
        return conversation[0].content
    return "\n\n".join(f"**{turn.role.capitalize()}**\n\n{turn.content}" for turn in conversation)


def faults_of(form: ReviewForm, values: Mapping[str, JsonValue]) -> Iterator[str]:
    """What is wrong with the answers to a form: what, what was got, what would be right."""
    known = {question.name: question for question in form.questions}
    for name in values.keys() - known.keys():
        yield f"there is no question {name!r}; the questions are {', '.join(known)}"
    for name, question in known.items():
        value = values.get(name)
        if value is None:
            if question.required:
                yield f"{name!r} is not answered; {_right(question)} would be right"
        elif not _fits(question, value):
            yield f"{name!r} is {value!r}; {_right(question)} would be right"


def contradicts_itself(values: Mapping[str, JsonValue], reference: str | None) -> bool:
    """Whether somebody finds this reference answer right and writes another one."""
    written = values.get("reference")
    if reference is None or not isinstance(written, str) or is_blank(written):
        return False
    return values.get("correct") == "yes" and not same_text(written, reference)


def _fits(question: ReviewQuestion, value: JsonValue) -> bool:
    match question.kind:
        case "label":
            return isinstance(value, str) and value in question.choices
        case "labels":
            return isinstance(value, list) and all(isinstance(one, str) and one in question.choices for one in value)
        case "rating":
            return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 5  # noqa: PLR2004
        case "text":
            return isinstance(value, str)


def _right(question: ReviewQuestion) -> str:
    match question.kind:
        case "label":
            return "one of " + ", ".join(question.choices)
        case "labels":
            return "a list of " + ", ".join(question.choices)
        case "rating":
            return "a whole number from 1 to 5"
        case "text":
            return "a text"
