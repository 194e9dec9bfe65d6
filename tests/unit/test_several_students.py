"""Several students of one stage: the first decides, the others are kept, and the report says how far they agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.adapters.ppm import PpmScorer
from preflect.curation.choice import Filter
from preflect.curation.filter_stage import FilterSamples
from preflect.engine import run
from preflect.engine.run_folder import RunFolder
from preflect.errors import RecipeError
from preflect.ports import Dropped
from preflect.recipes import load
from preflect.report.opinions import Opinions
from preflect.report.tables import opinions_table, ranks_table
from preflect.schemas import Instruction, Message, Opinion, PpmStudent, Response, Sample, StudentScore
from preflect.scoring.hashed_text import HashedText
from preflect.scoring.ppm import ByteModel
from preflect.scoring.voting import Voter
from preflect.stages.select_instruction import SelectInstruction
from preflect.stages.select_response import SelectResponse

from .test_selection import DRAFT, PLAIN, REFLECTED, TableStudent

Question = Literal["rewrite", "admission", "filter"]


def small(**tables: Any) -> TableStudent:
    return TableStudent(name="small", **tables)


def large(**tables: Any) -> TableStudent:
    return TableStudent(name="large", **tables)


# The stages


async def test_the_first_student_decides_on_the_instruction_and_what_the_other_says_is_kept() -> None:
    for first_says in (True, False):
        ratios = {True: {"draft": 0.5, "new": 0.6}, False: {"draft": 0.5, "new": 0.4}}
        one, other = small(forward=ratios[first_says]), large(forward=ratios[not first_says])
        stage = SelectInstruction(student=one, others=(Voter(name="big", student=other),), model="little")
        out = await stage.run(REFLECTED)
        assert isinstance(out, Sample)
        assert out.selections[-1].rewrite_won is first_says
        assert [(o.stage, o.question, o.model, o.student, o.yes) for o in out.opinions] == [
            ("select_instruction", "rewrite", "little", "small", first_says),
            ("select_instruction", "rewrite", "big", "large", not first_says),
        ]
        assert {(score.student, score.revision) for score in out.scores} == {("small", "1"), ("large", "1")}


async def test_each_student_admits_by_thresholds_of_its_own() -> None:
    one, other = (made(forward={"draft": 0.8}, reverse={"draft": 0.7}) for made in (small, large))
    voters = [
        Voter(name="strict", student=one, threshold=0.9, reverse_threshold=0.6),
        Voter(name="usual", student=other),
    ]
    for first, second in (voters, reversed(voters)):
        out = await SelectResponse(
            student=first.student, model=first.name, threshold=first.threshold,
            reverse_threshold=first.reverse_threshold, others=(second,),
        ).run(PLAIN)  # fmt: skip
        assert isinstance(out, Dropped) is (first.name == "strict")
        sample = out.sample if isinstance(out, Dropped) else out
        assert isinstance(sample, Sample)
        assert [(o.question, o.model, o.yes) for o in sample.opinions] == [
            ("admission", voter.name, voter.name == "usual") for voter in (first, second)
        ]


async def test_the_scores_of_the_student_that_decided_stand_last() -> None:
    one, other = (made(forward={"draft": 0.8}, reverse={"draft": 0.7}) for made in (small, large))
    out = await SelectResponse(student=one, others=(Voter(name="b", student=other),)).run(PLAIN)
    assert isinstance(out, Sample)
    assert [score.student for score in out.scores] == ["large"] * 3 + ["small"] * 3


async def test_the_scores_of_one_student_at_two_lengths_do_not_stand_in_for_each_other() -> None:
    asked = Instruction(messages=(Message(role="user", content="Say where the cat sat, and when."),))
    answer = Response(instruction_id=asked.id, text="The cat sat on the mat at nine in the morning. " * 20)
    sample = Sample(id="long", index=0, instructions=(asked,), responses=(answer,))
    short, long = PpmScorer(PpmStudent(max_length=100)), PpmScorer(PpmStudent())
    first = await SelectResponse(student=short, others=(Voter(name="b", student=long),)).run(sample)
    scored = first.sample if isinstance(first, Dropped) else first
    assert isinstance(scored, Sample)
    tokens = {one.revision: one.conditioned_tokens for one in scored.scores if one.metric == "ifd_ppl"}
    assert tokens == {short.revision: 67, long.revision: len(answer.text)}


def test_scores_of_the_usual_length_keep_the_revision_that_they_always_had() -> None:
    assert PpmScorer(PpmStudent()).revision == PpmScorer(PpmStudent(max_length=8192)).revision == ByteModel(5).revision


async def test_one_student_alone_leaves_no_opinion() -> None:
    out = await SelectResponse(student=small(forward={"draft": 0.8}, reverse={"draft": 0.7})).run(PLAIN)
    assert isinstance(out, Sample)
    assert out.opinions == ()


async def test_a_filter_keeps_what_its_first_student_prefers_and_says_what_the_other_would() -> None:
    responses = [DRAFT.evolve(text=text) for text in ("one", "two")]
    samples = [PLAIN.evolve(id=f"s{n}", index=n, responses=(one,)) for n, one in enumerate(responses)]
    one, other = small(forward={"one": 0.9, "two": 0.5}), large(forward={"one": 0.5, "two": 0.9})
    chosen = Filter(by="superfiltering", keep=0.5, embedder=HashedText())
    stage = FilterSamples(student=one, others=(Voter(name="b", student=other),), model="a", filter=chosen)
    kept, left = [outcome async for outcome in stage.run_all(samples)]
    assert isinstance(kept, Sample)
    assert isinstance(left, Dropped)
    assert [(o.model, o.yes) for o in kept.opinions] == [("a", True), ("b", False)]
    assert [(o.model, o.yes) for o in left.sample.opinions] == [("a", False), ("b", True)]
    assert [score.student for score in left.sample.scores] == ["large"] * 2 + ["small"] * 2


# The report


def a_sample(number: int, values: tuple[float | None, ...], says: tuple[bool, ...]) -> Sample:
    asked = Instruction(messages=(Message(role="user", content=f"Question {number}?"),))
    given_response = Response(instruction_id=asked.id, text="An answer.")
    names = "abc"[: len(says)]
    scores = [
        StudentScore(
            student=name, revision="1", template="chat", metric="r_ifd_ppl", instruction_id=asked.id,
            response_id=given_response.id, value=value, conditioned_tokens=5, unconditioned_tokens=5,
        )
        for name, value in zip(names, values, strict=True)
    ]  # fmt: skip
    opinions = [
        Opinion(
            stage="select_response", question="admission", model=n.upper(), student=n, revision="1", template="chat",
            yes=yes,
        )
        for n, yes in zip(names, says, strict=True)
    ]  # fmt: skip
    return Sample(
        id=asked.id, index=number, instructions=(asked,), responses=(given_response,), scores=tuple(scores),
        opinions=tuple(opinions),
    )  # fmt: skip


def opinions_of(*samples: Sample) -> Opinions:
    found = Opinions()
    for sample in samples:
        found.add(sample)
    return found


def test_decisions_that_would_differ_are_counted_for_each_two_students() -> None:
    found = opinions_of(
        a_sample(1, (0.1, 0.2, 0.3), (True, True, False)),
        a_sample(2, (0.2, 0.1, 0.2), (True, False, False)),
        a_sample(3, (0.3, 0.3, 0.1), (False, False, False)),
        a_sample(4, (0.4, None, None), (True, True, True)),
    )
    assert opinions_table(found).rows == (
        ("A and B", "select_response", "Admission", "4", "1", "25%"),
        ("A and C", "select_response", "Admission", "4", "2", "50%"),
        ("B and C", "select_response", "Admission", "4", "1", "25%"),
    )
    # Ranks 1 2 3 against 2 1 3: 1 - 6 * 2 / (3 * 8); against 3 2 1: -1; 2 1 3 against 3 2 1: 1 - 6 * 6 / 24.
    assert ranks_table(found).rows == (
        ("A and B", "r-IFD (ppl)", "3", "0.5"),
        ("A and C", "r-IFD (ppl)", "3", "\N{MINUS SIGN}1"),
        ("B and C", "r-IFD (ppl)", "3", "\N{MINUS SIGN}0.5"),
    )


def test_a_sample_that_one_student_was_asked_about_says_nothing_of_agreement() -> None:
    found = opinions_of(a_sample(1, (), ()))
    assert (opinions_table(found).rows, ranks_table(found).rows) == ((), ())


@given(st.lists(st.tuples(st.floats(0.01, 100), st.booleans()), min_size=2, max_size=8, unique_by=lambda one: one[0]))
def test_a_student_agrees_with_itself(rows: list[tuple[float, bool]]) -> None:
    found = opinions_of(*(a_sample(n, (value, value), (yes, yes)) for n, (value, yes) in enumerate(rows)))
    assert [row[-2:] for row in opinions_table(found).rows] == [("0", "0%")]
    assert [row[-1] for row in ranks_table(found).rows] == ["1"]


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100), st.booleans(), st.booleans()), max_size=8))
def test_the_order_of_two_students_changes_no_figure(rows: list[tuple[float, float, bool, bool]]) -> None:
    here = opinions_of(*(a_sample(n, (a, b), (x, y)) for n, (a, b, x, y) in enumerate(rows)))
    there = opinions_of(*(a_sample(n, (b, a), (y, x)) for n, (a, b, x, y) in enumerate(rows)))
    assert opinions_table(here) == opinions_table(there)
    assert ranks_table(here) == ranks_table(there)


# The recipe

RECIPE = """\
name: two-students
input: {path: rows.jsonl}
engine: local
models:
  teacher: {kind: sim}
  usual: {kind: ppm}
  strict: {kind: ppm, thresholds: {ifd_ppl: 0.9, r_ifd_ppl: 0.9}}
stages:
  - {stage: respond, model: teacher}
  - {stage: reflect_response, model: teacher}
  - {stage: select_response, WHO}
"""


def written(folder: Path, who: str) -> Path:
    topics = ("bread", "steel", "violins", "maps", "bees", "tea", "clocks", "rivers", "chess", "glass")
    rows = [{"instruction": f"Write two sentences about {topic} and who makes it."} for topic in topics]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "recipe.yaml").write_text(RECIPE.replace("WHO", who))
    return folder / "recipe.yaml"


@pytest.mark.parametrize(
    ("who", "message"),
    [
        (
            "students: [usual, usuall]",
            "names model 'usuall', which is not defined; the models are .*; did you mean 'usual'",
        ),
        ("students: [usual, strict, usual]", "names student 'usual' twice; leave one out"),
        ("students: [usual, teacher]", r"names model 'teacher', which is a chat model \(kind: sim\)"),
        ("students: []", "stage 'select_response': give either `model` or `students`"),
        ("students: usual", r"'students' of stage 'select_response' must be a list, got .usual.; write \[usual\]"),
        ("model: usual, students: [strict]", "stage 'select_response': give either `model` or `students`"),
        ("mode: strict", "stage 'select_response': give either `model` or `students`"),
    ],
)
def test_a_fault_in_the_list_is_named_with_its_line_and_what_would_be_right(
    tmp_path: Path, who: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=rf"recipe\.yaml:11: .*{message}"):
        load(written(tmp_path, who))


def test_a_run_by_two_students_does_as_the_first_says_and_reports_how_far_they_agree(tmp_path: Path) -> None:
    runs: dict[str, RunFolder] = {}
    for name, who in (("one", "model: usual"), ("both", "students: [usual, strict]")):
        (folder := tmp_path / name).mkdir()
        result = run(load(written(folder, who)), folder / "run")
        runs[name] = result.folder
    decided = {name: [(s.id, s.selections) for s in folder.samples()] for name, folder in runs.items()}
    assert decided["one"] == decided["both"]
    asked = [s.opinions for s in runs["both"].samples()]
    asked += [s.opinions for _, s in runs["both"].rejections() if s]
    assert {o.model for opinions in asked for o in opinions} == {"usual", "strict"}
    admissions = [{o.model: o.yes for o in opinions if o.question == "admission"} for opinions in asked]
    apart = sum(one["usual"] != one["strict"] for one in admissions if one)
    page = runs["both"].report_path.read_text()
    assert "How far the students agree" in page
    row = page[page.index("Admission") :][:400]
    assert f">{sum(map(bool, admissions))}<" in row
    assert f">{apart}<" in row
    assert "How far the students agree" not in runs["one"].report_path.read_text()
