from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from rapidfuzz.distance import LCSseq

from preflect.adapters.reading import read_samples, survey
from preflect.grading import grade, self_test
from preflect.schemas import ChoiceGrader, InputSpec, NumberGrader, Sample, StringGrader

SEEDS = InputSpec(path="preflect://seeds/instructions.jsonl")


@pytest.fixture(scope="module")
def seeds() -> list[Sample]:
    samples = [sample for sample in read_samples(SEEDS) if isinstance(sample, Sample)]
    assert len(samples) == survey(SEEDS).rows, "a shipped row is bad or repeats another"
    return samples


def rouge_l(first: list[str], second: list[str]) -> float:
    """F-measure of the longest common subsequence of words."""
    return 2 * LCSseq.similarity(first, second) / (len(first) + len(second))


def model_answer(sample: Sample) -> str:
    answer = sample.metadata["model_answer"]
    assert isinstance(answer, str)
    return answer


def test_the_seeds_are_many_and_of_many_kinds(seeds: list[Sample]) -> None:
    kinds = Counter(str(sample.metadata["task_type"]) for sample in seeds)
    assert len(seeds) >= 216
    assert len(kinds) >= 14
    assert min(kinds.values()) >= 5


def test_every_seed_has_an_id_of_its_own_and_names_its_source(seeds: list[Sample]) -> None:
    assert len({sample.source_id for sample in seeds}) == len(seeds)
    assert all(sample.source_id and sample.source == "preflect-seeds" for sample in seeds)


def test_more_than_half_of_the_seeds_are_verifiable(seeds: list[Sample]) -> None:
    assert sum(sample.seed.grader is not None for sample in seeds) >= 0.55 * len(seeds)


def test_no_seed_nearly_repeats_another(seeds: list[Sample]) -> None:
    words = [(sample.source_id, sample.seed.merged.lower().split()) for sample in seeds]
    alike = [(one[0], other[0]) for one, other in combinations(words, 2) if rouge_l(one[1], other[1]) > 0.7]
    assert alike == []


def test_every_model_answer_passes_its_seed_s_grader(seeds: list[Sample]) -> None:
    graded = [
        (sample.source_id, grade(sample.seed.grader, model_answer(sample), sample.seed.reference_answer))
        for sample in seeds
        if sample.seed.grader
    ]
    assert [(seed, result.reason) for seed, result in graded if result.score != 1.0] == []


def test_an_answer_that_says_nothing_passes_no_grader(seeds: list[Sample]) -> None:
    empty_talk = "That is a good question, and there is a lot to say about it"
    graded = [
        (sample.source_id, grade(sample.seed.grader, empty_talk, sample.seed.reference_answer).score)
        for sample in seeds
        if sample.seed.grader and sample.seed.grader.type != "constraints"
    ]
    assert [seed for seed, score in graded if score != 0.0] == []


def test_every_grader_tells_its_reference_from_a_changed_one(seeds: list[Sample]) -> None:
    found = [
        (sample.source_id, self_test(sample.seed.grader, sample.seed.reference_answer))
        for sample in seeds
        if sample.seed.grader
    ]
    assert [(seed, problems) for seed, problems in found if problems] == []


def test_a_grader_that_compares_has_a_reference(seeds: list[Sample]) -> None:
    compared = [s for s in seeds if isinstance(s.seed.grader, ChoiceGrader | NumberGrader | StringGrader)]
    assert len(compared) > 90
    assert all(sample.seed.reference_answer for sample in compared)
