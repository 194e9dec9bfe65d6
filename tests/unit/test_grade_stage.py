from preflect.schemas import Instruction, Message, NumberGrader, RegexGrader, Response, Sample
from preflect.stages.grade import Grade

MESSAGES = (Message(role="user", content="What is 2 + 3?"),)
ASKED = Instruction(messages=MESSAGES, reference_answer="5", grader=NumberGrader())
REWRITTEN = Instruction(messages=(Message(role="user", content="Add 2 and 3."),), origin="rewrite", parents=(ASKED.id,))


def response(text: str, to: Instruction = ASKED) -> Response:
    return Response(instruction_id=to.id, text=text)


async def test_every_response_to_a_gradable_instruction_gets_a_grade_and_no_other_does() -> None:
    right, wrong, other = response("It is 5."), response("It is 6."), response("5", REWRITTEN)
    sample = Sample(id=ASKED.id, index=0, instructions=(ASKED, REWRITTEN), responses=(right, wrong, other))
    graded = await Grade().run(sample)
    assert [(grade.response_id, grade.grader, grade.score) for grade in graded.grades] == [
        (right.id, "number", 1.0),
        (wrong.id, "number", 0.0),
    ]
    assert graded.grades[1].reason == "expected 5, got 6"


async def test_a_second_grade_stage_grades_only_what_is_new() -> None:
    first = response("5")
    once = await Grade().run(Sample(id=ASKED.id, index=0, instructions=(ASKED,), responses=(first,)))
    twice = await Grade(name="grade-2").run(once.evolve(responses=(first, response("6"))))
    assert [grade.score for grade in twice.grades] == [1.0, 0.0]
    assert await Grade().run(twice) == twice


async def test_an_instruction_without_a_grader_goes_on_as_it_is() -> None:
    sample = Sample(id=REWRITTEN.id, index=0, instructions=(REWRITTEN,), responses=(response("5", REWRITTEN),))
    assert await Grade().run(sample) == sample


async def test_a_grader_that_cannot_run_leaves_a_reason_and_no_score() -> None:
    broken = Instruction(messages=MESSAGES, grader=RegexGrader(pattern="("))
    sample = Sample(id=broken.id, index=0, instructions=(broken,), responses=(response("5", broken),))
    (grade,) = (await Grade().run(sample)).grades
    assert grade.score is None
    assert (grade.reason or "").startswith("invalid pattern")
