"""What a review report says of people and judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from preflect.report.review_page import render_review_report
from preflect.review.answered import Answered
from preflect.review.figures import report_of
from preflect.schemas import ReviewAnswer, ReviewQueue, ReviewReport, ReviewRound, ReviewStage, ReviewTask

from .reviewed import a_sample, ids

SAMPLES = [a_sample(n, texts=("longer text", "short")) for n in range(4)]
TASKS = tuple(ReviewTask(sample_id=s.id, response_ids=ids(s), part="random") for s in SAMPLES)


def said(reviewer: str, *better: str, seconds: int = 30, **more: JsonValue) -> list[ReviewAnswer]:
    return [
        ReviewAnswer(
            sample_id=sample.id,
            reviewer=reviewer,
            values={"better": value, **more},
            submitted_at=f"2026-01-01T00:{seconds * n // 60:02d}:{seconds * n % 60:02d}+00:00",
        )
        for n, (sample, value) in enumerate(zip(SAMPLES, better, strict=False))
    ]


def report(answers: list[ReviewAnswer], tasks: tuple[ReviewTask, ...] = TASKS) -> ReviewReport:
    queue = ReviewQueue(options=ReviewStage(), rounds=(ReviewRound(population=4, tasks=tasks),))
    return report_of(
        Answered(queue, answers),
        judge={s.id: ids(s)[0] for s in SAMPLES},
        grader={s.id: None for s in SAMPLES},
        lengths={r.id: len(r.text) for s in SAMPLES for r in s.responses},
        name="r",
        simulated=False,
        seed=1,
    )


def test_two_people_are_compared_question_by_question() -> None:
    found = report([*said("ann", "a", "a", "b", "b"), *said("bob", "a", "a", "b", "a")])
    [better] = found.questions
    assert (better.question, better.answers) == ("better", 8)
    # Three of four alike; ann says a in 1/2, bob in 3/4: expected 1/2; (3/4 - 1/2) / (1/2).
    assert better.kappa.value == pytest.approx(0.5)
    assert (found.reviewed, found.decided, found.conflicts) == (4, 3, 1)


def test_problems_that_nobody_ticks_are_agreed_to_be_absent_once_the_question_was_used() -> None:
    found = report([*said("ann", "a", problems_a=["wrong"]), *said("bob", "a", problems_a=["wrong"])])
    [problems] = [q for q in found.questions if q.question == "problems"]
    assert problems.alpha.value == 1


def test_what_is_said_of_one_sample_is_resampled_together() -> None:
    ann = said("ann", "a", "a", "a", "b", rating_a=4, rating_b=2, problems_a=["wrong"])
    bob = said("bob", "a", "a", "a", "b", rating_a=4, rating_b=1, problems_b=["wrong"])
    found = {q.question: q for q in report([*ann, *bob]).questions}
    assert {(name, q.alpha.n, q.kappa.n) for name, q in found.items()} == {
        ("better", 4, 4),
        ("rating", 4, 4),
        ("problems", 4, 4),
    }
    assert [found[name].answers for name in ("better", "rating", "problems")] == [8, 16, 16]
    # All four samples say the same of problems: alike, they are resampled to the same.
    assert found["problems"].alpha.low == found["problems"].alpha.high


def test_who_always_takes_the_first_or_the_longer_is_seen_to() -> None:
    [ann] = report(said("ann", "a", "a", "a", "tie")).reviewers
    assert (ann.first.value, ann.first.n, ann.longer.value) == (1, 3, 1)
    assert ann.seconds == 30


def test_pauses_do_not_make_a_reviewer_slow() -> None:
    [ann] = report(said("ann", "a", "a", "a", seconds=700)).reviewers
    assert ann.seconds is None


def test_right_answers_on_gold_are_counted() -> None:
    gold = tuple(task.evolve(part="gold", gold_id=task.response_ids[0]) for task in TASKS)
    [ann] = report(said("ann", "a", "a", "a", "b"), gold).reviewers
    assert ann.gold.value == pytest.approx(0.75)


def test_the_judge_is_set_against_what_people_decided() -> None:
    found = report(said("ann", "a", "b", "b", "tie"))
    assert found.judge_accuracy.value == pytest.approx(1 / 3, abs=1e-6)
    assert found.human_grader.value is None


def test_the_page_says_what_the_report_says_and_asks_for_nothing(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    render_review_report(out, report([*said("<b>ann</b>", "a", "b", "b"), *said("bob", "a", "a", "b")]))
    page = out.read_text(encoding="utf-8")
    assert "&lt;b&gt;ann&lt;/b&gt;" in page
    assert "<b>ann" not in page
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")
