"""Replies as endpoints really word them, from the bytes on the wire to the parts that a stage reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from preflect.adapters.chat_wire import BadBodyError, Completion, read_completion
from preflect.errors import ReplyError
from preflect.prompts import load_prompt, parse_reply
from preflect.stages.judge_aspects import aspects_schema

ANSWER = load_prompt("reflect_response").json_schema or {}
PARTS = {"critique": "Thin.", "response": "Lima, since 1535."}
SAID = json.dumps(PARTS)
PROMPTS = ("reflect_instruction", "reflect_response", "self_instruct")


def reply(
    content: object, finish_reason: str | None = "stop", *, more: Mapping[str, Any] = {}, **message: Any
) -> bytes:
    """A body with this message in its only choice; `more` stands beside the choices."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "served", **more}
    return json.dumps({**body, "choices": [choice | {"finish_reason": finish_reason}]}).encode()


READABLE: dict[str, bytes] = {
    "OpenAI": reply(SAID, refusal=None, annotations=[], more={"service_tier": "default", "system_fingerprint": None}),
    "vLLM": reply(
        SAID,
        reasoning=None,
        tool_calls=[],
        function_call=None,
        more={"prompt_logprobs": None, "kv_transfer_params": None},
    ),
    "vLLM before 0.10, thoughts apart": reply(f"\n\n{SAID}", reasoning_content="\nLima it is.\n", tool_calls=[]),
    "vLLM, thoughts apart": reply(f"\n\n{SAID}", reasoning="Lima it is."),
    "vLLM and SGLang, a format kept it from thinking": reply(None, reasoning_content=SAID),
    "Ollama, indented": reply(json.dumps(PARTS, indent=2) + "\n   ", more={"system_fingerprint": "fp_ollama"}),
    "Ollama, thoughts apart": reply(SAID, reasoning="The capital is Lima.", more={"system_fingerprint": "fp_ollama"}),
    "llama.cpp": reply(SAID, more={"timings": {"prompt_n": 9, "predicted_n": 20}, "__verbose": {}}),
    "llama.cpp, thoughts apart": reply(SAID, reasoning_content="Lima it is."),
    "SGLang": reply(SAID, reasoning_content=None, tool_calls=None, more={"metadata": {"weight_version": "default"}}),
    "DeepSeek": reply(SAID, reasoning_content="We are asked for the capital of Peru."),
    "Qwen without a reasoning parser": reply(f"<think>\nLima it is.\n</think>\n\n{SAID}"),
    "Qwen that was told not to think": reply(f"<think>\n\n</think>\n\n{SAID}"),
    "a template that opens the tag itself": reply(f"Lima it is.\n</think>\n\n{SAID}"),
    "thoughts that hold a draft": reply(f'<think>{{"critique": "a", "response": "b"}}</think>{SAID}'),
    "thoughts about the tag": reply(f"<think>Do I need <think>? No.</think>\n{SAID}"),
    "Mistral in parts": reply(
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Lima."}]}, {"type": "text", "text": SAID}]
    ),
    "no finish reason": reply(SAID, None),
    "JSON mode in a fence": reply(f"```json\n{SAID}\n```"),
    "a schema that was passed over": reply(f"Here is the JSON you asked for:\n\n{SAID}\n\nI hope this helps!"),
    "the schema with values in it": reply(json.dumps({"type": "object", "properties": PARTS})),
    "the arguments of a call": reply(f'<tool_call>{{"name": "reflect_response", "arguments": {SAID}}}</tool_call>'),
    "a string that holds the object": reply(json.dumps(SAID)),
    "no last brace": reply(SAID[:-1]),
    "one brace too many": reply(SAID + "}"),
    "an end mark of the chat template": reply(SAID + "<|im_end|>"),
    "tags": reply("<critique>\nThin.\n</critique>\n<response>\nLima, since 1535.\n</response>"),
    "headings": reply("**Critique:** Thin.\n\n**Response:** Lima, since 1535."),
}


@pytest.mark.parametrize("body", READABLE.values(), ids=READABLE.keys())
def test_the_parts_are_read_from_every_shape(body: bytes) -> None:
    completion = read_completion(body)
    assert completion.finish_reason == "stop"
    assert parse_reply(completion.text, ANSWER) == PARTS


THOUGHT: dict[str, bytes] = {
    "OpenAI and others": reply("", "length"),
    "vLLM and SGLang": reply(None, "length", reasoning_content="First, the capital of"),
    "a tag that was never closed": reply("<think>\nFirst, the capital of", "length"),
    "Mistral": reply("", "model_length"),
    "an adapter that speaks Anthropic's language": reply("", "max_tokens"),
}


@pytest.mark.parametrize("body", THOUGHT.values(), ids=THOUGHT.keys())
def test_a_model_that_spent_its_limit_on_thinking_was_cut_off_and_said_nothing(body: bytes) -> None:
    completion = read_completion(body)
    assert (completion.text, completion.finish_reason) == ("", "length")


def test_thoughts_that_come_to_no_end_are_no_answer() -> None:
    completion = read_completion(reply("<think>\nFirst, the capital of"))
    assert completion == Completion("", "First, the capital of", "stop", "served", None)


def test_a_text_within_thoughts_is_no_answer_unless_it_is_json() -> None:
    assert read_completion(reply(None, reasoning="The capital is {Lima}")).text == ""


def test_a_refusal_in_its_own_field_is_marked_as_one() -> None:
    completion = read_completion(reply(None, refusal="No."))
    assert (completion.text, completion.finish_reason) == ("No.", "refusal")


@pytest.mark.parametrize("reason", ["abort", "error", "insufficient_system_resource"])
def test_a_reply_that_the_endpoint_broke_off_is_none(reason: str) -> None:
    with pytest.raises(BadBodyError, match=f"broke its reply off, for the reason '{reason}'"):
        read_completion(reply('{"critique": "Th', reason))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SAID[:-10], "unparsable"),
        ("\n" * 900, "empty"),
        ('{"critique": "Thin.", "response": ""}', "unparsable"),
        ('{"critique": "Thin.", "response": null}', "unparsable"),
        ('{"critique": "string", "response": "The complete rewritten response, as the user would read it."}', "placeh"),
        (json.dumps(ANSWER), "unparsable"),
        ('{"properties": {"critique": {"type": "string"}, "response": {"type": "string"}}}', "unparsable"),
        ("null", "unparsable"),
    ],
)
def test_what_looks_like_a_reply_and_is_none_is_refused(content: str, reason: str) -> None:
    with pytest.raises(ReplyError, match=reason):
        parse_reply(read_completion(reply(content)).text, ANSWER)


# What endpoints that hold a model to a schema demand of it, OpenAI's strict mode first.

SCHEMAS = {name: load_prompt(name).json_schema or {} for name in PROMPTS} | {
    "judge_aspects": aspects_schema(8, ("instruction_following", "honesty", "truthfulness", "helpfulness"))
}
KNOWN_EVERYWHERE = {"type", "description", "properties", "required", "additionalProperties", "items", "enum"}


def levels(schema: Mapping[str, Any], depth: int = 1) -> list[tuple[int, Mapping[str, Any]]]:
    """Every schema within a schema, with its depth."""
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return [(depth, schema), *(found for part in inner for found in levels(part, depth + 1))]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_prompt_s_schema_meets_the_demands_of_strict_mode(schema: Mapping[str, Any]) -> None:
    assert schema["type"] == "object"
    for depth, part in levels(schema):
        assert set(part) <= KNOWN_EVERYWHERE
        assert depth <= 5
        if part["type"] == "object":
            assert part["required"] == list(part["properties"])
            assert part["additionalProperties"] is False


def test_all_prompts_that_ask_for_parts_are_checked_here() -> None:
    names = {file.name.removesuffix(".md") for file in files("preflect.prompts").iterdir() if file.name.endswith(".md")}
    assert names - {"repair"} == set(SCHEMAS)
