# ruff: noqa: RUF001 - typographic characters are what is tested here
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.grading import grade
from preflect.schemas import NumberGrader


def score(answer: str, reference: str, tolerance: float = 1e-6) -> float | None:
    return grade(NumberGrader(tolerance=tolerance), answer, reference).score


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("48 / 2 = 24 clips in May.\n#### 72", "72"),
        ("The answer is 1,200 dollars.", "1200"),
        (r"so \boxed{\frac{3}{4}} of it", "0.75"),
        (r"\boxed{7} was wrong, it is \boxed{8}", "8"),
        (r"$\$1{,}200$", "1200"),
        (r"\boxed{12\,000\text{ km}}", "12000"),
        ("it takes 1½ cups", "1.5"),
        ("4 1/2", "4.5"),
        ("x = −7", "-7"),
        ("3-5=-2", "-2"),
        ("It costs $-5", "-5"),
        ("the bill is -$5", "-5"),
        ("1.5e3", "1500"),
        ("2 × 10^5", "200000"),
        ("10² = 100", "100"),
        ("The area is 50 m².", "50"),
        ("3 million", "3,000,000"),
        ("five", "5"),
        ("The answer is twenty-five.", "25"),
        ("**Answer:** 42", "42"),
        ("Final answer:\n\n$18", "18"),
        ("The answer is 3 + 4 = 7.", "7"),
        ("Answer: 42. That is 7 more than 35.", "42"),
        ("The answer is 12 (not 13).", "12"),
        ("３５", "35"),
        ("1.234.567,8", "1234567.8"),
        ("12,34,567", "1234567"),
        ("1'234.5", "1234.5"),
        ("12,50 €", "12.5"),
        ("f(3,5)", "5"),
        ("2024-03-05", "5"),
        ("5km", "5"),
        ("USD500", "500"),
        ("1/3", "0.3333333"),
        ("72", "He has 48 + 24 = 72.\n#### 72"),
    ],
)
def test_the_final_number_is_read_however_it_is_written(answer: str, reference: str) -> None:
    assert score(answer, reference) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("", "5"),
        ("H2O and x1", "1"),
        ("15", "5"),
        ("The total is 5, of which 3 are red.", "5"),
        ("5", "-5"),
        ("1e400", "1"),
        ("1e999999999", "1"),
        ("1e99999999999999", "1"),
        ("9" * 5000, "9"),
        ("version 1.2.3", "3"),
        ("1/0", "1"),
        ("5000%", "50%"),
        ("0.5", "0.500002"),
    ],
)
def test_another_number_is_not_the_answer(answer: str, reference: str) -> None:
    assert score(answer, reference) == 0.0


def test_a_percentage_equals_its_share_and_its_bare_number() -> None:
    assert [score("50%", reference) for reference in ("50%", "0.5", "50", "5")] == [1.0, 1.0, 1.0, 0.0]


def test_an_answer_that_leaves_two_numbers_open_is_ambiguous() -> None:
    result = grade(NumberGrader(), "The answer is 5 or 6.", "5")
    assert (result.score, result.reason) == (0.0, "ambiguous")
    assert score("The answer is 0.5 or 1/2.", "0.5") == 1.0


def test_the_tolerance_is_relative_above_one_and_absolute_below() -> None:
    assert score("1009", "1000", tolerance=0.01) == 1.0
    assert score("1011", "1000", tolerance=0.01) == 0.0
    assert score("0.109", "0.1", tolerance=0.01) == 1.0
    assert score("0.111", "0.1", tolerance=0.01) == 0.0


def test_without_one_number_as_reference_nothing_is_graded() -> None:
    assert grade(NumberGrader(), "5", None).score is None
    assert grade(NumberGrader(), "5", "  ").reason == "no reference answer"
    assert grade(NumberGrader(), "5", "5 to 6").reason == "the reference is not one number: '5 to 6'"
    assert grade(NumberGrader(), "5", "many").score is None


def test_the_graders_own_reference_outranks_the_instructions() -> None:
    assert grade(NumberGrader(reference="7"), "7", "8").score == 1.0


@given(
    st.integers(-(10**15), 10**15), st.sampled_from(["{}", "#### {}", r"\boxed{{{}}}", "The answer is {}.", "I get {}"])
)
def test_every_integer_is_found_behind_every_mark_with_or_without_separators(number: int, frame: str) -> None:
    assert score(frame.format(number), str(number), tolerance=0) == 1.0
    assert score(frame.format(f"{number:,}"), str(number), tolerance=0) == 1.0
    assert score(frame.format(number + 1), str(number), tolerance=0) == 0.0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_number_equals_itself_and_equality_is_symmetric(number: object) -> None:
    assert score(str(number), str(number), tolerance=0) == 1.0
    assert score(f"{number}", "17.25", tolerance=0) == score("17.25", f"{number}", tolerance=0)
