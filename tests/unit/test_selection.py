"""The two selections: their whole truth table, what they ask the student, and what they keep."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal

import pytest

from preflect.ports import ChatModel, ChatRequest, Dropped, NllPair, ScoreQuery
from preflect.recipes.read import read_recipe
from preflect.recipes.stages import Models, per_sample_stage
from preflect.schemas import Instruction, Message, Rejection, Response, Sample
from preflect.scoring import no_score
from preflect.stages.reflect_instruction import ReflectInstruction
from preflect.stages.reflect_response import ReflectResponse
from preflect.stages.select_instruction import SelectInstruction
from preflect.stages.select_response import SelectResponse

Scripted = Callable[[str, Callable[[ChatRequest], str]], ChatModel]
Value = float | None
LOSS = 4.0
"""Unconditioned loss of everything the table student reads, in nats per token."""


@dataclass
class TableStudent:
    """A student whose perplexity ratios are written down by direction and response; it counts what it is asked."""

    forward: dict[str, Value] = field(default_factory=dict[str, Value])
    reverse: dict[str, Value] = field(default_factory=dict[str, Value])
    name: str = "table"
    revision: str = "1"
    template: str = "gpt2"
    noise: float = 0.0
    asked: list[ScoreQuery] = field(default_factory=list[ScoreQuery])

    async def score(self, query: ScoreQuery) -> NllPair:
        self.asked.append(query)
        ratio = (self.forward if query.direction == "forward" else self.reverse)[query.response]
        if ratio is None:
            return no_score("unscorable:cut_away")
        return NllPair(
            conditioned=LOSS + math.log(ratio), unconditioned=LOSS, conditioned_tokens=9, unconditioned_tokens=9
        )

    @property
    def sequences(self) -> int:
        return 2 * len(self.asked)


def instruction(text: str, origin: Literal["seed", "rewrite"] = "seed", parents: tuple[str, ...] = ()) -> Instruction:
    return Instruction(messages=(Message(role="user", content=text),), origin=origin, parents=parents)


def response(to: Instruction, text: str, improves: Response | None = None, *, rewrite: bool = False) -> Response:
    return Response(
        instruction_id=to.id,
        text=text,
        origin="rewrite" if rewrite or improves else "draft",
        parents=(improves.id,) if improves else (),
    )


SEED = instruction("seed")
HARDER = instruction("harder", "rewrite", (SEED.id,))
DRAFT = response(SEED, "draft")
NEW = response(HARDER, "new", rewrite=True)
BETTER_DRAFT = response(SEED, "better draft", DRAFT)
BETTER_NEW = response(HARDER, "better new", NEW)
PLAIN = Sample(id=SEED.id, index=0, instructions=(SEED,), responses=(DRAFT,))
REFLECTED = PLAIN.evolve(instructions=(SEED, HARDER), responses=(DRAFT, NEW))
IMPROVED = PLAIN.evolve(responses=(DRAFT, BETTER_DRAFT))


async def went_on(stage: SelectInstruction | SelectResponse, sample: Sample) -> Sample:
    out = await stage.run(sample)
    assert isinstance(out, Sample)
    return out


async def was_rejected(stage: SelectInstruction | SelectResponse, sample: Sample) -> Rejection:
    out = await stage.run(sample)
    assert not isinstance(out, Sample)
    return out.rejection if isinstance(out, Dropped) else out


@pytest.mark.parametrize(("before", "after"), list(product([None, 0.5, 0.9, 1.3], repeat=2)))
async def test_the_rewritten_pair_wins_iff_its_ifd_is_higher(before: Value, after: Value) -> None:
    student = TableStudent(forward={"draft": before, "new": after})
    out = await went_on(SelectInstruction(student=student), REFLECTED)
    wins = before is not None and after is not None and after > before
    assert (out.instruction, out.response) == ((HARDER, NEW) if wins else (SEED, DRAFT))
    assert out.selections[-1].rewrite_won is wins
    assert student.sequences == 4


async def test_selection_of_the_instruction_keeps_both_pairs_scores_and_says_the_numbers() -> None:
    student = TableStudent(forward={"draft": 0.5, "new": 0.75})
    out = await went_on(SelectInstruction(student=student), REFLECTED)
    values = {(s.response_id, s.metric): s.value for s in out.scores}
    assert values == {
        (DRAFT.id, "ifd_ppl"): pytest.approx(0.5),
        (DRAFT.id, "ifd_loss"): pytest.approx((LOSS + math.log(0.5)) / LOSS),
        (NEW.id, "ifd_ppl"): pytest.approx(0.75),
        (NEW.id, "ifd_loss"): pytest.approx((LOSS + math.log(0.75)) / LOSS),
    }
    assert out.selections[-1].reason == "ifd_ppl of rewrite 0.7500, of original 0.5000"
    assert out.responses == REFLECTED.responses


async def test_an_unscorable_rewrite_loses_and_the_reason_is_kept() -> None:
    student = TableStudent(forward={"draft": 0.5, "new": None})
    out = await went_on(SelectInstruction(student=student), REFLECTED)
    assert out.response == DRAFT
    assert "unscorable:cut_away" in out.selections[-1].reason
    assert {s.reason for s in out.scores if s.response_id == NEW.id} == {"unscorable:cut_away"}


@pytest.mark.parametrize("sample", [PLAIN, REFLECTED.evolve(responses=(DRAFT,))])
async def test_without_a_whole_rewritten_pair_the_original_goes_on_and_nobody_is_asked(sample: Sample) -> None:
    student = TableStudent()
    out = await went_on(SelectInstruction(student=student), sample)
    assert (out.instruction, out.response, student.asked) == (SEED, DRAFT, [])
    assert not out.selections[-1].rewrite_won


async def test_the_newest_rewrite_of_the_current_instruction_is_the_one_compared() -> None:
    newest = instruction("hardest", "rewrite", (SEED.id,))
    stranger = instruction("of another", "rewrite", (HARDER.id,))
    answer = response(newest, "newest", rewrite=True)
    sample = REFLECTED.evolve(instructions=(SEED, HARDER, newest, stranger), responses=(DRAFT, NEW, answer))
    out = await went_on(
        SelectInstruction(student=TableStudent(forward={"draft": 0.5, "newest": 0.6})),
        sample.evolve(responses=(*sample.responses, response(stranger, "stranger", rewrite=True))),
    )
    assert (out.instruction, out.response) == (newest, answer)


async def test_the_metric_decides() -> None:
    # ifd_loss ranks as ifd_ppl does only where the unconditioned losses are equal; here they are not.
    class TwoLosses(TableStudent):
        async def score(self, query: ScoreQuery) -> NllPair:
            conditioned, alone = {"draft": (1.0, 2.0), "new": (5.0, 6.5)}[query.response]
            return NllPair(conditioned=conditioned, unconditioned=alone, conditioned_tokens=9, unconditioned_tokens=9)

    by_ppl = await went_on(SelectInstruction(student=TwoLosses(), metric="ifd_ppl"), REFLECTED)
    by_loss = await went_on(SelectInstruction(student=TwoLosses(), metric="ifd_loss"), REFLECTED)
    assert (by_ppl.response, by_loss.response) == (DRAFT, NEW)


@pytest.mark.parametrize("stage", [SelectInstruction(student=TableStudent()), SelectResponse(student=TableStudent())])
async def test_a_sample_without_any_response_is_rejected(stage: SelectInstruction | SelectResponse) -> None:
    rejection = await was_rejected(stage, PLAIN.evolve(responses=()))
    assert (rejection.cause, rejection.reason) == ("filter", "no_response")
    assert (rejection.sample_id, rejection.stage) == (SEED.id, stage.name)


REVERSED: tuple[Value, ...] = (None, 0.5, 0.9, 1.2)
FORWARD: tuple[Value, ...] = (None, 0.8, 1.0, 1.2)


@pytest.mark.parametrize("mode", ["strict", "recycle"])
@pytest.mark.parametrize("has_rewrite", [False, True])
async def test_selection_of_the_response_follows_its_whole_truth_table(
    mode: Literal["strict", "recycle"], has_rewrite: bool
) -> None:
    for r_kept, r_rewrite, ifd_kept, ifd_rewrite in product(REVERSED, REVERSED, FORWARD, FORWARD):
        student = TableStudent(
            forward={"draft": ifd_kept, "better draft": ifd_rewrite},
            reverse={"draft": r_kept, "better draft": r_rewrite},
        )
        wins = has_rewrite and r_kept is not None and r_rewrite is not None and r_rewrite < r_kept
        final, r_final, ifd_final = (BETTER_DRAFT, r_rewrite, ifd_rewrite) if wins else (DRAFT, r_kept, ifd_kept)
        good = r_final is not None and ifd_final is not None and r_final < 1 and ifd_final < 1
        out = await SelectResponse(student=student, mode=mode).run(IMPROVED if has_rewrite else PLAIN)
        if mode == "strict" and not wins:
            assert isinstance(out, Dropped)
            assert (out.rejection.cause, out.rejection.reason) == ("filter", "not_selected")
        elif not good:
            assert isinstance(out, Dropped)
            assert (out.rejection.cause, out.rejection.reason) == ("filter", "not_admitted")
            assert {score.metric for score in out.sample.scores} >= {"ifd_ppl", "r_ifd_ppl"}
        else:
            assert isinstance(out, Sample)
            assert out.response == final
            assert out.selections[-1].rewrite_won is wins
        assert student.sequences <= 6


async def test_a_pair_that_is_not_admitted_is_rejected_with_its_numbers() -> None:
    student = TableStudent(forward={"draft": 1.25}, reverse={"draft": 0.5})
    rejection = await was_rejected(SelectResponse(student=student), PLAIN)
    assert rejection.detail == "r_ifd_ppl 0.5000, ifd_ppl 1.2500; both must be below 1"


async def test_the_threshold_is_an_option() -> None:
    student = TableStudent(forward={"draft": 1.25}, reverse={"draft": 0.5})
    assert (await went_on(SelectResponse(student=student, threshold=1.3), PLAIN)).response == DRAFT


async def test_the_reversed_score_may_have_a_threshold_of_its_own() -> None:
    student = TableStudent(forward={"draft": 0.75}, reverse={"draft": 0.5})
    rejection = await was_rejected(SelectResponse(student=student, threshold=0.9, reverse_threshold=0.4), PLAIN)
    assert rejection.detail == "r_ifd_ppl 0.5000, ifd_ppl 0.7500; both must be below 0.4 and 0.9"
    assert (await went_on(SelectResponse(student=student, threshold=0.9, reverse_threshold=0.6), PLAIN)).scores


@pytest.mark.parametrize(
    ("student", "stage", "bounds"),
    [
        ("{kind: ppm}", "", (1.0, 1.0)),
        ("{kind: ppm, thresholds: {ifd_ppl: 0.93, r_ifd_ppl: 0.92}}", "", (0.93, 0.92)),
        ("{kind: ppm, thresholds: {ifd_ppl: 0.93, ifd_loss: 0.97}}", ", metric: ifd_loss", (0.97, 1.0)),
        ("{kind: ppm, thresholds: {ifd_ppl: 0.93}}", ", threshold: 1.1", (1.1, 1.1)),
    ],
)
def test_a_student_s_thresholds_count_where_the_stage_has_none(
    tmp_path: Path, student: str, stage: str, bounds: tuple[float, float]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"name: n\ninput: {{path: rows.jsonl}}\nmodels: {{s: {student}}}\n"
        f"stages: [{{stage: select_response, model: s{stage}}}]\n"
    )
    recipe = read_recipe(path)
    built = per_sample_stage(recipe, 0, "select_response", Models({}, {"s": TableStudent()}))
    assert isinstance(built, SelectResponse)
    assert (built.threshold, built.reverse_threshold) == bounds


async def test_a_rewrite_of_another_response_is_not_compared() -> None:
    other = response(SEED, "other draft")
    sample = PLAIN.evolve(responses=(DRAFT, other, response(SEED, "better other", other)))
    student = TableStudent(forward={"draft": 0.8}, reverse={"draft": 0.8})
    out = await went_on(SelectResponse(student=student), sample)
    assert out.response == DRAFT
    assert [query.response for query in student.asked] == ["draft", "draft"]


async def test_both_selections_together_ask_for_ten_sequences_at_most() -> None:
    student = TableStudent(
        forward={"draft": 0.5, "new": 0.6, "better new": 0.7}, reverse={"new": 0.8, "better new": 0.7}
    )
    first = await went_on(SelectInstruction(student=student), REFLECTED)
    second = await went_on(SelectResponse(student=student), first.evolve(responses=(*first.responses, BETTER_NEW)))
    assert (second.instruction, second.response) == (HARDER, BETTER_NEW)
    assert student.sequences == 10


async def test_a_score_that_the_sample_has_is_not_asked_for_again() -> None:
    student = TableStudent(forward={"draft": 0.5, "new": 0.4}, reverse={"draft": 0.8})
    first = await went_on(SelectInstruction(student=student), REFLECTED)
    second = await went_on(SelectResponse(student=student), first)
    assert [query.direction for query in student.asked] == ["forward", "forward", "reverse"]
    assert len(second.scores) == len(first.scores) + 1


@pytest.mark.parametrize("other", [TableStudent(name="b"), TableStudent(revision="2"), TableStudent(template="wiz")])
async def test_another_students_score_is_no_score_of_this_one(other: TableStudent) -> None:
    first = await went_on(SelectInstruction(student=TableStudent(forward={"draft": 0.5, "new": 0.4})), REFLECTED)
    other.forward, other.reverse = {"draft": 0.9}, {"draft": 0.9}
    await went_on(SelectResponse(student=other), first)
    assert [query.direction for query in other.asked] == ["forward", "reverse"]


async def test_selecting_again_from_the_same_scores_asks_nobody() -> None:
    student = TableStudent(forward={"draft": 0.5, "new": 0.4})
    first = await went_on(SelectInstruction(student=student), REFLECTED)
    again = await went_on(SelectInstruction(student=TableStudent()), first)
    assert again.scores == first.scores
    assert again.response == first.response


# Both selections and the admission together


RULE: tuple[Value, ...] = (None, 0.6, 0.8, 1.2)


@pytest.mark.parametrize("mode", ["strict", "recycle"])
async def test_a_sample_goes_the_way_that_the_whole_rule_says(mode: Literal["strict", "recycle"]) -> None:
    for old, new, r_kept, r_better, better in product(RULE, RULE, RULE, RULE, (None, 0.7, 1.2)):
        harder = old is not None and new is not None and new > old
        helps = r_kept is not None and r_better is not None and r_better < r_kept
        final = (better, r_better) if helps else (new if harder else old, r_kept)
        admitted = all(value is not None and value < 1 for value in final) and (helps or mode == "recycle")
        student = TableStudent(
            forward={"draft": old, "new": new, "better draft": better, "better new": better},
            reverse={"draft": r_kept, "new": r_kept, "better draft": r_better, "better new": r_better},
        )
        out = await whole_rule(student, mode)
        assert isinstance(out, Sample) is admitted
        sample = out if isinstance(out, Sample) else out.sample
        assert (sample.instruction.id == HARDER.id, sample.selections[-1].rewrite_won) == (harder, helps)
        assert student.sequences <= 10
        # Only the branch that selection 1 took is ever looked at again.
        later = {query.response for query in student.asked[2:]}
        assert later <= ({"new", "better new"} if harder else {"draft", "better draft"})


async def whole_rule(student: TableStudent, mode: Literal["strict", "recycle"]) -> Sample | Dropped:
    first = await went_on(SelectInstruction(student=student), REFLECTED)
    kept = BETTER_NEW if first.response == NEW else BETTER_DRAFT
    out = await SelectResponse(student=student, mode=mode).run(first.evolve(responses=(*first.responses, kept)))
    assert not isinstance(out, Rejection)
    return out


async def test_one_response_is_reflected_on_per_sample_that_of_the_branch_that_won(scripted: Scripted) -> None:
    asked: list[ChatRequest] = []

    def answer(request: ChatRequest) -> str:
        asked.append(request)
        return json.dumps({"critique": "Bare.", "response": "better new"})

    student = TableStudent(forward={"draft": 0.5, "new": 0.6})
    first = await went_on(SelectInstruction(student=student), REFLECTED)
    after = await ReflectResponse(teacher=scripted("teacher", answer)).run(first)
    assert isinstance(after, Sample)
    assert after.responses[-1].parents == (NEW.id,)
    assert len(asked) == 1


async def test_the_answer_to_the_new_instruction_is_no_rewrite_of_the_old_one_s(scripted: Scripted) -> None:
    replies = {
        "reflect_instruction": json.dumps({"critique": "Easy.", "instruction": "harder", "response": "new"}),
        "reflect_response": "no JSON",
    }

    def answer(request: ChatRequest) -> str:
        return replies[request.schema_name or ""]

    teacher = scripted("teacher", answer)
    student = TableStudent(forward={"draft": 0.9, "new": 0.5}, reverse={"draft": 0.8, "new": 0.1})
    reflected = await ReflectInstruction(teacher=teacher).run(PLAIN)
    assert isinstance(reflected, Sample)
    first = await went_on(SelectInstruction(student=student), reflected)
    again = await ReflectResponse(teacher=teacher).run(first)
    assert isinstance(again, Sample)
    assert [r.text for r in again.responses] == ["draft", "new"]
    second = await went_on(SelectResponse(student=student), again)
    assert (second.instruction, second.response) == (SEED, DRAFT)
    assert second.selections[-1].reason == "no rewrite: response kept"


# Scores too close for the precision they were computed in


@dataclass
class NoisyStudent(TableStudent):
    """Off by 0.03 in favour of what is shorter, unless it is asked to be exact."""

    noise: float = 0.05

    async def score(self, query: ScoreQuery) -> NllPair:
        pair = await super().score(query)
        if query.exact or pair.conditioned is None:
            return pair
        off = 0.03 if len(query.response) < len("better draft") else -0.03
        return replace(pair, conditioned=LOSS + math.log(math.exp(pair.conditioned - LOSS) + off))

    @property
    def exactly(self) -> list[tuple[str, str]]:
        return [(query.direction, query.response) for query in self.asked if query.exact]


async def test_two_scores_that_noise_could_swap_are_computed_exactly() -> None:
    student = NoisyStudent(reverse={"draft": 0.70, "better draft": 0.72}, forward={"draft": 0.5})
    out = await went_on(SelectResponse(student=student), IMPROVED)
    assert student.exactly == [("reverse", "draft"), ("reverse", "better draft")]
    assert out.response == DRAFT
    values = [score.value for score in out.scores if score.metric == "r_ifd_ppl"]
    assert values == [pytest.approx(0.70), pytest.approx(0.72)]


async def test_two_scores_far_apart_are_not_computed_again() -> None:
    student = NoisyStudent(forward={"draft": 0.5, "new": 0.7})
    await went_on(SelectInstruction(student=student), REFLECTED)
    assert student.exactly == []


@pytest.mark.parametrize(("ratio", "admitted"), [(0.98, True), (1.01, False)])
async def test_a_score_that_noise_could_carry_across_the_threshold_is_computed_exactly(
    ratio: float, admitted: bool
) -> None:
    student = NoisyStudent(forward={"draft": ratio}, reverse={"draft": 0.5})
    out = await SelectResponse(student=student).run(PLAIN)
    assert isinstance(out, Sample) is admitted
    assert student.exactly == [("forward", "draft")]
    sample = out.sample if isinstance(out, Dropped) else out
    assert isinstance(sample, Sample)
    assert [score.value for score in sample.scores if score.metric == "ifd_ppl"] == [pytest.approx(ratio)]
