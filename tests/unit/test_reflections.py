import json
from collections.abc import Callable

import pytest

from preflect.errors import CallError
from preflect.ports import ChatModel, ChatRequest
from preflect.schemas import Message, NumberGrader, Rejection, Sample, Selection
from preflect.stages.reflect_instruction import ReflectInstruction
from preflect.stages.reflect_response import ReflectResponse

Scripted = Callable[[str, Callable[[ChatRequest], str | tuple[str, str]]], ChatModel]
MakeSample = Callable[..., Sample]

NEW = {
    "critique": "Too easy, and the answer is bare.",
    "instruction": "Name the capital of Peru and the year it was founded.",
    "response": "Lima, founded in 1535.",
}


def teacher(scripted: Scripted, **parts: str) -> ChatModel:
    return scripted("teacher", lambda _: json.dumps({**NEW, **parts}))


async def test_instruction_reflection_adds_a_critique_a_rewrite_and_its_response(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    before = make_sample("Name the capital of Peru.", "Lima", "Lima, Peru")
    after = await ReflectInstruction(teacher=teacher(scripted)).run(before)
    assert isinstance(after, Sample)
    [critique] = after.critiques
    assert (critique.kind, critique.target_id, critique.text) == ("instruction", before.seed.id, NEW["critique"])
    [_, rewrite] = after.instructions
    assert (rewrite.text, rewrite.origin, rewrite.parents) == (NEW["instruction"], "rewrite", (before.seed.id,))
    [response] = after.responses_to(rewrite.id)
    assert (response.text, response.origin) == (NEW["response"], "rewrite")
    assert response.parents == (before.responses[0].id,)
    assert critique.provenance == rewrite.provenance == response.provenance
    assert after.responses[:2] == before.responses
    assert after.instruction == before.seed


async def test_the_system_turn_is_kept_and_the_rest_is_replaced(scripted: Scripted, make_sample: MakeSample) -> None:
    turns = tuple(
        Message.model_validate({"role": role, "content": role})
        for role in ("system", "user", "assistant", "tool", "user")
    )
    sample = make_sample("", "Lima", messages=turns, input="some text")
    after = await ReflectInstruction(teacher=teacher(scripted)).run(sample)
    assert isinstance(after, Sample)
    rewrite = after.instructions[-1]
    assert rewrite.messages == (turns[0], Message(role="user", content=NEW["instruction"]))
    assert rewrite.input is None


async def test_what_made_the_original_verifiable_is_not_carried_over(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    sample = make_sample("Add 2 and 3.", "5", reference_answer="5", grader=NumberGrader())
    after = await ReflectInstruction(teacher=teacher(scripted)).run(sample)
    assert isinstance(after, Sample)
    assert (after.instructions[1].reference_answer, after.instructions[1].grader) == (None, None)
    assert after.seed.reference_answer == "5"


@pytest.mark.parametrize("text", ["Add these.\n\n2 and  3", "Add these."])
async def test_an_instruction_that_comes_back_unchanged_leaves_the_critique_alone(
    scripted: Scripted, make_sample: MakeSample, text: str
) -> None:
    sample = make_sample("Add  these.", "5", input="2 and 3")
    after = await ReflectInstruction(teacher=teacher(scripted, instruction=text)).run(sample)
    assert isinstance(after, Sample)
    assert after == sample.evolve(critiques=after.critiques)
    assert [critique.text for critique in after.critiques] == [NEW["critique"]]


async def test_response_reflection_rewrites_the_pair_that_goes_on(scripted: Scripted, make_sample: MakeSample) -> None:
    sample = make_sample("Name the capital of Peru.", "Lima", "Lima!")
    chosen = Selection(
        stage="select_instruction",
        instruction_id=sample.seed.id,
        response_id=sample.responses[1].id,
        rewrite_won=False,
        reason="for the test",
    )
    after = await ReflectResponse(teacher=teacher(scripted)).run(sample.evolve(selections=(chosen,)))
    assert isinstance(after, Sample)
    [critique] = after.critiques
    assert (critique.kind, critique.target_id) == ("response", sample.responses[1].id)
    rewrite = after.responses[-1]
    assert (rewrite.text, rewrite.origin) == (NEW["response"], "rewrite")
    assert (rewrite.instruction_id, rewrite.parents) == (sample.seed.id, (sample.responses[1].id,))


async def test_the_teacher_never_sees_the_reference_answer(scripted: Scripted, make_sample: MakeSample) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return json.dumps(NEW)

    sample = make_sample("Multiply 12345 by 3.", "about 37000", reference_answer="37035", grader=NumberGrader())
    await ReflectInstruction(teacher=scripted("t", answer)).run(sample)
    await ReflectResponse(teacher=scripted("t", answer)).run(sample)
    assert [request.schema_name for request in asked] == ["reflect_instruction", "reflect_response"]
    for request in asked:
        shown = request.messages[-1].content
        assert "<instruction>\nMultiply 12345 by 3.\n</instruction>" in shown
        assert "<response>\nabout 37000\n</response>" in shown
        assert "37035" not in shown


@pytest.mark.parametrize("stage", [ReflectInstruction, ReflectResponse])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("The pair is fine.", "unparsable"),
        (json.dumps({**NEW, "response": "I'm sorry, but I can't help with that."}), "refusal"),
        ((json.dumps(NEW), "length"), "truncated"),
    ],
)
async def test_an_unusable_reply_leaves_the_sample_unharmed(
    scripted: Scripted,
    make_sample: MakeSample,
    stage: type[ReflectInstruction | ReflectResponse],
    said: str | tuple[str, str],
    reason: str,
) -> None:
    sample = make_sample("Name a sea.", "The Baltic.")
    after = await stage(teacher=scripted("t", lambda _: said)).run(sample)
    assert isinstance(after, Sample)
    [lost] = after.rejections
    assert (lost.reason, lost.cause, lost.sample_id) == (reason, "reply", sample.id)
    assert after == sample.evolve(rejections=(lost,))


@pytest.mark.parametrize("stage", [ReflectInstruction, ReflectResponse])
async def test_without_a_response_there_is_nothing_to_reflect_on(
    scripted: Scripted, make_sample: MakeSample, stage: type[ReflectInstruction | ReflectResponse]
) -> None:
    outcome = await stage(teacher=teacher(scripted)).run(make_sample())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "no_response"


@pytest.mark.parametrize("stage", [ReflectInstruction, ReflectResponse])
async def test_a_failed_call_is_the_engines_affair(
    scripted: Scripted, make_sample: MakeSample, stage: type[ReflectInstruction | ReflectResponse]
) -> None:
    def answer(_: ChatRequest) -> str:
        raise CallError("call_timeout", "120 s")

    with pytest.raises(CallError, match="call_timeout"):
        await stage(teacher=scripted("t", answer)).run(make_sample("Name a sea.", "The Baltic."))
