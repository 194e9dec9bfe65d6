# ruff: noqa: RUF001 - typographic characters are what is tested here
import pytest
from pydantic import JsonValue

from preflect.grading import grade, validate_grader
from preflect.grading.constraints.table import VERIFIERS
from preflect.schemas import Constraint, ConstraintsGrader


def spec(constraint: str, /, **arguments: JsonValue) -> ConstraintsGrader:
    return ConstraintsGrader(constraints=(Constraint(id=constraint, arguments=arguments),))


CASES: list[tuple[ConstraintsGrader, list[str], list[str]]] = [
    (
        spec("length_constraints:number_words", num_words=3, relation="at least"),
        ["one two three", "a well-known b c"],
        ["one two", "don't stop", "— — —"],
    ),
    (spec("length_constraints:number_words", num_words=3, relation="less than"), ["one two"], ["one two three"]),
    (spec("length_constraints:number_words", num_words=2, relation="exactly"), ["one two"], ["one", "1 2 3"]),
    (
        spec("length_constraints:number_sentences", num_sentences=2, relation="at least"),
        ["One. Two."],
        ["Dr. Who is here."],
    ),
    (
        spec("length_constraints:number_paragraphs", num_paragraphs=2),
        ["a\n***\nb", "a *** b"],
        ["a\n\nb", "a\n***\n", "***bold*** and\n***\n***\nb"],
    ),
    (
        spec("length_constraints:number_paragraphs", num_paragraphs=2, divider="blank_line"),
        ["a\n\nb", "a\n \n\nb\n"],
        ["a\nb", "a\n\nb\n\nc"],
    ),
    (
        spec("length_constraints:nth_paragraph_first_word", num_paragraphs=2, nth_paragraph=2, first_word="Well"),
        ["a\n\nwell, b", "a\n\n**Well** b"],
        ["well\n\na", "a\n\nwellness", "a\n\nwell\n\nc"],
    ),
    (spec("keywords:existence", keywords=["art", "New York"]), ["Art of new  york"], ["party in New York", "art"]),
    (spec("keywords:forbidden_words", forbidden_words=["no"]), ["I know"], ["No!", "say no."]),
    (
        spec("keywords:frequency", keyword="ha", frequency=2, relation="at least"),
        ["Ha, ha", "ha ha ha"],
        ["haha", "ha"],
    ),
    (
        spec("keywords:letter_frequency", letter="e", let_frequency=2, let_relation="less than"),
        ["one", "ab"],
        ["Eel", "ene"],
    ),
    (
        spec("detectable_format:number_bullet_lists", num_bullets=2),
        ["* a\n* b", "- a\n  - b\n\n---\n", "x\n• a\n+ b"],
        ["* a", "- a\n- b\n- c", "*a*\n*b*", "-a\n-b"],
    ),
    (
        spec("detectable_format:number_highlighted_sections", num_highlights=2),
        ["*a b* and **c**", "**a** *b*"],
        ["3*4*5", "* a\n* b", "**a**", "** a ** * b *"],
    ),
    (spec("detectable_format:title"), ["<<A title>>\ntext"], ["<<>>", "<< >>", "<title>", "a << b"]),
    (
        spec("detectable_format:json_format"),
        ['{"a": 1}', '```json\n{"a": 1}\n```', " [1] "],
        ['Here: {"a": 1}', "{a: 1}", "NaN"],
    ),
    (
        spec("detectable_format:multiple_sections", section_spliter="Section", num_sections=2),
        ["Section 1\na\nSection 2\nb", "## section 1\n\n**SECTION 2**: b"],
        ["Section 1\na", "Section 1\nSection 1", "see Section 1 and Section 2"],
    ),
    (
        spec("detectable_format:constrained_response"),
        ["My answer is yes.", "I think my answer is no."],
        ["Yes.", "My answer is yes. My answer is no.", "My answer is nothing"],
    ),
    (
        spec("detectable_content:postscript", postscript_marker="P.S."),
        ["text\n\nP.S. more", "P. S.: more", "**PS** x\np.s. one"],
        ["text P.S. inline", "text\nP.S.", "P.P.S. more"],
    ),
    (
        spec("detectable_content:number_placeholders", num_placeholders=2),
        ["[name] at [address]"],
        ["[name]", "[a](http://x) [b]", "[ ] []"],
    ),
    (
        spec("startend:end_checker", end_phrase="That is all."),
        ["x. That is  all.", 'x. "that is ALL."', "**That is all.**"],
        ["That is all. Bye", "That is all"],
    ),
    (spec("startend:quotation"), ['"all of it"', "“so”"], ['"', '""', 'a "b"', '"a" b']),
    (spec("punctuation:no_comma"), ["a; b"], ["a, b", "a，b"]),
    (spec("change_case:english_capital"), ["ALL OF IT, 5!"], ["All", "123", "ЭТО ВСЁ"]),
    (spec("change_case:english_lowercase"), ["all of it, 5!"], ["All", "123", "это всё"]),
    (
        spec("change_case:capital_word_frequency", capital_frequency=2, capital_relation="at least"),
        ["NASA and ESA"],
        ["I saw A NASA", "Nasa Esa"],
    ),
    (
        spec("combination:repeat_prompt", prompt_to_repeat="Name a river."),
        ["Name a river.\nThe Rhine."],
        ["Name a river.", "The Rhine. Name a river."],
    ),
    (
        spec("combination:two_responses"),
        ["one\n******\ntwo"],
        ["one", "one\n******\n", "one ****** One", "a ****** b ****** c", "a *** b"],
    ),
    (spec("language:response_language", language="ko"), ["안녕하세요 hi"], ["hello", "こんにちは"]),
    (spec("language:response_language", language="ja"), ["私は東京に住む"], ["我住在北京"]),
]


def test_every_verifier_has_a_case() -> None:
    assert {case[0].constraints[0].id for case in CASES} == set(VERIFIERS)


@pytest.mark.parametrize(("grader", "good", "bad"), CASES, ids=[case[0].constraints[0].id for case in CASES])
def test_a_constraint_is_met_or_missed(grader: ConstraintsGrader, good: list[str], bad: list[str]) -> None:
    assert validate_grader(grader) is None
    assert [(text, grade(grader, text).score) for text in good] == [(text, 1.0) for text in good]
    assert [(text, grade(grader, text).score) for text in bad] == [(text, 0.0) for text in bad]
    assert grade(grader, " \n").score == 0.0


def test_the_score_is_the_share_met_and_the_reason_names_the_rest() -> None:
    grader = ConstraintsGrader(
        constraints=(
            Constraint(id="punctuation:no_comma"),
            Constraint(id="detectable_format:title"),
            Constraint(id="change_case:english_lowercase"),
            Constraint(id="startend:quotation"),
        )
    )
    result = grade(grader, "no comma here")
    assert result.score == 0.5
    assert result.reason == "missed: detectable_format:title, startend:quotation"


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        (
            spec("punctuation:no_commas"),
            "unknown constraint 'punctuation:no_commas'; the nearest known one is 'punctuation:no_comma'",
        ),
        (
            spec("length_constraints:number_words", num_words=3),
            "length_constraints:number_words: relation: Field required",
        ),
        (
            spec("punctuation:no_comma", really=True),
            "punctuation:no_comma: really: Extra inputs are not permitted",
        ),
        (spec("language:response_language", language="de"), "no library here tells 'de' from its neighbours"),
        (
            spec("length_constraints:nth_paragraph_first_word", num_paragraphs=1, nth_paragraph=2, first_word="a"),
            "nth_paragraph 2 is beyond num_paragraphs 1",
        ),
    ],
)
def test_a_constraint_that_cannot_be_verified_grades_nothing_and_is_refused(
    grader: ConstraintsGrader, reason: str
) -> None:
    mixed = grader.evolve(constraints=(*grader.constraints, Constraint(id="punctuation:no_comma")))
    assert grade(mixed, "text").score is None
    assert reason in (grade(mixed, "text").reason or "")
    assert reason in (validate_grader(mixed) or "")


def test_arguments_that_are_null_count_as_not_given_and_whole_floats_as_counts() -> None:
    grader = spec("length_constraints:number_words", num_words=2.0, relation="at least", keyword=None)
    assert grade(grader, "one two").score == 1.0
