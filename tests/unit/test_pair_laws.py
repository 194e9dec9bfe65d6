"""Laws that no sample may break, whatever its evidence."""

import random
from typing import Literal, get_args

from hypothesis import given
from hypothesis import strategies as st

from preflect.schemas import Grade, Instruction, Message, Pair, Provenance, Rating, Rejection, Response, Sample, Verdict
from preflect.schemas.stages import Strategy
from preflect.stages.evidence import Evidence, Finding
from preflect.stages.pair import choose_pair
from preflect.stages.ranking import settle, standings

ASKED = Instruction(messages=(Message(role="user", content="Name a river."),))
DRAFTS = tuple(Response(instruction_id=ASKED.id, text=f"answer {n}") for n in range(3))
REWRITES = tuple(
    Response(instruction_id=ASKED.id, text=f"better answer {n}", origin="rewrite", parents=(draft.id,))
    for n, draft in enumerate(DRAFTS)
)
RESPONSES = (*DRAFTS, *REWRITES)
IDS = tuple(response.id for response in RESPONSES)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
MADE = Provenance(model="m", prompt_version="p@1", call_id="c")

any_id = st.sampled_from(IDS)
two_ids = st.tuples(any_id, any_id).filter(lambda two: two[0] != two[1])


def a_rating(response_id: str, aspect: str, score: int) -> Rating:
    return Rating(response_id=response_id, aspect=aspect, score=score, rationale="", judge="j", provenance=MADE)


ratings = st.lists(st.builds(a_rating, any_id, st.sampled_from("ab"), st.integers(1, 5)), max_size=14)
grades = st.dictionaries(any_id, st.sampled_from([None, 0.0, 0.5, 1.0]), max_size=6).map(
    lambda scores: [Grade(response_id=r, grader="number", score=score) for r, score in scores.items()]
)
sources: st.SearchStrategy[Literal["judge", "grader", "human"]] = st.sampled_from(("judge", "grader", "human"))


@st.composite
def some_verdicts(draw: st.DrawFn) -> list[Verdict]:
    both = draw(st.lists(two_ids, max_size=5))
    return [Verdict(better_id=a, worse_id=b, source=draw(sources), tie=draw(st.booleans())) for a, b in both]


@st.composite
def some_samples(draw: st.DrawFn) -> Sample:
    return Sample(
        id=ASKED.id,
        index=0,
        instructions=(ASKED,),
        responses=tuple(draw(st.lists(st.sampled_from(RESPONSES), unique_by=lambda response: response.id))),
        ratings=tuple(draw(ratings)),
        grades=tuple(draw(grades)),
        verdicts=tuple(draw(some_verdicts())),
    )


samples = some_samples()
strategies = st.sampled_from(STRATEGIES)


def choose(sample: Sample, strategy: Strategy, min_margin: float = 0.0) -> Pair | Rejection:
    return choose_pair(sample, strategy, min_margin, random.Random(3))


@given(samples, strategies, st.randoms(use_true_random=False))
def test_the_order_of_candidates_and_evidence_changes_nothing(
    sample: Sample, strategy: Strategy, shuffle: random.Random
) -> None:
    shuffled = sample.evolve(
        responses=tuple(shuffle.sample(sample.responses, len(sample.responses))),
        ratings=tuple(shuffle.sample(sample.ratings, len(sample.ratings))),
        grades=tuple(shuffle.sample(sample.grades, len(sample.grades))),
        verdicts=tuple(shuffle.sample(sample.verdicts, len(sample.verdicts))),
    )
    assert choose(sample, strategy) == choose(shuffled, strategy)


@given(samples, strategies)
def test_chosen_never_ranks_below_rejected_and_is_never_known_to_be_wrong_by_less_than_a_person(
    sample: Sample, strategy: Strategy
) -> None:
    pair = choose(sample, strategy)
    if isinstance(pair, Rejection):
        return
    evidence = Evidence(sample)
    found = evidence.compare(pair.chosen_id, pair.rejected_id)
    assert isinstance(found, Finding)
    assert (found.better, found.margin, found.strength.basis) == (pair.chosen_id, pair.margin, pair.basis)
    assert pair.margin > 0
    by_person = any(v.source == "human" and v.better_id == pair.chosen_id for v in sample.verdicts)
    assert by_person or not evidence.is_wrong(pair.chosen_id)
    if not by_person and pair.rejected_id in evidence.grades:
        assert evidence.grades.get(pair.chosen_id, 1.0) >= evidence.grades[pair.rejected_id] or any(
            v.source == "grader" for v in sample.verdicts
        )


@given(samples, strategies, st.floats(0, 4), st.floats(0, 4))
def test_a_higher_minimum_keeps_the_same_pair_or_none(
    sample: Sample, strategy: Strategy, one: float, other: float
) -> None:
    lower, higher = choose(sample, strategy, min(one, other)), choose(sample, strategy, max(one, other))
    assert isinstance(higher, Rejection) or higher == lower


@given(samples, strategies, two_ids)
def test_a_persons_verdict_is_never_turned_round(sample: Sample, strategy: Strategy, two: tuple[str, str]) -> None:
    others = tuple(v for v in sample.verdicts if {v.better_id, v.worse_id} != set(two))
    told = sample.evolve(verdicts=(*others, Verdict(better_id=two[0], worse_id=two[1], source="human")))
    pair = choose(told, strategy)
    assert isinstance(pair, Rejection) or (pair.chosen_id, pair.rejected_id) != (two[1], two[0])


@given(ratings)
def test_a_verdict_flips_any_rating(given_ratings: list[Rating]) -> None:
    sample = Sample(
        id=ASKED.id, index=0, instructions=(ASKED,), responses=DRAFTS[:2], ratings=tuple(given_ratings), verdicts=()
    )
    first, second = DRAFTS[0].id, DRAFTS[1].id
    for better, worse in ((first, second), (second, first)):
        told = sample.evolve(verdicts=(Verdict(better_id=better, worse_id=worse, source="judge"),))
        pair = choose(told, "best_worst", 4.0)
        assert isinstance(pair, Pair)
        assert (pair.chosen_id, pair.basis) == (better, "verdict")


@given(samples)
def test_what_is_settled_has_no_circle_and_the_better_always_stands_higher(sample: Sample) -> None:
    evidence = Evidence(sample)
    outcomes = (evidence.compare(a, b) for place, a in enumerate(IDS) for b in IDS[place + 1 :])
    findings = [found for found in outcomes if isinstance(found, Finding)]
    settled = settle(findings)
    standing = standings(settled)
    assert all(standing[found.better] > standing[found.worse] for found in settled)
    assert sorted(map(repr, settle(findings[::-1]))) == sorted(map(repr, settled))
