"""A review's form and items as Argilla has them: settings of a dataset, and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from preflect.desk import ReviewForm, ReviewItem, ReviewQuestion

VECTOR: Final = "words"
"""The vector that similar records are found by."""
_TEXTS: Final[Mapping[int, Mapping[str, str]]] = {
    2: {"response_a": "Response A", "response_b": "Response B"},
    1: {"response_a": "Response"},
    0: {"reference_answer": "Reference answer"},
}
"""What stands beside the prompt, by how many responses are shown."""


def settings_of(argilla: Any, client: Any, form: ReviewForm) -> Any:
    """The dataset's settings; `overlap` people complete a record."""
    names = {"prompt": "Prompt", **_TEXTS[form.responses]}
    return argilla.Settings(
        guidelines=form.guidelines,
        fields=[
            argilla.TextField(name=name, title=title, use_markdown=True, client=client) for name, title in names.items()
        ],
        questions=[_question(argilla, client, question) for question in form.questions],
        metadata=[*_metadata(argilla, client, form)],
        distribution=argilla.TaskDistribution(min_submitted=form.overlap),
    )


def _question(argilla: Any, client: Any, asked: ReviewQuestion) -> Any:
    common = {"name": asked.name, "title": asked.title, "required": asked.required, "client": client}
    match asked.kind:
        case "label":
            return argilla.LabelQuestion(labels=dict(asked.choices), **common)
        case "labels":
            return argilla.MultiLabelQuestion(labels=dict(asked.choices), **common)
        case "rating":
            return argilla.RatingQuestion(values=[1, 2, 3, 4, 5], **common)
        case "text":
            return argilla.TextQuestion(use_markdown=True, **common)


def _metadata(argilla: Any, client: Any, form: ReviewForm) -> Iterator[Any]:
    """What records can be filtered by; what would sway or tell on people is for their supervisors alone."""
    kinds: dict[str, tuple[Callable[..., Any], bool]] = {
        "source": (argilla.TermsMetadataProperty, True),
        "prompt_chars": (argilla.IntegerMetadataProperty, True),
        "part": (argilla.TermsMetadataProperty, False),
    }
    if form.responses:
        kinds["response_chars"] = (argilla.IntegerMetadataProperty, True)
    if form.responses > 1:
        kinds["judge"] = (argilla.TermsMetadataProperty, False)
        kinds["margin"] = (argilla.FloatMetadataProperty, False)
    for name, (kind, visible) in kinds.items():
        yield kind(name=name, visible_for_annotators=visible, client=client)


def fields_of(item: ReviewItem) -> dict[str, str]:
    """The texts that are shown of it."""
    texts = dict(zip(_TEXTS[len(item.responses)], item.responses, strict=False))
    reference = {} if item.reference is None else {"reference_answer": item.reference}
    return {"prompt": item.prompt, **texts, **reference}


def record_of(argilla: Any, dataset: Any, item: ReviewItem) -> Any:
    """The record of an item, known by the item's id."""
    return argilla.Record(
        id=item.id,
        _dataset=dataset,  # where a suggestion finds its question
        fields=fields_of(item),
        metadata={**item.metadata, **item.hidden},
        suggestions=[
            argilla.Suggestion(question_name=name, value=value, agent="judge") for name, value in item.suggested.items()
        ],
        vectors={VECTOR: [*item.vector]} if item.vector else {},
    )
