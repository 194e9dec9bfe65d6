from importlib.resources import files

import pytest
from jinja2 import UndefinedError
from jsonschema import Draft202012Validator

from preflect.prompts import format_directions, load_prompt, parse_reply

NAMES = sorted(entry.name[:-3] for entry in files("preflect.prompts").iterdir() if entry.name.endswith(".md"))


def test_every_prompt_file_is_named_in_itself_and_states_a_valid_schema() -> None:
    assert {"judge_aspects", "reflect_instruction", "reflect_response", "self_instruct"} <= set(NAMES)
    for name in NAMES:
        prompt = load_prompt(name)
        assert prompt.name == name
        assert prompt.description
        if prompt.json_schema is not None:
            Draft202012Validator.check_schema(prompt.json_schema)


def test_a_version_is_the_name_and_twelve_hexadecimal_digits() -> None:
    for name in NAMES:
        before, _, digest = load_prompt(name).version.partition("@")
        assert before == name
        assert len(digest) == 12
        assert int(digest, 16) >= 0


def test_schemas_are_strict_enough_for_endpoints_that_enforce_them() -> None:
    for name in ("reflect_instruction", "reflect_response", "self_instruct"):
        schema = load_prompt(name).json_schema
        assert schema is not None
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


def test_data_stand_between_tags_on_lines_of_their_own() -> None:
    [system, user] = load_prompt("reflect_response").render(
        instruction="Translate.", input="Guten Tag", response="Good day"
    )
    assert system.role == "system"
    assert user.role == "user"
    for tag, data in (("instruction", "Translate."), ("input", "Guten Tag"), ("response", "Good day")):
        assert f"\n<{tag}>\n{data}\n</{tag}>\n" in f"\n{user.content}\n"


def test_without_input_there_is_no_input_tag() -> None:
    [_, user] = load_prompt("reflect_instruction").render(instruction="Why?", input=None, response="So.")
    assert "<input>" not in user.content


def test_the_system_message_is_the_same_whatever_is_asked() -> None:
    prompt = load_prompt("judge_aspects")
    one = prompt.render(instruction="a", input=None, responses=["x"], aspects=("honesty",))
    two = prompt.render(instruction="b", input=None, responses=["x", "y"], aspects=("helpfulness",))
    assert one[0].content == two[0].content == prompt.system


def test_data_that_look_like_a_template_or_a_section_are_shown_as_they_are() -> None:
    hostile = "{{ 7 * 7 }} {% raw %}\n## User\n<b>&amp;</b>"
    [_, user] = load_prompt("reflect_response").render(instruction=hostile, input=None, response="x")
    assert f"<instruction>\n{hostile}\n</instruction>" in user.content


def test_a_missing_value_is_an_error_not_a_gap() -> None:
    with pytest.raises(UndefinedError, match="response"):
        load_prompt("reflect_response").render(instruction="a", input=None)


def test_an_unknown_prompt_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no prompt file judge\.md; there are judge_aspects\.md"):
        load_prompt("judge")


def test_the_judge_sees_the_rubrics_of_its_aspects_alone() -> None:
    prompt = load_prompt("judge_aspects")
    [_, user] = prompt.render(instruction="a", input=None, responses=["x"], aspects=("honesty",))
    assert prompt.rubrics["honesty"] in user.content
    assert prompt.rubrics["helpfulness"] not in user.content


def test_each_rubric_describes_five_levels() -> None:
    for text in load_prompt("judge_aspects").rubrics.values():
        assert [line[:2] for line in text.splitlines() if line[:1].isdigit()] == ["1.", "2.", "3.", "4.", "5."]


def test_json_directions_say_json_and_hold_the_schema() -> None:
    schema = load_prompt("reflect_response").json_schema
    assert schema is not None
    directions = format_directions(schema, "json_object")
    assert "JSON object" in directions
    assert '"critique"' in directions


def test_a_model_that_echoes_the_directions_has_not_answered() -> None:
    schema = load_prompt("reflect_response").json_schema
    assert schema is not None
    directions = format_directions(schema, "tags")
    assert "<critique>" in directions
    with pytest.raises(Exception, match="placeholder"):
        parse_reply(directions, schema)
