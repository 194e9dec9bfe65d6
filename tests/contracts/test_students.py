"""What every student owes to the stages, whoever computes its likelihoods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from preflect.adapters.onnx import OnnxScorer
from preflect.adapters.ppm import PpmScorer
from preflect.adapters.prompt_logprobs import PromptLogprobsScorer
from preflect.adapters.transformers import TransformersScorer
from preflect.ports import NllPair, ScoreQuery, Student
from preflect.schemas import OnnxStudent, PpmStudent, PromptLogprobsStudent, TransformersStudent

from .logprob_servers import address_of
from .onnx_exports import exported

Build = Callable[[int], Student]
"""From the longest text that the student reads, in its own tokens."""

QUESTION = "What is the sum of 12 and 30?"
ANSWER = "The sum of 12 and 30 is 42."


@pytest.fixture(
    params=[
        "ppm", "ppm vicuna", "llama alpaca", "llama chat", "gpt2 gpt2", "vllm llama", "sglang gpt2", "onnx llama",
        "onnx gpt2",
    ]
)  # fmt: skip
def build(request: pytest.FixtureRequest, tiny_lm: Callable[[str], Path]) -> Build:
    match str(request.param).split():
        case ["ppm"]:
            return lambda longest: PpmScorer(PpmStudent(max_length=longest))
        case ["ppm", *_]:
            return lambda longest: PpmScorer(PpmStudent(max_length=longest, template="vicuna"))
        case ["vllm" | "sglang" as server, kind]:
            url = address_of(server, tiny_lm(kind))
            return lambda longest: PromptLogprobsScorer(
                PromptLogprobsStudent(server=server, base_url=url, template="alpaca", max_length=longest)
            )
        case ["onnx", kind]:
            export = str(exported(tiny_lm(kind)))
            return lambda longest: OnnxScorer(OnnxStudent(model=export, template="alpaca", max_length=longest))
        case [kind, "alpaca" | "chat" | "gpt2" as template]:
            folder = str(tiny_lm(kind))
            return lambda longest: TransformersScorer(
                TransformersStudent(model=folder, template=template, max_length=longest, device="cpu")
            )
        case other:
            raise AssertionError(other)


@pytest.fixture
def student(build: Build) -> Student:
    return build(500)


def query(
    response: str = ANSWER,
    instruction: str = QUESTION,
    direction: Literal["forward", "reverse"] = "forward",
    given: str | None = None,
) -> ScoreQuery:
    return ScoreQuery(direction=direction, instruction=instruction, input=given, response=response)


LONG = query(ANSWER * 3, QUESTION * 3)


def value(pair: NllPair) -> tuple[float, float]:
    assert pair.reason is None
    assert pair.conditioned is not None
    assert pair.unconditioned is not None
    return pair.conditioned, pair.unconditioned


def test_a_student_says_who_it_is(student: Student) -> None:
    assert all((student.name, student.revision, student.template))
    assert "/" not in student.name


def test_a_student_built_again_is_the_same(build: Build) -> None:
    assert build(400).revision == build(400).revision


def test_a_student_that_reads_less_far_is_another_one(build: Build) -> None:
    assert build(400).revision != build(500).revision


@pytest.mark.parametrize("direction", ["forward", "reverse"])
async def test_a_pair_costs_something_with_and_without_its_prompt(
    student: Student, direction: Literal["forward", "reverse"]
) -> None:
    pair = await student.score(query(direction=direction))
    assert min(value(pair)) > 0
    assert pair.conditioned_tokens == pair.unconditioned_tokens > 1


async def test_what_else_is_asked_changes_nothing(student: Student) -> None:
    queries = [
        query(response, QUESTION, direction)
        for response in (ANSWER, "42", "A train leaves at nine.", ANSWER, "Ünïcödé ✓ 猫", "", "line\n\nline")
        for direction in ("forward", "reverse")
    ]
    together = await asyncio.gather(*(student.score(q) for q in queries))
    alone = [await student.score(q) for q in reversed(queries)]
    for one, same in zip(together, reversed(alone), strict=True):
        assert replace(one, conditioned=None, unconditioned=None) == replace(same, conditioned=None, unconditioned=None)
        assert (one.conditioned, one.unconditioned) == pytest.approx((same.conditioned, same.unconditioned), abs=1e-5)


async def test_the_unconditioned_side_does_not_depend_on_the_prompt(student: Student) -> None:
    first, second = await student.score(query()), await student.score(query(instruction="Sing.", given="A song."))
    assert value(first)[1] == value(second)[1]
    assert value(first)[0] != value(second)[0]


async def test_reverse_scores_the_instruction_with_its_input(student: Student) -> None:
    bare = await student.score(query(instruction="Add up: 1, 2", direction="reverse"))
    with_input = await student.score(query(instruction="Add up:", given=" 1, 2", direction="reverse"))
    assert with_input == bare


@pytest.mark.parametrize("response", ["", " \n", "a", "broken \ud83d emoji"])
async def test_a_text_that_cannot_be_scored_is_a_reason_and_no_number(student: Student, response: str) -> None:
    pair = await student.score(query(response))
    assert (pair.conditioned, pair.unconditioned) == (None, None)
    assert pair.reason is not None
    assert pair.reason.startswith("unscorable:")


async def test_a_response_behind_a_prompt_that_fills_the_length_is_cut_away(build: Build) -> None:
    assert (await build(40).score(query(instruction=QUESTION * 20))).reason == "unscorable:cut_away"


@pytest.mark.parametrize("left_out", [1, 7, 20])
async def test_a_response_that_is_cut_is_scored_on_the_same_tokens_in_both_passes(build: Build, left_out: int) -> None:
    whole = await build(500).score(LONG)
    shortest = await _shortest_that_holds(build, whole)
    cut = await build(shortest - left_out).score(LONG)
    assert cut.conditioned_tokens == cut.unconditioned_tokens == whole.conditioned_tokens - left_out


async def _shortest_that_holds(build: Build, whole: NllPair) -> int:
    """The least length, found by halving, at which nothing of the response is cut."""
    low, high = 16, 500
    while low < high:
        middle = (low + high) // 2
        if await build(middle).score(LONG) == whole:
            high = middle
        else:
            low = middle + 1
    return low


async def test_a_very_long_response_is_scored_up_to_the_length(build: Build) -> None:
    pair = await build(500).score(query(ANSWER * 400))
    assert value(pair)[0] > 0
    assert pair.conditioned_tokens == pair.unconditioned_tokens < 500
