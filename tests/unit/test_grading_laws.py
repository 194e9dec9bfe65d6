# ruff: noqa: RUF001 - typographic characters are what is tested here
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from preflect.grading import MAX_ANSWER_CHARS, grade, self_test, validate_grader
from preflect.grading.constraints.table import VERIFIERS
from preflect.schemas import (
    ChoiceGrader,
    Constraint,
    ConstraintsGrader,
    GraderSpec,
    JsonSchemaGrader,
    NumberGrader,
    RegexGrader,
    StringGrader,
)

ARGUMENTS: dict[str, dict[str, JsonValue]] = {
    "change_case:capital_word_frequency": {"capital_frequency": 1, "capital_relation": "at least"},
    "combination:repeat_prompt": {"prompt_to_repeat": "say"},
    "detectable_content:number_placeholders": {"num_placeholders": 1},
    "detectable_content:postscript": {"postscript_marker": "P.P.S"},
    "detectable_format:multiple_sections": {"section_spliter": "Day", "num_sections": 1},
    "detectable_format:number_bullet_lists": {"num_bullets": 1},
    "detectable_format:number_highlighted_sections": {"num_highlights": 1},
    "keywords:existence": {"keywords": ["a"]},
    "keywords:forbidden_words": {"forbidden_words": ["a"]},
    "keywords:frequency": {"keyword": "a", "frequency": 1, "relation": "at most"},
    "keywords:letter_frequency": {"letter": "a", "let_frequency": 1, "let_relation": "more than"},
    "language:response_language": {"language": "th"},
    "length_constraints:nth_paragraph_first_word": {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "a"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 1},
    "length_constraints:number_sentences": {"num_sentences": 1, "relation": "at least"},
    "length_constraints:number_words": {"num_words": 1, "relation": "exactly"},
    "startend:end_checker": {"end_phrase": "end"},
}
ALL_CONSTRAINTS = ConstraintsGrader(
    constraints=tuple(Constraint(id=name, arguments=ARGUMENTS.get(name, {})) for name in VERIFIERS)
)
SPECS: list[GraderSpec] = [
    StringGrader(),
    StringGrader(operation="ne"),
    StringGrader(operation="like"),
    StringGrader(operation="ilike"),
    ChoiceGrader(choices=("yes", "no", "not sure")),
    ChoiceGrader(choices=("A", "B")),
    NumberGrader(),
    RegexGrader(pattern=r"\d+"),
    JsonSchemaGrader(json_schema={"type": "object"}),
    ALL_CONSTRAINTS,
]
# Surrogates too: a reply may bring what is not even Unicode.
ANY_TEXT = st.one_of(
    st.text(),
    st.text(st.characters(categories=["Cs", "Nd", "No", "Sc", "Sm"])),
    st.text("0123456789.,-/e%^$×½⅓²()[]{}\"'\\ \n*#_ABabanswer:is<>"),
    st.lists(
        st.sampled_from(["\\boxed{", "####", "answer is", "}", "1", ",", "(B)", "```json\n", "{", "]", "***", "or"])
    ).map(" ".join),
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec.type))
@given(answer=ANY_TEXT, reference=st.none() | ANY_TEXT)
@settings(deadline=None)
def test_any_text_is_graded_without_an_exception_and_always_alike(
    spec: GraderSpec, answer: str, reference: str | None
) -> None:
    result = grade(spec, answer, reference)
    assert result == grade(spec, answer, reference)
    assert result.score is None or 0 <= result.score <= 1
    assert (result.reason is None) == (result.score == 1.0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec.type))
@given(reference=st.none() | ANY_TEXT)
@settings(deadline=None, max_examples=20)
def test_the_self_test_of_any_reference_ends_in_problems_or_in_none(spec: GraderSpec, reference: str | None) -> None:
    assert all(self_test(spec, reference)) or self_test(spec, reference) == []


@pytest.mark.parametrize(
    "unit", ["a", "1", "1,", "{", "[", "* ", "\n", "<<", "\\boxed{", "answer is ", "A. ", "½", "-", '"', "1/"]
)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: str(spec.type))
def test_a_long_answer_is_graded_in_linear_time(spec: GraderSpec, unit: str) -> None:
    answer = unit * (100_000 // len(unit))
    start = time.process_time()
    grade(spec, answer, "yes 5")
    # CPU, not time: the machine may be busy. What reads the answer once for each of its letters takes minutes.
    assert time.process_time() - start < 10


def test_an_answer_beyond_all_measure_is_not_graded() -> None:
    assert grade(NumberGrader(), "1" * (MAX_ANSWER_CHARS + 1), "1").score is None


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        (NumberGrader(), "72"),
        (NumberGrader(), "-3.5"),
        (NumberGrader(), "1e40"),
        (StringGrader(), "Paris"),
        (StringGrader(operation="ilike"), "Paris"),
        (StringGrader(operation="ne"), "Paris"),
        (ChoiceGrader(choices=("Lyon", "Paris")), "B"),
        (RegexGrader(pattern=r"^\d{4}-\d{2}$"), "2024-05"),
        (RegexGrader(pattern=r"^\d{4}$"), None),
        (JsonSchemaGrader(json_schema={"type": "object"}), '{"a": 1}'),
        (JsonSchemaGrader(json_schema={"type": "object"}), None),
        (ConstraintsGrader(constraints=(Constraint(id="punctuation:no_comma"),)), None),
    ],
)
def test_a_grader_that_tells_right_from_wrong_passes_its_self_test(spec: GraderSpec, reference: str | None) -> None:
    assert validate_grader(spec) is None
    assert self_test(spec, reference) == []


@pytest.mark.parametrize(
    ("spec", "reference", "problem"),
    [
        (NumberGrader(), None, "no reference answer"),
        (NumberGrader(tolerance=5), "3", "accepts the wrong answer '9'"),
        (NumberGrader(), "three or four", "refuses the right answer"),
        (RegexGrader(pattern=".*"), None, "accepts the wrong answer ''"),
        (RegexGrader(pattern="("), None, "invalid pattern"),
        (RegexGrader(pattern=r"^(a|aa)+$"), "a", "can't grade a long answer: timeout"),
        (RegexGrader(pattern="x"), "y", "refuses the right answer 'y'"),
        (ChoiceGrader(choices=("Lyon", "Paris")), "Berlin", "refuses the right answer"),
        (JsonSchemaGrader(json_schema={"type": "array"}), "{}", "refuses the right answer '{}'"),
    ],
)
def test_a_grader_that_does_not_is_found_out(spec: GraderSpec, reference: str | None, problem: str) -> None:
    assert any(found.startswith(problem) for found in self_test(spec, reference))
