import json
import re
from collections.abc import Callable

from preflect.ports import ChatModel, ChatRequest
from preflect.schemas import Rejection, Response, Sample
from preflect.stages.judge_aspects import JudgeAspects, aspects_schema

Scripted = Callable[[str, Callable[[ChatRequest], str | tuple[str, str]]], ChatModel]
MakeSample = Callable[..., Sample]


def rate_by_digit(request: ChatRequest) -> str:
    """Each answer is rated by the digit in it."""
    shown = re.findall(r"<response_(\d+)>\nanswer (\d)\n</response_\1>", request.messages[1].content)
    assert request.json_schema is not None
    aspects = request.json_schema["properties"]["response_1"]["required"]
    return json.dumps(
        {
            f"response_{place}": {a: {"rationale": f"It says {digit}.", "score": int(digit)} for a in aspects}
            for place, digit in shown
        }
    )


async def test_every_response_gets_the_ratings_meant_for_it_whatever_place_it_was_shown_in(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    for text in ("Pick a number.", "Pick another.", "Pick a third."):
        sample = make_sample(text, "answer 1", "answer 3", "answer 5")
        after = await JudgeAspects(judge=scripted("judge", rate_by_digit)).run(sample)
        assert isinstance(after, Sample)
        assert len(after.ratings) == 12
        for rating in after.ratings:
            assert f"answer {rating.score}" == after.response_of(rating.response_id).text
            assert rating.rationale == f"It says {rating.score}."
            assert rating.judge == "judge"
            assert rating.provenance.model == "judge-1"


async def test_the_order_shown_differs_between_samples_and_is_the_same_in_every_run(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    orders: list[tuple[str, ...]] = []

    def answer(request: ChatRequest) -> str:
        orders.append(tuple(re.findall(r"\nanswer (\d)\n", request.messages[-1].content)))
        return rate_by_digit(request)

    samples = [make_sample(f"Pick number {n}.", "answer 1", "answer 2", "answer 3") for n in range(12)]
    for sample in (*samples, *samples):
        await JudgeAspects(judge=scripted("judge", answer)).run(sample)
    assert orders[:12] == orders[12:]
    assert len(set(orders)) > 2


async def test_only_the_aspects_asked_for_are_rated_and_explained(scripted: Scripted, make_sample: MakeSample) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return rate_by_digit(request)

    stage = JudgeAspects(judge=scripted("judge", answer), aspects=("honesty",))
    after = await stage.run(make_sample("Pick a number.", "answer 4"))
    assert isinstance(after, Sample)
    assert [(rating.aspect, rating.score) for rating in after.ratings] == [("honesty", 4)]
    assert "**Helpfulness.**" not in asked[0].messages[-1].content
    assert asked[0].prompt_version == stage.prompt.version


async def test_responses_to_other_instructions_are_not_shown(scripted: Scripted, make_sample: MakeSample) -> None:
    sample = make_sample("Pick a number.", "answer 2")
    other = Response(instruction_id="another", text="answer 5", origin="rewrite")
    after = await JudgeAspects(judge=scripted("judge", rate_by_digit)).run(
        sample.evolve(responses=(*sample.responses, other))
    )
    assert isinstance(after, Sample)
    assert {rating.response_id for rating in after.ratings} == {sample.responses[0].id}


async def test_a_score_off_the_scale_is_asked_for_again_then_kept_as_a_lost_reply(
    scripted: Scripted, make_sample: MakeSample
) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return rate_by_digit(request)

    sample = make_sample("Pick a number.", "answer 9", "answer 2")
    after = await JudgeAspects(judge=scripted("judge", answer), aspects=("honesty",)).run(sample)
    assert isinstance(after, Sample)
    assert after.ratings == ()
    [lost] = after.rejections
    assert (lost.stage, lost.cause, lost.reason) == ("judge_aspects", "reply", "unparsable")
    assert "honesty.score" in lost.detail
    assert len(asked) == 2
    assert "9 is not one of [1, 2, 3, 4, 5]" in asked[1].messages[-1].content


async def test_without_a_response_there_is_nothing_to_judge(scripted: Scripted, make_sample: MakeSample) -> None:
    outcome = await JudgeAspects(judge=scripted("judge", rate_by_digit)).run(make_sample())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "no_response"


def test_the_rationale_stands_before_the_score_in_the_schema() -> None:
    schema = aspects_schema(1, ("honesty",))
    rating = schema["properties"]["response_1"]["properties"]["honesty"]
    assert rating["required"] == ["rationale", "score"]
