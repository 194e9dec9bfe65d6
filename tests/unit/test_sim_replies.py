"""The simulator's replies to preflect's own prompts, in every form in which they are asked for."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import ReplyError
from preflect.prompts import format_directions, load_prompt, parse_reply
from preflect.schemas import FaultRates, SimulatorRates
from preflect.scoring.truth import truth_key
from preflect.sim.options import Profile, SimOptions
from preflect.sim.simulator import Reply, Simulator
from preflect.sim.world import World, generate_task
from preflect.stages.judge_aspects import aspects_schema

Style = Literal["json_schema", "json_object", "tags"]
STYLES: tuple[Style, ...] = ("json_schema", "json_object", "tags")
ASPECTS = ("honesty", "helpfulness")
INSTRUCTION = (
    "A pottery that belongs to Vera has 40 clay mugs to begin with. A delivery brings 5 more. "
    "By noon 12 have been sold. How many are left in the end?"
)
SIMULATOR = Simulator(SimOptions(malformed=0))


def request(name: str, style: Style, schema: dict[str, Any] | None = None, **values: object) -> dict[str, Any]:
    prompt = load_prompt(name)
    wanted = schema or dict(prompt.json_schema or {})
    messages = [
        {"role": message.role, "content": message.content} for message in prompt.render(**{"input": None, **values})
    ]
    body: dict[str, Any] = {"model": "sim", "messages": messages}
    if style == "json_schema":
        named = {"name": name, "schema": wanted, "strict": True}
        return {**body, "response_format": {"type": "json_schema", "json_schema": named}}
    messages[0]["content"] += "\n\n" + format_directions(wanted, style)
    return {**body, "response_format": {"type": "json_object"}} if style == "json_object" else body


def chat(text: str, **more: object) -> dict[str, Any]:
    return {"model": "sim", "messages": [{"role": "user", "content": text}], **more}


def text_of(reply: Reply) -> str:
    return reply.choices[0].text


@pytest.mark.parametrize("style", STYLES)
def test_a_response_is_reflected_on_in_the_parts_asked_for(style: Style) -> None:
    body = request("reflect_response", style, instruction=INSTRUCTION, response="It is 34.")
    reply = SIMULATOR.reply(body)
    parts = parse_reply(text_of(reply), load_prompt("reflect_response").json_schema or {})
    assert reply.kind == "reflect_response"
    assert reply.choices[0].records[0]["key"] == truth_key(INSTRUCTION, parts["response"])


@pytest.mark.parametrize("style", STYLES)
def test_an_instruction_is_renewed_in_the_parts_asked_for(style: Style) -> None:
    body = request("reflect_instruction", style, instruction=INSTRUCTION, response="It is 34.")
    reply = SIMULATOR.reply(body)
    parts = parse_reply(text_of(reply), load_prompt("reflect_instruction").json_schema or {})
    assert World().recognise(parts["instruction"]) is not None
    assert [record["kind"] for record in reply.choices[0].records] == ["instruction", "rewrite"]
    assert reply.choices[0].records[1]["key"] == truth_key(parts["instruction"], parts["response"])


@pytest.mark.parametrize("style", STYLES)
def test_as_many_new_instructions_come_as_are_asked_for(style: Style) -> None:
    body = request("self_instruct", style, exemplars=[INSTRUCTION, "Name a tree."], count=7)
    parts = parse_reply(text_of(SIMULATOR.reply(body)), load_prompt("self_instruct").json_schema or {})
    assert len(parts["instructions"]) == 7


@pytest.mark.parametrize("style", STYLES)
def test_every_shown_answer_is_rated_on_every_aspect(style: Style) -> None:
    schema = aspects_schema(2, ASPECTS)
    responses = ["It is 33.", "It is 34."]
    body = request("judge_aspects", style, schema, instruction=INSTRUCTION, responses=responses, aspects=ASPECTS)
    reply = SIMULATOR.reply(body)
    parts = parse_reply(text_of(reply), schema)
    assert parts["response_1"]["honesty"]["score"] > parts["response_2"]["honesty"]["score"]
    assert [(record["aspect"], record["shown_at"], record["true"]) for record in reply.choices[0].records] == [
        ("honesty", 1, 5.0),
        ("helpfulness", 1, 5.0),
        ("honesty", 2, 2.6),
        ("helpfulness", 2, 2.2),
    ]


def test_a_single_answer_is_judged_as_well() -> None:
    schema = aspects_schema(1, ASPECTS)
    body = request("judge_aspects", "tags", schema, instruction=INSTRUCTION, responses=["It is 33."], aspects=ASPECTS)
    assert set(parse_reply(text_of(SIMULATOR.reply(body)), schema)) == {"response_1"}


def test_an_input_belongs_to_the_instruction() -> None:
    first, second = INSTRUCTION.split(". By noon ")
    body = request("reflect_response", "tags", instruction=f"{first}.", input=f"By noon {second}", response="It is 34.")
    assert SIMULATOR.reply(body).choices[0].known


def test_of_a_conversation_that_is_shown_the_last_user_turn_counts() -> None:
    turns = (("system", "Be brief."), ("user", "Hello."), ("user", INSTRUCTION))
    shown = "\n".join(f'<turn role="{role}">\n{said}\n</turn>' for role, said in turns)
    body = request("reflect_response", "tags", instruction=shown, response="It is 34.")
    assert SIMULATOR.reply(body).choices[0].known


def test_the_same_request_gets_the_same_reply_and_another_seed_another_text() -> None:
    assert SIMULATOR.reply(chat(INSTRUCTION, seed=1)) == Simulator(SimOptions()).reply(chat(INSTRUCTION, seed=1))
    texts = {text_of(SIMULATOR.reply(chat(INSTRUCTION, seed=seed))) for seed in range(12)}
    assert len(texts) > 6


def test_another_simulator_seed_gives_other_texts() -> None:
    other = Simulator(SimOptions(profile=Profile(seed=1)))
    bodies = [chat(generate_task(random.Random(seed)).instruction) for seed in range(10)]
    assert [text_of(SIMULATOR.reply(body)) for body in bodies] != [text_of(other.reply(body)) for body in bodies]


def test_several_choices_are_drawn_apart() -> None:
    choices = SIMULATOR.reply(chat(INSTRUCTION, n=6)).choices
    assert len(choices) == 6
    assert len({choice.text for choice in choices}) > 2


def test_each_model_may_have_a_profile_of_its_own() -> None:
    refuses = FaultRates(wrong_result=0, missed_constraint=0, refusal=1)
    simulator = Simulator(SimOptions(profiles={"poor": Profile(rates=SimulatorRates(faults=refuses))}))
    [choice] = simulator.reply({**chat(INSTRUCTION), "model": "poor"}).choices
    assert choice.records[0]["fault"] == "refusal"


def test_a_reply_is_cut_off_where_it_passes_the_limit() -> None:
    [choice] = SIMULATOR.reply(chat("Why is the sky blue?", max_tokens=5)).choices
    assert choice.finish_reason == "length"
    assert len(choice.text) == 20


@given(st.integers(1, 60), st.integers(0, 1000))
def test_with_a_larger_limit_the_same_text_goes_on(limit: int, seed: int) -> None:
    cut, whole = (SIMULATOR.reply(chat(INSTRUCTION, seed=seed, max_tokens=most)) for most in (limit, 2048))
    assert text_of(whole).startswith(text_of(cut))


def test_a_draft_that_is_cut_off_at_the_usual_limit_is_whole_and_right_with_twice_as_much() -> None:
    cuts = FaultRates(truncation=1, wrong_result=0, missed_constraint=0, refusal=0)
    simulator = Simulator(SimOptions(profile=Profile(rates=SimulatorRates(faults=cuts))))
    drafts = [
        [simulator.reply(chat(INSTRUCTION, seed=seed, max_tokens=most)).choices[0] for most in (2048, 4096)]
        for seed in range(40)
    ]
    cut_off = [(short, longer) for short, longer in drafts if short.finish_reason == "length"]
    assert 10 < len(cut_off) < 30
    for short, longer in cut_off:
        assert longer.text.startswith(short.text)
        assert (longer.finish_reason, longer.records[0]["fault"], longer.records[0]["quality"]) == ("stop", None, 1)
        assert longer.records[0]["key"] == truth_key(INSTRUCTION, longer.text)
    assert all(short == longer for short, longer in drafts if short.finish_reason == "stop")


@pytest.mark.parametrize("style", STYLES)
def test_a_spoilt_reply_cannot_be_read_and_the_second_one_can(style: Style) -> None:
    simulator = Simulator(SimOptions(malformed=1))
    schema = load_prompt("reflect_instruction").json_schema or {}
    body = request("reflect_instruction", style, instruction=INSTRUCTION, response="It is 34.")
    spoilt = simulator.reply(body).choices[0]
    with pytest.raises(ReplyError):
        parse_reply(spoilt.text, schema)
    assert not spoilt.records
    complaint = load_prompt("repair").render(problem="`response` is missing", parts="critique, instruction, response")[
        -1
    ]
    again = [{"role": "assistant", "content": spoilt.text}, {"role": "user", "content": complaint.content}]
    mended = simulator.reply({**body, "messages": [*body["messages"], *again]}).choices[0]
    assert parse_reply(mended.text, schema)["instruction"]


def test_a_schema_of_somebody_else_is_filled_with_the_simplest_values() -> None:
    schema = {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "green"]},
            "sizes": {"type": "array", "items": {"type": "integer", "minimum": 3}},
            "note": {"type": "string"},
        },
    }
    form = {"type": "json_schema", "json_schema": {"name": "shirt", "schema": schema}}
    reply = SIMULATOR.reply(chat("Describe a shirt.", response_format=form))
    parts = json.loads(text_of(reply))
    assert parts["colour"] == "red"
    assert parts["sizes"] == [3]
    assert parts["note"].startswith("[simulated answer]")
    assert not reply.choices[0].known


def test_shipped_seeds_are_known_by_their_file(tmp_path: Path) -> None:
    row = {"instruction": "Name a tree.", "metadata": {"model_answer": "The oak is a tree."}}
    (tmp_path / "seeds.jsonl").write_text(json.dumps(row))
    simulator = Simulator(SimOptions(known=(tmp_path / "seeds.jsonl",)))
    [choice] = simulator.reply(chat("Name  a\ntree.")).choices
    assert choice.known
    assert choice.records[0]["quality"] is not None
