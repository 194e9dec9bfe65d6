"""The truth about a simulated run: read from its lines, and summed up by hand-worked counts."""

from __future__ import annotations

import json

import pytest

from preflect.schemas import Instruction, Message, Pair, Provenance, Rating, Response, Sample
from preflect.scoring.truth import TruthOfText, read_truth, summarise, truth_key

TAUGHT = Provenance(model="sim", prompt_version="verbatim", call_id="1")


def line(instruction: str, text: str, quality: float | None, fault: str | None, kind: str = "draft") -> str:
    key = truth_key(instruction, text)
    return json.dumps({"kind": kind, "key": key, "quality": quality, "fault": fault, "task": "arithmetic"})


def a_sample() -> Sample:
    """One draft is wrong and was repaired, one is right and was broken, one is of unknown quality."""
    seed = Instruction(messages=(Message(role="user", content="What is 2 + 2?"),), input="in words")

    def response(text: str, *parents: Response) -> Response:
        return Response(
            instruction_id=seed.id,
            text=text,
            origin="rewrite" if parents else "draft",
            parents=tuple(parent.id for parent in parents),
        )

    wrong, right, unknown = response("five"), response("four"), response("who knows")
    repaired, broken = response("it is four", wrong), response("it is six", right)

    def pair(chosen: Response, rejected: Response) -> Pair:
        return Pair(
            instruction_id=seed.id, chosen_id=chosen.id, rejected_id=rejected.id, strategy="x", basis="rating", margin=1
        )

    def rating(of: Response, score: int) -> Rating:
        return Rating(response_id=of.id, aspect="honesty", score=score, rationale="", judge="j", provenance=TAUGHT)

    return Sample(
        id=seed.id,
        index=0,
        instructions=(seed,),
        responses=(wrong, right, unknown, repaired, broken),
        pairs=(pair(right, wrong), pair(right, repaired), pair(broken, right), pair(unknown, wrong)),
        ratings=(rating(wrong, 1), rating(right, 4), rating(repaired, 4), rating(broken, 5)),
    )


def the_lines() -> list[str]:
    asked = "What is 2 + 2?\n\nin words"
    return [
        line(asked, "five", 0.3, "wrong_result"),
        line(asked, "four", 1.0, None),
        line(asked, "who knows", None, None),
        line(asked, "it is four", 1.0, None, "rewrite"),
        line(asked, "it is six", 0.3, "wrong_result", "rewrite"),
    ]


def test_the_summary_agrees_with_counting_by_hand() -> None:
    summary = summarise(read_truth(the_lines()), [a_sample()])
    assert (summary.chosen_better, summary.chosen_equal, summary.chosen_worse, summary.pairs_unknown) == (1, 1, 1, 1)
    assert summary.chosen_better_share == pytest.approx(1 / 3)
    assert (summary.faulty_drafts, summary.repaired, summary.sound_drafts, summary.broken) == (1, 1, 1, 1)
    assert summary.drafts_by_fault == {"wrong_result": 1, "none": 1}
    # wrong-right, wrong-repaired are ordered rightly; broken-right, broken-repaired wrongly.
    assert (summary.judged, summary.judged_right) == (4, 2)
    assert summary.judge_accuracy == 0.5
    assert summary.unknown_share == pytest.approx(1 / 5)


def test_what_people_edit_is_not_counted_as_repaired_by_reflection() -> None:
    sample, truth = a_sample(), read_truth(the_lines())
    by_people = tuple(r.evolve(origin="human") if r.parents else r for r in sample.responses)
    summary = summarise(truth, [sample.evolve(responses=by_people, pairs=(), ratings=())])
    assert (summary.faulty_drafts, summary.repaired, summary.sound_drafts, summary.broken) == (0, 0, 0, 0)


def test_of_nothing_there_are_no_shares() -> None:
    summary = summarise(read_truth([]), [])
    assert summary.chosen_better_share is None
    assert summary.repaired_share is None
    assert summary.broken_share is None
    assert summary.judge_accuracy is None
    assert summary.unknown_share is None


def test_lines_that_repeat_change_nothing() -> None:
    rating = json.dumps({"kind": "rating", "key": "k", "aspect": "a", "true": 5.0, "given": 4, "shown_at": 1})
    once, twice = read_truth([*the_lines(), rating]), read_truth([*the_lines(), rating, rating, *the_lines()])
    assert once == twice
    assert len(once.ratings) == 1


def test_half_a_line_at_the_end_is_passed_over() -> None:
    whole = read_truth(the_lines())
    assert read_truth([*the_lines(), '{"kind": "dra', "", b"\n"]) == whole


def test_a_text_is_found_whatever_its_outer_white_space() -> None:
    truth = read_truth(the_lines())
    assert truth.quality("What is  2 + 2?\nin words", " four\n") == TruthOfText(1.0, None, "arithmetic")
    assert truth.quality("What is 3 + 3?", "four") is None


def test_new_instructions_are_kept_apart_from_texts() -> None:
    record = {"kind": "instruction", "key": truth_key("Do it.", ""), "quality": None, "fault": "invalid", "task": None}
    truth = read_truth([json.dumps(record)])
    assert truth.instructions[truth_key("Do it.", "")].fault == "invalid"
    assert not truth.texts
