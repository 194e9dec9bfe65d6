from collections.abc import Callable

from preflect.curation.dedup import Dedup
from preflect.schemas import Message, Rejection, Sample

MakeSample = Callable[..., Sample]


async def test_the_later_of_two_near_duplicates_is_rejected_naming_the_earlier(make_sample: MakeSample) -> None:
    first = make_sample("Name three rivers that cross Germany.")
    other = make_sample("Add 17 and 25.", index=1)
    again = make_sample("Name three rivers that cross Germany, please.", index=2)
    [one, two, three] = [outcome async for outcome in Dedup().run_all([first, other, again])]
    assert [one, two] == [first, other]
    assert isinstance(three, Rejection)
    assert (three.sample_id, three.cause, three.reason) == (again.id, "filter", "near_duplicate")
    assert first.id in three.detail
    assert "0.92" in three.detail


async def test_the_same_instruction_on_another_input_is_another_question(make_sample: MakeSample) -> None:
    samples = [
        make_sample("Say whether the review is positive.", input="The soup was cold, the waiter rude, the bill high."),
        make_sample("Say whether the review is positive.", input="What a lovely evening by the sea we had there!"),
    ]
    assert [outcome async for outcome in Dedup().run_all(samples)] == samples


async def test_the_same_last_turn_of_another_conversation_is_another_question(make_sample: MakeSample) -> None:
    def after(earlier: str) -> Sample:
        turns = (("user", earlier), ("assistant", f"{earlier} indeed"), ("user", "Why is that so?"))
        return make_sample(messages=tuple(Message.model_validate({"role": r, "content": c}) for r, c in turns))

    samples = [after("Copper turns green outdoors over the years."), after("Ice floats on liquid water.")]
    assert [outcome async for outcome in Dedup().run_all(samples)] == samples


async def test_at_the_highest_limit_only_exact_repeats_are_dropped(make_sample: MakeSample) -> None:
    samples = [make_sample("Add 2 and 3."), make_sample("Add 2 and 3!", index=1)]
    again = make_sample("Add 2 and 3.", index=2)
    [*kept, dropped] = [outcome async for outcome in Dedup(max_similarity=1.0).run_all([*samples, again])]
    assert kept == samples
    assert isinstance(dropped, Rejection)
    assert (dropped.reason, samples[0].id in dropped.detail) == ("near_duplicate", True)
