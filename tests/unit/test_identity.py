import pytest
from pydantic import ValidationError

from preflect.schemas import Instruction, Message

ASKED = Instruction(messages=(Message(role="user", content="What is 2 + 3?"),))


def test_equal_content_has_one_id_and_other_content_another() -> None:
    assert Instruction(messages=ASKED.messages).id == ASKED.id
    assert Instruction(messages=ASKED.messages, input="2").id != ASKED.id


def test_what_evolves_is_named_by_its_new_content() -> None:
    evolved = ASKED.evolve(reference_answer="5")
    assert evolved.id == Instruction(messages=ASKED.messages, reference_answer="5").id != ASKED.id
    assert Instruction.model_validate_json(evolved.model_dump_json()) == evolved
    assert evolved.evolve(reference_answer=None) == ASKED


def test_an_id_that_is_not_the_contents_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not match the content"):
        Instruction(messages=ASKED.messages, id="0" * 20)
