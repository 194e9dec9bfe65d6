import pytest

from preflect.grading import grade, validate_grader
from preflect.schemas import ChoiceGrader

CITIES = ChoiceGrader(choices=("Lyon", "Paris", "Nice"))
YES_NO = ChoiceGrader(choices=("yes", "no"))
LETTERS = ChoiceGrader(choices=("A", "B", "C", "D"))
LABELLED = ChoiceGrader(choices=("(a) red", "(b) green"))


@pytest.mark.parametrize(
    "answer",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "**B**",
        "B) Paris",
        "Paris",
        "paris.",
        "Answer: B",
        "The answer is Paris.",
        "The correct option is (B).",
        "I would go with option B here.",
        r"\boxed{B}",
        r"\boxed{\text{Paris}}",
        "A. Lyon\nB. Paris\nC. Nice\n\nB",
        "A. Lyon\nB. Paris\nC. Nice\n\nAnswer: B. Paris",
        "B) Paris\n\nBecause it is the capital, and Lyon is not.",
        "Lyon and Nice are smaller.\n\nParis",
        "It could be Lyon or Nice, but the answer is clearly Paris",
        "The capital is Paris.",
    ],
)
def test_a_choice_is_named_by_its_letter_or_its_words(answer: str) -> None:
    for reference in ("Paris", "B", "(B)", "paris"):
        assert grade(CITIES, answer, reference).score == 1.0
    assert grade(CITIES, answer, "Lyon").score == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        "Paris or Lyon",
        "The answer is A or B",
        "A, B",
        "(A) Paris",
        "A. Lyon\nB. Paris\nC. Nice",
        "Paris is larger than Lyon.",
    ],
)
def test_two_choices_named_are_ambiguous(answer: str) -> None:
    result = grade(CITIES, answer, "Paris")
    assert (result.score, result.reason) == (0.0, "ambiguous")


@pytest.mark.parametrize("answer", ["", "Berlin", "A lovely city", "Parisian", "I can't tell", "D"])
def test_what_names_no_choice_is_wrong(answer: str) -> None:
    result = grade(CITIES, answer, "Paris")
    assert (result.score, result.reason) == (0.0, "no choice is named")


def test_a_short_answer_that_goes_on_to_explain_still_names_one() -> None:
    assert grade(YES_NO, "Yes, there is no doubt.", "yes").score == 1.0
    assert grade(YES_NO, "No: yes would be wrong.", "no").score == 1.0
    assert grade(YES_NO, "I know.", "no").score == 0.0
    assert grade(YES_NO, "yes and no", "yes").score == 0.0


def test_choices_that_are_letters_are_not_found_in_articles() -> None:
    assert grade(LETTERS, "A good question.", "A").score == 0.0
    assert grade(LETTERS, "B because it is larger", "B").score == 1.0
    assert grade(LETTERS, "I think A is wrong. Answer: D", "D").score == 1.0


def test_choices_may_bring_their_own_letters() -> None:
    assert grade(LABELLED, "b", "(b) green").score == 1.0
    assert grade(LABELLED, "green", "B").score == 1.0


def test_a_longer_choice_is_no_mention_of_a_shorter_one() -> None:
    cities = ChoiceGrader(choices=("New York", "New York City"))
    assert grade(cities, "I like New York City most", "New York City").score == 1.0
    assert grade(cities, "I like New York City most", "New York").score == 0.0


def test_a_reference_beside_the_choices_grades_nothing() -> None:
    assert grade(CITIES, "Paris", "Berlin").score is None
    assert grade(CITIES, "Paris", None).score is None


def test_choices_that_cannot_be_told_apart_are_refused() -> None:
    assert validate_grader(CITIES) is None
    assert validate_grader(ChoiceGrader(choices=("a b", "A  B"))) == "two choices are the same: ['a b', 'A  B']"
    assert validate_grader(ChoiceGrader(choices=("a b", " "))) == "a choice is blank"
    assert validate_grader(CITIES.evolve(reference="Berlin")) is not None
