"""Every back-end that computes a language model's likelihoods, held to the reference in float64.

A back-end joins by a line in `BACKENDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.adapters.causal_lm import CausalLm
from preflect.adapters.device_pool import DevicePool
from preflect.adapters.lm_head import Head, token_costs
from preflect.adapters.onnx import OnnxScorer
from preflect.adapters.prompt_logprobs import PromptLogprobsScorer
from preflect.adapters.transformers import TransformersScorer
from preflect.ports import NllPair, ScoreQuery, Student
from preflect.schemas import OnnxStudent, PromptLogprobsStudent, TransformersStudent
from preflect.schemas.models import Template
from preflect.scoring.spans import Pass

from .conftest import TinyKind
from .logprob_servers import address_of
from .onnx_exports import exported
from .reference_student import Expected, ReferenceStudent

Backend = Callable[[Path, Template, int], Student]
TinyLm = Callable[[TinyKind], Path]


def transformers(dtype: str, batch_tokens: int | None = None, attention: str | None = None) -> Backend:
    def build(folder: Path, template: Template, max_length: int) -> Student:
        given = {"model": str(folder), "template": template, "max_length": max_length, "device": "cpu"}
        options = {"dtype": dtype, "batch_tokens": batch_tokens, "attention": attention}
        return TransformersScorer(TransformersStudent.model_validate({**given, **options}))

    return build


def onnx(batch_tokens: int) -> Backend:
    def build(folder: Path, template: Template, max_length: int) -> Student:
        given = {"model": str(exported(folder)), "template": template, "max_length": max_length}
        return OnnxScorer(OnnxStudent.model_validate({**given, "batch_tokens": batch_tokens}))

    return build


def behind(style: str) -> Backend:
    def build(folder: Path, template: Template, max_length: int) -> Student:
        given = {"server": "sglang" if style == "sglang" else "vllm", "base_url": address_of(style, folder)}
        options = {"template": template, "max_length": max_length}
        return PromptLogprobsScorer(PromptLogprobsStudent.model_validate({**given, **options}))

    return build


BACKENDS: Final[Mapping[str, tuple[Backend, float]]] = {
    "transformers float32": (transformers("float32"), 1e-5),
    "transformers float32, batches of one": (transformers("float32", 1), 1e-5),
    "transformers float32, eager attention": (transformers("float32", 4000, "eager"), 1e-5),
    "onnx": (onnx(1024), 1e-5),
    "onnx, batches of one": (onnx(1), 1e-5),
    "prompt-logprobs of vllm": (behind("vllm"), 1e-5),
    "prompt-logprobs of vllm, echoed": (behind("echo"), 1e-5),
    "prompt-logprobs of sglang": (behind("sglang"), 1e-5),
    "transformers bfloat16": (transformers("bfloat16"), 0.04),
    "transformers float16": (transformers("float16"), 0.04),
}
KINDS: Final[Sequence[tuple[TinyKind, Template]]] = [
    ("llama", "vicuna"), ("llama", "alpaca"), ("llama", "wiz"), ("llama", "gpt2"), ("llama", "chat"),
    ("gpt2", "vicuna"), ("gpt2", "alpaca"), ("gpt2", "wiz"), ("gpt2", "gpt2"),
]  # fmt: skip

ROWS: Final = [
    ("What is the sum of 12 and 30?", None, "The sum of 12 and 30 is 42."),
    ("What is the sum of 12 and 30?", None, "A train leaves the station."),
    ("Sum up the text.", "A train leaves the station at nine in the morning.", "Train at nine."),
    ("Translate into German: the cat sat on the mat", None, "Die Katze saß auf der Matte. ✓ 猫"),
    ("Write a long list.", None, "A cat, a mat, a train, a station, a glass of water; " * 12),
    ("A long question. " * 40, "with an input", "A short answer."),
    ("List both.", None, "\n- one\n- two\n"),
    ("List both.\n", None, "\n\n\nboth"),
    ("a", None, "b"),
    ("Say something short.", None, "xq"),
    ("Say something short.", None, "xqz"),
    ("Say nothing.", None, ""),
    ("Say nothing.", "", " \n"),
    ("Break it.", None, "half a \ud83d pair"),
]
QUERIES: Final = [
    ScoreQuery(direction=direction, instruction=asked, input=given, response=answer)
    for asked, given, answer in ROWS
    for direction in ("forward", "reverse")
]


@cache
def expected(folder: Path, template: Template, max_length: int) -> list[Expected]:
    reference = ReferenceStudent(folder, template, max_length)
    return [reference.score(query) for query in QUERIES]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "template"), KINDS)
@pytest.mark.parametrize("max_length", [230, 512])
async def test_every_score_and_every_reason_is_the_references(
    tiny_lm: TinyLm, backend: str, kind: TinyKind, template: Template, max_length: int
) -> None:
    build, tolerance = BACKENDS[backend]
    student = build(tiny_lm(kind), template, max_length)
    pairs = await asyncio.gather(*(student.score(query) for query in QUERIES))
    awaited = expected(tiny_lm(kind), template, max_length)
    assert [_known(pair) for pair in pairs] == [(one.reason, one.tokens) for one in awaited]
    for pair, one in zip(pairs, awaited, strict=True):
        if one.losses:
            assert (pair.conditioned, pair.unconditioned) == pytest.approx(one.losses, abs=tolerance, rel=0)
    assert {one.reason for one in awaited} >= {None, "unscorable:empty", "unscorable:not_unicode"}


def _known(pair: NllPair) -> tuple[str | None, tuple[int, int]]:
    return pair.reason, (pair.conditioned_tokens, pair.unconditioned_tokens)


# Laws, on sequences of ids


IDS = st.lists(st.integers(0, 399), min_size=3, max_size=60)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def lm(request: pytest.FixtureRequest, tiny_lm: TinyLm) -> CausalLm:
    from transformers import AutoModelForCausalLM

    return CausalLm("tiny", cast("Any", AutoModelForCausalLM).from_pretrained(tiny_lm(request.param)).eval())


@given(texts=st.lists(IDS, min_size=1, max_size=8), order=st.randoms(), budget=st.sampled_from([1, 60, 150, 5000]))
@settings(max_examples=30)
def test_batches_order_and_padding_change_nothing(
    lm: CausalLm, texts: list[list[int]], order: Any, budget: int
) -> None:
    passes = [Pass(tuple(ids), 1 + len(ids) // 2) for ids in texts]
    alone = [lm.mean_nlls([one])[0] for one in passes]
    shuffled = order.sample(passes, len(passes))
    lm.budget = budget
    together = nlls(lm, [*shuffled, *passes])
    assert [together[one] for one in passes] == pytest.approx(alone, abs=1e-5, rel=0)


@given(IDS, st.data())
@settings(max_examples=30)
def test_a_text_costs_what_its_beginning_and_its_end_after_that_cost(
    lm: CausalLm, ids: list[int], data: st.DataObject
) -> None:
    middle = data.draw(st.integers(2, len(ids) - 1))
    whole, beginning, end = Pass(tuple(ids), 1), Pass(tuple(ids[:middle]), 1), Pass(tuple(ids), middle)
    costs = {one: nll * one.tokens for one, nll in nlls(lm, [whole, beginning, end]).items()}
    assert costs[whole] == pytest.approx(costs[beginning] + costs[end], rel=1e-5)


@given(st.lists(IDS, min_size=1, max_size=4))
@settings(max_examples=10)
def test_duplicates_are_computed_once_and_answered_alike(lm: CausalLm, texts: list[list[int]]) -> None:
    passes = [Pass(tuple(ids), 1) for ids in texts]
    assert nlls(lm, passes) == nlls(lm, [*passes, *reversed(passes), *passes])


@given(IDS, st.sampled_from([1, 3, 7, 128]))
@settings(max_examples=20)
def test_how_many_positions_the_head_takes_at_a_time_changes_nothing(lm: CausalLm, ids: list[int], rows: int) -> None:
    with torch.inference_mode():
        states = lm.model.base_model(input_ids=torch.tensor([ids]), use_cache=False)
        costs = Head(lm.model, rows=rows).costs(states, torch.arange(len(ids) - 1), torch.tensor(ids[1:]))
    own = token_costs(lm.logits([ids])[0, :-1], torch.tensor(ids[1:]))
    assert torch.allclose(costs, own, atol=1e-5, rtol=0)


class Answers:
    """Implements `preflect.adapters.device_pool.Asker`."""

    def __init__(self) -> None:
        self.found: dict[Pass, float] = {}

    def gone(self) -> bool:
        return False

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        assert isinstance(nll, float)
        self.found[sequence] = nll


def nlls(lm: CausalLm, passes: Sequence[Pass]) -> dict[Pass, float]:
    answers, pool = Answers(), DevicePool([lm])
    pool.ask((one, answers) for one in passes)
    pool.close()
    return answers.found
