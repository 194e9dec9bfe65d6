"""What endpoints say of tokens and money, in the words that each of them uses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from preflect.adapters.chat_wire import BadBodyError, read_completion
from preflect.scoring.cost import Usage

OPENAI = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 192,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
VLLM = {"prompt_tokens": 25, "total_tokens": 41, "completion_tokens": 16, "prompt_tokens_details": None}
DEEPSEEK = {
    "prompt_tokens": 16,
    "completion_tokens": 10,
    "total_tokens": 26,
    "prompt_cache_hit_tokens": 12,
    "prompt_cache_miss_tokens": 4,
    "completion_tokens_details": {"reasoning_tokens": 7},
}
OPENROUTER = {
    "prompt_tokens": 194,
    "completion_tokens": 2,
    "total_tokens": 196,
    "cost": 0.00095,
    "cost_details": {"upstream_inference_cost": None},
    "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
XAI = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 94},
}


def body(usage: Any) -> bytes:
    return orjson.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage})


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (OPENAI, Usage(prompt_tokens=2006, completion_tokens=300, cached_tokens=1920, reasoning_tokens=192)),
        (VLLM, Usage(prompt_tokens=25, completion_tokens=16)),
        (DEEPSEEK, Usage(prompt_tokens=16, completion_tokens=10, cached_tokens=12, reasoning_tokens=7)),
        (OPENROUTER, Usage(prompt_tokens=194, completion_tokens=2, cache_write_tokens=100, charged_usd=0.00095)),
        # Its thoughts stand beside the completion, in the total alone; they are billed as output.
        (XAI, Usage(prompt_tokens=32, completion_tokens=103, cached_tokens=6, reasoning_tokens=94)),
    ],
    ids=["OpenAI", "vLLM", "DeepSeek", "OpenRouter", "xAI"],
)
def test_every_endpoint_s_count_is_understood(usage: dict[str, Any], counted: Usage) -> None:
    assert read_completion(body(usage)).usage == counted


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens_details": {"cached_tokens": None}, "completion_tokens_details": {"reasoning_tokens": None}},
        {"prompt_tokens_details": [], "completion_tokens_details": "none"},
        {"prompt_tokens_details": {"cached_tokens": "many"}, "completion_tokens_details": {"reasoning_tokens": -3}},
        {"total_tokens": None, "prompt_cache_hit_tokens": None, "cost": None},
        {"total_tokens": 0, "cost": -1},
        {"cost": {"total_cost": 5}},
    ],
)
def test_details_that_can_t_be_read_are_as_if_not_said(details: dict[str, Any]) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 20} | details
    assert read_completion(body(usage)).usage == Usage(prompt_tokens=10, completion_tokens=20)


def test_a_part_is_never_more_than_its_whole() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 50},
    }
    assert read_completion(body(usage)).usage == Usage(
        prompt_tokens=10, completion_tokens=5, cached_tokens=8, cache_write_tokens=2, reasoning_tokens=5
    )


@pytest.mark.parametrize("usage", [None, "n", {}, {"prompt_tokens": 3}, {"prompt_tokens": -1, "completion_tokens": 2}])
def test_a_reply_whose_count_can_t_be_read_is_a_reply_all_the_same(usage: Any) -> None:
    completion = read_completion(body(usage))
    assert (completion.text, completion.usage) == ("x", None)


def test_a_body_that_is_no_completion_may_still_say_what_it_cost() -> None:
    with pytest.raises(BadBodyError) as caught:
        read_completion(orjson.dumps({"choices": [], "usage": OPENAI}))
    assert caught.value.usage
    assert caught.value.usage.prompt_tokens == 2006


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"{}", b'{"usage": 3}', b'{"choices": [], "usage": {"a": 1}}'])
def test_a_body_without_a_count_says_nothing_of_its_cost(content: bytes) -> None:
    with pytest.raises(BadBodyError) as caught:
        read_completion(content)
    assert caught.value.usage is None
