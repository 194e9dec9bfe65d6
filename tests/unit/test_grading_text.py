# ruff: noqa: RUF001 - typographic characters are what is tested here
import time

import pytest

from preflect.grading import grade, same_text, validate_grader
from preflect.grading.text import count_phrase, paragraphs, sentences, words
from preflect.schemas import RegexGrader, StringGrader


@pytest.mark.parametrize(
    ("operation", "answer", "expected"),
    [
        ("eq", "New\n  York ", 1.0),
        ("eq", "ＮＥＷ York", 0.0),
        ("eq", "Ｎｅｗ York", 1.0),
        ("eq", "new york", 0.0),
        ("ne", "New York", 0.0),
        ("ne", "Old York", 1.0),
        ("ne", "", 0.0),
        ("like", "It is New York.", 1.0),
        ("like", "It is new york.", 0.0),
        ("like", "New Yorkers", 0.0),
        ("ilike", "it is NEW YORK!", 1.0),
        ("ilike", "York", 0.0),
    ],
)
def test_text_compares_after_folding(operation: str, answer: str, expected: float) -> None:
    spec = StringGrader.model_validate({"operation": operation, "reference": "New York"})
    assert grade(spec, answer).score == expected


def test_a_number_is_not_found_inside_another() -> None:
    found = [
        grade(StringGrader(operation="like"), text, "5").score for text in ("15", "1.5", "5,000", "5.", "(5)", "is 5")
    ]
    assert found == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]


def test_a_phrase_has_no_edges_where_words_are_written_without_spaces() -> None:
    assert count_phrase("東京", "私は東京に住む") == 1


def test_without_a_reference_text_is_not_graded() -> None:
    assert grade(StringGrader(), "x", None).score is None
    assert grade(StringGrader(), "x", " ").score is None
    assert validate_grader(StringGrader(reference=" ")) == "reference is blank"


def test_a_pattern_is_searched_or_matched_in_full() -> None:
    assert grade(RegexGrader(pattern=r"\d{3}"), "no 123 here").score == 1.0
    assert grade(RegexGrader(pattern=r"\d{3}", full_match=True), "no 123 here").score == 0.0
    assert grade(RegexGrader(pattern=r"\d{3}", full_match=True), " 123\n").score == 1.0
    assert grade(RegexGrader(pattern="abc", ignore_case=True), "ABC").score == 1.0


@pytest.mark.parametrize("pattern", ["(", "*", "a{99999999999999999999}", "(" * 3000 + ")" * 3000])
def test_an_invalid_pattern_grades_nothing_and_is_refused(pattern: str) -> None:
    spec = RegexGrader(pattern=pattern)
    assert grade(spec, "x").score is None
    assert (validate_grader(spec) or "").startswith("invalid pattern: ")


def test_a_pattern_that_backtracks_without_end_is_stopped_and_grades_nothing() -> None:
    start = time.monotonic()
    result = grade(RegexGrader(pattern=r"(a|aa)+$"), "a" * 60 + "!")
    assert time.monotonic() - start < 5
    assert (result.score, result.reason) == (None, "timeout: the pattern took over 0.5 s")


def test_words_are_counted_as_a_reader_counts_them() -> None:
    assert words("Don't count well-known — or_not?") == ["Don't", "count", "well-known", "or", "not"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Dr. Smith met Mr. J. Doe at 3.5 p.m. yesterday.", 1),
        ("It rose, e.g. in 2020. Then it fell.", 2),
        ('He said "Stop." Then he left.', 2),
        ("No end mark", 1),
        ("# A heading\n\nA sentence.", 2),
        ("- one\n- two\n- three", 3),
        ("1. First step.\n2. Second step.", 2),
        ("Wait... what? Yes.", 2),
        ("これは文です。これも文です。", 2),
        ("...", 0),
        ("", 0),
    ],
)
def test_sentences_end_where_a_reader_sees_them_end(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_paragraphs_stand_between_blank_lines() -> None:
    assert paragraphs("a\nb\n \n\nc\r\n\r\nd\n") == ["a\nb", "c", "d"]


def test_texts_that_differ_in_space_and_case_are_the_same() -> None:
    assert same_text(" A  b\n", "a B")
    assert not same_text("ab", "a b")
