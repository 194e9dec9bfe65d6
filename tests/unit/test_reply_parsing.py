import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from preflect.errors import ReplyError
from preflect.prompts import is_placeholder, load_prompt, parse_reply
from preflect.stages.judge_aspects import aspects_schema

PAIR = load_prompt("reflect_instruction").json_schema or {}
ANSWER = load_prompt("reflect_response").json_schema or {}
LIST = load_prompt("self_instruct").json_schema or {}
RATINGS = aspects_schema(2, ("honesty", "helpfulness"))

FENCED = """Sure! Here is my assessment.

```json
{
  "critique": "The instruction doesn't say which unit is wanted.
The response guesses one.",
  "instruction": "Convert 3 miles to kilometres, to one decimal.",
  "response": "3 miles are 4.8 km.",
}
```

Let me know if you'd like another version!"""

TAGGED = """<critique>
The response names the <response> tag, and is otherwise thin.
</critique>

<response>
Use `</div>` to close it.
End
The column says N/A where nothing was measured.
</response>"""

BOLD = """**Critique:**
**Instruction:** It leaves open what "short" means.
**Response:** Accurate, but it lists only two causes.

**New Instruction:**
Explain in at most 60 words why bread goes stale, naming three causes.

**New Response:**
Starch recrystallises, water moves to the crust, and aroma escapes.

Critique: none of this is final."""

HEADINGS = """## Critique

Too long.

## Response

# A title within the answer

1. First
2. Second"""

BRACKETS = """[Critique]
Right, but curt.
[Instruction]
Name three noble gases.
[Response]
Helium, neon, argon.
[End of Response]"""

UNCLOSED = """<critique>Fine.
<instruction>Name a prime above 100.
<response>101"""

PLAIN = """Critique: It is vague.
Instruction: Give the boiling point of water at sea level, in kelvin.
Response: 373.15 K (note: at 1 atm)"""

THOUGHT = """<think>I should return {"critique": "draft", "response": "draft"} or so.</think>
{"Critique": "Vague.", "RESPONSE": "Better."}"""


def test_json_in_a_fence_amid_prose_with_line_breaks_and_a_trailing_comma() -> None:
    parts = parse_reply(FENCED, PAIR)
    assert parts["instruction"] == "Convert 3 miles to kilometres, to one decimal."
    assert parts["critique"].endswith("wanted.\nThe response guesses one.")


def test_tags_are_read_whole_though_their_text_speaks_of_tags_and_ends() -> None:
    parts = parse_reply(TAGGED, ANSWER)
    assert parts["critique"].startswith("The response names the <response> tag")
    assert parts["response"].splitlines()[1] == "End"
    assert parts["response"].endswith("The column says N/A where nothing was measured.")


def test_bold_titles_where_the_critique_has_bold_titles_of_its_own() -> None:
    parts = parse_reply(BOLD, PAIR)
    assert parts["critique"].startswith("**Instruction:** It leaves open")
    assert parts["instruction"].startswith("Explain in at most 60 words")
    assert parts["response"].startswith("Starch")
    assert parts["response"].endswith("Critique: none of this is final.")


def test_headings_and_an_answer_with_headings() -> None:
    assert parse_reply(HEADINGS, ANSWER) == {
        "critique": "Too long.",
        "response": "# A title within the answer\n\n1. First\n2. Second",
    }


def test_bracketed_titles_with_an_end_mark() -> None:
    assert parse_reply(BRACKETS, PAIR)["response"] == "Helium, neon, argon."


def test_tags_that_were_never_closed() -> None:
    assert parse_reply(UNCLOSED, PAIR) == {
        "critique": "Fine.",
        "instruction": "Name a prime above 100.",
        "response": "101",
    }


def test_plain_titles_with_colons() -> None:
    assert parse_reply(PLAIN, PAIR)["response"] == "373.15 K (note: at 1 atm)"


def test_thoughts_before_the_reply_are_not_the_reply() -> None:
    assert parse_reply(THOUGHT, ANSWER) == {"critique": "Vague.", "response": "Better."}


def test_latex_in_json_keeps_its_backslashes() -> None:
    reply = r'{"critique": "ok", "response": "So \(x = \frac{1}{2}\), hence \sqrt{x}."}'
    assert parse_reply(reply, ANSWER)["response"] == r"So \(x = \frac{1}{2}\), hence \sqrt{x}."


def test_a_python_dict_is_read_as_well() -> None:
    assert parse_reply("""{'critique': "isn't bad", 'response': 'Yes.'}""", ANSWER)["critique"] == "isn't bad"


def test_an_object_within_an_object_is_found() -> None:
    assert parse_reply('{"reply": {"critique": "a", "response": "b"}}', ANSWER) == {"critique": "a", "response": "b"}


def test_an_answer_that_is_itself_json_becomes_text() -> None:
    assert parse_reply('{"critique": "ok", "response": {"name": "Ida", "age": 7}}', ANSWER)["response"] == (
        '{"name": "Ida", "age": 7}'
    )


def test_points_of_criticism_in_a_list_become_lines() -> None:
    assert parse_reply('{"critique": ["a", "b"], "response": "c"}', ANSWER)["critique"] == "a\nb"


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert parse_reply(r'{"critique": "x", "response": "ok \ud83d"}', ANSWER)["response"] == "ok \ufffd"


def test_nested_tags_give_nested_objects() -> None:
    rated = "<honesty><rationale>{}</rationale><score>{}</score></honesty>"
    useful = "<Helpfulness>\n<rationale>Clear.\n<score>5/5</score>\n</Helpfulness>"
    reply = "".join(
        f"<response_{place}>{rated.format(f'Says {place}.', place)}{useful}</response_{place}>" for place in (1, 2)
    )
    parts = parse_reply(reply, RATINGS)
    assert parts["response_2"] == {
        "honesty": {"rationale": "Says 2.", "score": 2},
        "helpfulness": {"rationale": "Clear.", "score": 5},
    }


def test_ratings_under_headings() -> None:
    one = "**Honesty**\nRationale: Frank.\nScore: {}\n\n**Helpfulness**\n- Rationale: Useful.\n- Score: **3**\n"
    reply = f"## Response 1\n{one.format('4 - good')}\n## Response 2\n{one.format('2 out of 5')}"
    parts = parse_reply(reply, RATINGS)
    assert [parts[f"response_{n}"]["honesty"]["score"] for n in (1, 2)] == [4, 2]
    assert parts["response_1"]["helpfulness"] == {"rationale": "Useful.", "score": 3}


@pytest.mark.parametrize("score", ["7", "0", "-3", "4.5", '"high"', "true", "null"])
def test_a_score_off_the_scale_is_named(score: str) -> None:
    rated = {aspect: {"rationale": "r", "score": 4} for aspect in ("honesty", "helpfulness")}
    reply = json.dumps({"response_1": rated, "response_2": rated}).replace("4", score, 1)
    with pytest.raises(ReplyError) as caught:
        parse_reply(reply, RATINGS)
    assert caught.value.reason == "unparsable"
    assert "response_1.honesty.score" in caught.value.detail


@pytest.mark.parametrize(
    "reply",
    [
        '{"instructions": ["Name two rivers.", "Add 2 and 3."]}',
        '["Name two rivers.", "Add 2 and 3."]',
        '```\n[{"instruction": "Name two rivers."}, {"instruction": "Add 2 and 3."}]\n```',
        "<instructions>\n<item>Name two rivers.</item>\n<item>\nAdd 2 and 3.\n</item>\n</instructions>",
        "<item>Name two rivers.\n<item>Add 2 and 3.",
        "Here you are:\n\n1. Name two rivers.\n2. Add 2 and 3.",
        "**Instructions:**\n- Name two rivers.\n- Add 2 and 3.",
    ],
)
def test_lists_in_many_forms(reply: str) -> None:
    assert parse_reply(reply, LIST) == {"instructions": ["Name two rivers.", "Add 2 and 3."]}


def test_bullets_within_a_numbered_entry_belong_to_it() -> None:
    reply = "1. Sort these:\n- pear\n- fig\n2. Add 2 and 3."
    assert parse_reply(reply, LIST)["instructions"] == ["Sort these:\n- pear\n- fig", "Add 2 and 3."]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ReplyError) as caught:
        parse_reply('{"critique": "x"}', PAIR)
    assert caught.value.reason == "unparsable"
    assert caught.value.detail == "`instruction` is missing; `response` is missing"


def test_prose_without_any_part_names_all_that_is_wanted() -> None:
    with pytest.raises(ReplyError, match="wanted are `critique`, `response`"):
        parse_reply("I think the response is quite good already.", ANSWER)


def test_no_text_is_an_empty_reply() -> None:
    with pytest.raises(ReplyError) as caught:
        parse_reply("<think>hm</think> \n", ANSWER)
    assert caught.value.reason == "empty"


@pytest.mark.parametrize("response", ["your answer", "[Insert response here]", "...", "TODO", "<response here>", "N/A"])
def test_a_placeholder_is_never_kept(response: str) -> None:
    with pytest.raises(ReplyError) as caught:
        parse_reply(json.dumps({"critique": "Good.", "response": response}), ANSWER)
    assert caught.value.reason == "placeholder"
    assert "`response` is a placeholder" in caught.value.detail


def test_a_filled_in_object_after_an_example_of_the_form_is_the_reply() -> None:
    reply = '{"critique": "...", "response": "..."}\n{"critique": "Thin.", "response": "Four."}'
    assert parse_reply(reply, ANSWER)["response"] == "Four."


def test_deep_nesting_is_junk_and_not_a_crash() -> None:
    with pytest.raises(ReplyError):
        parse_reply("[" * 20_000, LIST)


visible = st.text(min_size=1).map(lambda text: text.replace("\f", " ").replace("\b", " ").strip())


@given(critique=visible, response=visible)
def test_any_two_texts_come_back_from_json_as_they_went_in(critique: str, response: str) -> None:
    assume(all(text and not is_placeholder(text) for text in (critique, response)))
    reply = json.dumps({"critique": critique, "response": response})
    assert parse_reply(reply, ANSWER) == {"critique": critique, "response": response}


@given(st.text() | st.lists(st.sampled_from(["<critique>", "</response>", "{", '"response":', "**Response:**", "x\n"])))
def test_any_text_is_either_read_or_refused_with_a_reason(said: Any) -> None:
    text = said if isinstance(said, str) else "".join(said)
    outcome = _parts_or_detail(text)
    assert outcome
    assert isinstance(outcome, str) or set(outcome) == {"critique", "response"}


def _parts_or_detail(text: str) -> dict[str, Any] | str:
    try:
        return parse_reply(text, ANSWER)
    except ReplyError as error:
        return error.detail
