"""A sample as the report shows it: changes word by word, and every step in labels and words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from preflect.cli.chain import chain_of as chain_in_words
from preflect.report.chain import MOST_CHARS, chain_of, letters
from preflect.report.difference import Segment, word_difference
from preflect.schemas import (
    Critique,
    Grade,
    Instruction,
    Message,
    NumberGrader,
    Pair,
    Provenance,
    Rating,
    Rejection,
    Response,
    Sample,
    Selection,
    Verdict,
)
from preflect.scoring.truth import Truth, TruthOfText, truth_key

ORIGIN = Provenance(model="some-model", prompt_version="p@1", call_id="c")
TEXTS = st.lists(st.sampled_from(["a", "b", "cc", " ", ", ", "\n", "ü", "12"]), max_size=12).map("".join)


def asked(text: str, **more: object) -> Instruction:
    fields = {"messages": (Message(role="user", content=text),), **more}
    return Instruction.model_validate(fields)


SEED = asked("Add 2 and 2.", input="2\n2", reference_answer="4", grader=NumberGrader())
BETTER = asked("Add 2 and 2, and show how.", origin="rewrite", parents=(SEED.id,), provenance=ORIGIN)
DRAFT = Response(instruction_id=SEED.id, text="It is 5.", provenance=ORIGIN)
NEW = Response(
    instruction_id=BETTER.id, text="It is 5: 2 + 2.", origin="rewrite", parents=(DRAFT.id,), provenance=ORIGIN
)
FINAL = Response(
    instruction_id=BETTER.id, text="It is 4: 2 + 2.", origin="rewrite", parents=(NEW.id,), provenance=ORIGIN
)
SAMPLE = Sample(
    id=SEED.id,
    index=0,
    instructions=(SEED, BETTER),
    responses=(DRAFT, NEW, FINAL),
    critiques=(
        Critique(target_id=SEED.id, kind="instruction", text="It asks for too little.", provenance=ORIGIN),
        Critique(target_id=NEW.id, kind="response", text="The sum is wrong.", provenance=ORIGIN),
    ),
    selections=(
        Selection(
            stage="select_response",
            instruction_id=BETTER.id,
            response_id=FINAL.id,
            rewrite_won=True,
            reason="0.7 < 0.8",
        ),
    ),
    ratings=(
        Rating(response_id=NEW.id, aspect="honesty", score=2, rationale="wrong", judge="judge", provenance=ORIGIN),
        Rating(response_id=FINAL.id, aspect="honesty", score=5, rationale="right", judge="judge", provenance=ORIGIN),
        Rating(response_id=FINAL.id, aspect="helpfulness", score=4, rationale="good", judge="judge", provenance=ORIGIN),
    ),
    grades=(Grade(response_id=FINAL.id, grader="number", score=1.0),),
    verdicts=(Verdict(better_id=FINAL.id, worse_id=NEW.id, source="judge", confidence=0.75),),
    pairs=(
        Pair(
            instruction_id=BETTER.id,
            chosen_id=FINAL.id,
            rejected_id=NEW.id,
            strategy="best_worst",
            basis="rating",
            margin=2.5,
        ),
    ),
    rejections=(Rejection(sample_id=SEED.id, stage="respond", cause="reply", reason="truncated", detail="length"),),
)


def spelled(segments: tuple[Segment, ...], *kinds: str) -> str:
    return "".join(segment.text for segment in segments if segment.kind in kinds)


@given(TEXTS, TEXTS)
def test_a_difference_spells_both_texts(before: str, after: str) -> None:
    segments = word_difference(before, after)
    assert spelled(segments, "same", "removed") == before
    assert spelled(segments, "same", "added") == after


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert word_difference(text, text) == ((Segment("same", text),) if text else ())


def test_a_changed_word_is_removed_and_added_whole() -> None:
    assert word_difference("The sum is 42.", "The sum is 41.") == (
        Segment("same", "The sum is "),
        Segment("removed", "42"),
        Segment("added", "41"),
        Segment("same", "."),
    )


def test_a_short_word_inside_a_rewritten_passage_does_not_cut_it_up() -> None:
    assert word_difference("Keep: alpha of beta. End", "Keep: gamma of delta. End") == (
        Segment("same", "Keep: "),
        Segment("removed", "alpha of beta"),
        Segment("added", "gamma of delta"),
        Segment("same", ". End"),
    )


def test_labels_go_on_after_z() -> None:
    assert [letters(number) for number in (0, 25, 26, 27, 701, 702)] == ["A", "Z", "AA", "AB", "ZZ", "AAA"]


def test_a_rewritten_instruction_is_compared_with_its_parent_and_its_input() -> None:
    rewrite = chain_of(SAMPLE).instructions[1]
    assert (rewrite.label, rewrite.parent, rewrite.changed) == ("2", "1", True)
    assert spelled(rewrite.segments, "same", "removed") == "Add 2 and 2.\n\n2\n2"
    assert rewrite.critiques == ("It asks for too little.",)


def test_a_rewrite_is_compared_with_the_response_it_improves_on() -> None:
    [_, (_, (new, final))] = chain_of(SAMPLE).responses
    assert (new.label, new.parent, final.label, final.parent) == ("B", "A", "C", "B")
    assert Segment("removed", "5") in final.segments
    assert Segment("added", "4") in final.segments
    assert final.critiques == ("The sum is wrong.",)


def test_what_was_criticised_of_the_old_answer_is_not_shown_at_the_answer_to_a_new_instruction() -> None:
    old = Critique(target_id=DRAFT.id, kind="response", text="The sum is bare.", provenance=ORIGIN)
    rewrite = Response(instruction_id=SEED.id, text="It is 4.", origin="rewrite", parents=(DRAFT.id,))
    sample = SAMPLE.evolve(critiques=(*SAMPLE.critiques, old), responses=(*SAMPLE.responses, rewrite))
    [(_, (_, better)), (_, (new, _))] = chain_of(sample).responses
    assert (better.critiques, new.critiques) == (("The sum is bare.",), ())
    told = chain_in_words(sample, None)
    assert told.count("The sum is bare.") == 1
    assert told.index(rewrite.id) < told.index("The sum is bare.") < told.index("It is 4.")


def test_what_is_known_of_the_seed_stands_beside_it() -> None:
    seed = chain_of(SAMPLE).instructions[0]
    assert dict(seed.extras)["Input"] == "2\n2"
    assert dict(seed.extras)["Reference answer"] == "4"
    assert '"type":"number"' in dict(seed.extras)["Grader"]


def test_the_response_that_goes_on_wears_its_badges_and_its_grade() -> None:
    final = chain_of(SAMPLE).responses[1][1][1]
    assert final.badges == ("goes on", "chosen")
    assert "grade 1 (number)" in final.facts


def test_ratings_stand_by_aspect_and_response_with_a_gap_where_there_is_none() -> None:
    chain = chain_of(SAMPLE)
    assert chain.labels == ("B", "C")
    assert [(row.aspect, [cell and cell[0] for cell in row.cells]) for row in chain.ratings] == [
        ("Honesty", [2, 5]),
        ("Helpfulness", [None, 4]),
    ]


def test_decisions_are_told_in_labels_and_words() -> None:
    chain = chain_of(SAMPLE)
    assert chain.selections == ("Select response: the rewrite won, instruction 2 with C goes on. 0.7 < 0.8",)
    assert chain.verdicts == ("C is better than B (by judge, confidence 0.75)",)
    assert chain.pairs[0].summary == "margin 2.5 (rating points), strategy best worst"
    assert (chain.pairs[0].chosen_text, chain.pairs[0].rejected_text) == (FINAL.text, NEW.text)
    assert chain.lost == ("respond: cut off at the length limit (length)",)


def test_the_simulators_truth_is_told_of_the_responses_it_knows() -> None:
    truth = Truth(texts={truth_key(BETTER.text, NEW.text): TruthOfText(0.25, "wrong_result", "arithmetic")})
    new, final = chain_of(SAMPLE, truth).responses[1][1]
    assert "truth: wrong result, quality 0.25" in new.facts
    assert not any(fact.startswith("truth") for fact in final.facts)


def test_a_very_long_text_is_cut_in_the_report_and_says_so() -> None:
    long = Response(instruction_id=SEED.id, text="x" * (MOST_CHARS + 1234))
    chain = chain_of(SAMPLE.evolve(responses=(long,), **dict.fromkeys(PARTS_OF_RESPONSES, ())))
    shown = chain.responses[0][1][0].segments[0].text
    assert shown.endswith("[… 1,234 more characters in the run]")
    assert len(shown) < MOST_CHARS + 100


PARTS_OF_RESPONSES = ("selections", "ratings", "grades", "verdicts", "pairs", "critiques")
