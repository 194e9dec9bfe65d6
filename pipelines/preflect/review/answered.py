"""All that people said of a run's samples, with the blinding undone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property

from pydantic import JsonValue

from preflect.review.opinions import TIE
from preflect.review.policy import Decision, Vote, decide, gold_weights
from preflect.review.queue import GOLD
from preflect.review.subject import LABELS
from preflect.schemas import DeskName, Review, ReviewAnswer, ReviewQueue, ReviewStage, ReviewTask

UNSURE = "unsure"


class Answered:
    """The queue with the answers to it; answers to what is not in the queue don't count."""

    def __init__(self, queue: ReviewQueue, answers: Sequence[ReviewAnswer]) -> None:
        self.queue = queue
        self.options: ReviewStage = queue.options
        self.tasks: dict[tuple[DeskName, str], ReviewTask] = {
            (r.desk, task.sample_id): task for r in queue.rounds for task in r.tasks
        }
        self._answers: dict[str, list[ReviewAnswer]] = defaultdict(list)
        for answer in answers:
            if (answer.desk, answer.sample_id) in self.tasks:
                self._answers[answer.sample_id].append(answer)

    @property
    def reviewed(self) -> list[str]:
        """Ids of the samples with an answer, in the order of the queue."""
        return [sample_id for desk, sample_id in self.tasks if desk == "review" and self._answers.get(sample_id)]

    def answers(self, sample_id: str) -> Sequence[ReviewAnswer]:
        """What was said of a sample."""
        return self._answers.get(sample_id, ())

    def task(self, answer: ReviewAnswer) -> ReviewTask:
        """What the answer is about."""
        return self.tasks[answer.desk, answer.sample_id]

    def reviews(self, sample_id: str) -> tuple[Review, ...]:
        """What was said of a sample, question by question, about responses and no longer about letters."""
        return tuple(review for answer in self.answers(sample_id) for review in unblinded(self.task(answer), answer))

    def votes(self, sample_id: str, *questions: str) -> list[Vote]:
        """What people say to these questions, by default to the one that settles a sample: `better`, or `correct`."""
        return [
            Vote(review.reviewer, str(review.value), review.expert)
            for review in self.reviews(sample_id)
            if review.question in (questions or ("better", "correct"))
        ]

    def decision(self, sample_id: str) -> Decision | None:
        """What is decided of a sample; None where nobody answered, or people disagree."""
        return decide(self.votes(sample_id), self.options, self.weights)

    def decided(self) -> int:
        """How many samples people have settled; of single responses, how many have a rating."""
        if self.options.kind == "sft":
            return sum(bool(self.votes(sample_id, "rating")) for sample_id in self.reviewed)
        return sum(self.decision(sample_id) is not None for sample_id in self.reviewed)

    @cached_property
    def weights(self) -> Mapping[str, Fraction]:
        """How much each reviewer's word counts under `policy: weighted`."""
        return gold_weights(self.on_gold)

    @cached_property
    def on_gold(self) -> Mapping[str, Sequence[bool]]:
        """By reviewer, whether each answer on gold is right."""
        found: dict[str, list[bool]] = defaultdict(list)
        for sample_id in self.reviewed:
            task = self.tasks["review", sample_id]
            for vote in self.votes(sample_id) if task.part == GOLD else ():
                if not vote.adjudicates:
                    found[vote.reviewer].append(vote.value == task.gold_id)
        return dict(found)

    def is_gold(self, sample_id: str) -> bool:
        """Whether a grader knows what is right of the sample, and people's answers decide nothing."""
        return self.tasks["review", sample_id].part == GOLD

    def full(self) -> int:
        """How many samples of the queue have as many answers as were asked for."""
        return sum(self._is_full(sample_id) for sample_id in self.reviewed)

    def _is_full(self, sample_id: str) -> bool:
        return sum(a.desk == "review" for a in self.answers(sample_id)) >= self.options.overlap

    def size(self) -> int:
        """Samples in the queue."""
        return sum(desk == "review" for desk, _ in self.tasks)

    def open_cases(self) -> Iterator[ReviewTask]:
        """Samples that have all their answers and are not settled: a conflict, or a tie; and not yet adjudicated."""
        for sample_id in self.reviewed:
            known = ("adjudication", sample_id) in self.tasks
            if not known and self._is_full(sample_id) and self.is_open(sample_id):
                yield self.tasks["review", sample_id]

    def is_open(self, sample_id: str) -> bool:
        """Whether people disagree about the sample, or see no difference, or can't tell."""
        decision = self.decision(sample_id)
        voted = bool(self.votes(sample_id))
        return voted and (decision is None or decision.value in {TIE, UNSURE})


def unblinded(task: ReviewTask, answer: ReviewAnswer) -> Iterator[Review]:
    """One review for each question that was answered, in the order of the form."""
    shown: dict[str, str] = dict(zip(LABELS, task.response_ids, strict=False))
    for name, value in answer.values.items():
        question, _, label = name.partition("_")
        if value in (None, "", []):
            continue
        about = (shown[label],) if question in {"rating", "problems"} else task.response_ids
        yield Review(
            reviewer=answer.reviewer,
            question=question,
            value=shown.get(str(value), value) if question == "better" else _trimmed(value),
            response_ids=_improved(shown, answer) if question == "improved" else about,
            submitted_at=answer.submitted_at,
            expert=answer.desk == "adjudication",
        )


def _trimmed(value: JsonValue) -> JsonValue:
    return value.strip() if isinstance(value, str) else value


def _improved(shown: Mapping[str, str], answer: ReviewAnswer) -> tuple[str, ...]:
    """The responses that an edit improves on: the better one, or all where none is."""
    better = shown.get(str(answer.values.get("better", "")))
    return (better,) if better else tuple(shown.values())
