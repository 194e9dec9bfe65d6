"""The port to a place where people review; `adapters/` has a file, an embedded Argilla and a remote one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from preflect.errors import InputError
from preflect.schemas import ReviewAnswer


@dataclass(frozen=True, slots=True)
class ReviewQuestion:
    """One question to a reviewer; the answer is a choice, a list of choices, a number from 1 to 5, or a text."""

    name: str
    title: str
    kind: Literal["label", "labels", "rating", "text"]
    choices: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the answer says, and what the reviewer reads."""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewForm:
    """What reviewers are asked about each item."""

    name: str
    """The queue's name where several are in one place."""
    guidelines: str
    """Markdown."""
    questions: tuple[ReviewQuestion, ...]
    responses: int
    """How many responses stand on it: two, one or none."""
    overlap: int
    """People who answer each item."""
    run: str = ""
    """Whose queue it is: two runs on the same instructions have the same items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """What reviewers see of one sample; texts are Markdown."""

    id: str
    """The sample's id."""
    prompt: str
    responses: tuple[str, ...]
    """Called `a` and `b`, in this order."""
    reference: str | None
    metadata: Mapping[str, str | float]
    """For filters; nothing in it tells which model wrote what."""
    hidden: Mapping[str, str | float]
    """For those who look after the reviewers."""
    suggested: Mapping[str, str]
    """Answers to show beforehand, by question; empty unless that was asked for."""
    vector: Sequence[float] = ()
    """What similar ones are found by; empty unless that was asked for."""


Agreed = Callable[[Collection[str]], object]
"""Takes the ids of the items that are there already."""


class ReviewDesk(Protocol):
    """A place where people review: items go there, answers come back."""

    def push(self, form: ReviewForm, items: Sequence[ReviewItem], agreed: Agreed = lambda _: None) -> int:
        """Lay out the items that are not there yet, by their ids; returns how many.

        Args: agreed is called once the place takes them, before the first is laid out, with the ids of what is there.
        Raises: InputError, MissingPartError: the place can't be used, or has an item's id with other texts; its items
        are as they were before.
        """
        ...

    def answers(self, items: Sequence[ReviewItem] = ()) -> Mapping[str, Sequence[ReviewAnswer]]:
        """By the id of every item that is there, the answers that were handed in, one of each reviewer.

        Args: items are those that must be there with these texts, where they are there.
        Raises: NoQueueError: nothing was laid out there; else as `push`.
        """
        ...


def other_queue(place: str, item: ReviewItem, remedy: str) -> InputError:
    """What a desk says that has the item's id with other texts: what people say of those must not be taken for it.

    An item is named by its instruction, which every run on the same seeds has in common.
    """
    return InputError(
        f"{place} has {item.id} with other texts than this run: it is another run's queue on the same instructions; "
        f"{remedy}"
    )
