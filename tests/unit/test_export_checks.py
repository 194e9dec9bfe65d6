import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import DataError
from preflect.export import CheckFormat, RowChecker, check_file
from preflect.export.checks import RowKind
from preflect.schemas import NumberGrader, RegexGrader, StringGrader

USER = {"role": "user", "content": "What is 2 + 3?"}
RIGHT = {"role": "assistant", "content": "It is 5."}
WRONG = {"role": "assistant", "content": "It is 6."}
SYSTEM = {"role": "system", "content": "Be short."}
NUMBER = NumberGrader().model_dump_json()


def asked(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


GOOD: list[tuple[RowKind, dict[str, Any]]] = [
    ("sft", {"messages": [USER, RIGHT]}),
    ("sft", {"messages": [SYSTEM, USER, RIGHT, USER, WRONG]}),
    ("sft", {"prompt": [USER], "completion": [RIGHT]}),
    ("sft", {"prompt": "2 + 3?", "completion": "5"}),
    ("sft", {"text": "Once upon a time."}),
    (
        "sft",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}, {"id": "2"}]},
                {"role": "tool", "content": "5"},
                {"role": "tool", "content": "5"},
                RIGHT,
            ],
            "tools": "[]",
        },
    ),
    ("dpo", {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]}),
    ("dpo", {"chosen": [USER, RIGHT], "rejected": [USER, WRONG]}),
    ("dpo", {"prompt": "Hi", "chosen": "Hi there", "rejected": "Go away"}),
    ("kto", {"prompt": [USER], "completion": [RIGHT], "label": True}),
    ("rft", {"prompt": [USER], "reference_answer": "5", "grader": NUMBER}),
    ("rft", {"prompt": [SYSTEM, USER]}),
    (
        "rft",
        {
            "prompt": [{"role": "user", "content": "I have 5 apples. How many?"}],
            "reference_answer": "5",
            "grader": NUMBER,
        },
    ),
]

BAD: list[tuple[RowKind, dict[str, Any], str]] = [
    ("sft", {"messages": [USER]}, "last_not_assistant"),
    ("sft", {"messages": [RIGHT]}, "empty_prompt"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": " \n"}]}, "empty_content"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": None}]}, "empty_content"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": ["a"]}]}, "content_not_text"),
    ("sft", {"messages": [USER, SYSTEM, RIGHT]}, "system_not_first"),
    ("sft", {"messages": [USER, USER, RIGHT]}, "repeated_role"),
    ("sft", {"messages": [{"role": "human", "content": "q"}, RIGHT]}, "unknown_role"),
    ("sft", {"messages": []}, "empty_messages"),
    ("sft", {"messages": "text"}, "not_messages"),
    ("sft", {"messages": 5}, "not_messages"),
    ("sft", {"messages": ["q", "a"]}, "not_messages"),
    ("sft", {"question": "q"}, "missing_column"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": "5<|im_end|>"}]}, "template_token"),
    ("sft", {"messages": [USER, {"role": "assistant", "content": "<thinking>5"}]}, "template_token"),
    ("sft", {"messages": [USER, RIGHT], "tools": [{}]}, "tools_not_json"),
    ("sft", {"text": " "}, "empty_content"),
    ("sft", {"messages": [USER, answer("\u200b\u2060 \ufeff")]}, "empty_content"),
    ("sft", {"messages": [USER, answer("five\x00six")]}, "control_character"),
    ("sft", {"messages": [USER, answer("It is 5.</s>")]}, "template_token"),
    ("sft", {"messages": [USER, answer("<s>It is 5.</s>")]}, "template_token"),
    ("sft", {"messages": [USER, answer("It is <unk>.")]}, "template_token"),
    ("sft", {"messages": [USER, answer('<tool_call>\n{"name": "add"}\n</tool_call>')]}, "template_token"),
    ("sft", {"messages": [asked("2 + 3?\n\n### Response:"), RIGHT]}, "template_token"),
    ("sft", {"messages": [USER, answer("It is 5.\n\n### Instruction:\nWhat is 3 + 4?")]}, "template_token"),
    ("sft", {"messages": [USER, answer("What is 2 + 3? It is 5.")]}, "prompt_in_completion"),
    ("dpo", {"prompt": [USER], "chosen": [RIGHT], "rejected": [answer("What is 2 + 3?\n6")]}, "prompt_in_completion"),
    ("dpo", {"prompt": [USER, RIGHT], "chosen": [RIGHT], "rejected": [WRONG]}, "prompt_not_user"),
    ("dpo", {"prompt": [USER], "chosen": [USER, RIGHT], "rejected": [WRONG]}, "prompt_in_completion"),
    (
        "dpo",
        {"prompt": "What is two plus three?", "chosen": "What is two plus three? 5", "rejected": "6"},
        "prompt_in_completion",
    ),
    (
        "dpo",
        {"prompt": [USER], "chosen": [RIGHT], "rejected": [{"role": "assistant", "content": "it  is 5.\n"}]},
        "same_completions",
    ),
    ("dpo", {"prompt": [USER], "chosen": [RIGHT], "rejected": []}, "empty_rejected"),
    ("dpo", {"prompt": [USER], "chosen": [RIGHT], "rejected": [{"role": "assistant", "content": ""}]}, "empty_content"),
    ("dpo", {"prompt": [USER], "chosen": [RIGHT]}, "missing_column"),
    (
        "dpo",
        {"prompt": [USER], "chosen": [{"role": "user", "content": "x"}], "rejected": [WRONG]},
        "last_not_assistant",
    ),
    ("dpo", {"chosen": [RIGHT], "rejected": [WRONG]}, "empty_prompt"),
    ("kto", {"prompt": [USER], "completion": [RIGHT], "label": 1}, "label_not_bool"),
    ("kto", {"prompt": [USER], "completion": [RIGHT]}, "label_not_bool"),
    ("sft", {"messages": [USER, answer("I'm sorry, but I can't help with that.")]}, "refusal"),
    ("sft", {"prompt": "2 + 3?", "completion": "As an AI, I cannot do that."}, "refusal"),
    ("rft", {"prompt": [USER, RIGHT]}, "prompt_not_user"),
    ("rft", {"prompt": [USER], "reference_answer": "5", "grader": None}, "no_grader"),
    ("rft", {"prompt": [USER], "reference_answer": "5", "grader": "{}"}, "invalid_grader"),
    ("rft", {"prompt": [USER], "reference_answer": 5, "grader": NUMBER}, "reference_not_text"),
    ("rft", {"prompt": [USER], "grader": NUMBER}, "grader_self_test"),
    ("rft", {"prompt": [USER], "grader": RegexGrader(pattern=".*").model_dump_json()}, "grader_self_test"),
    (
        "rft",
        {"prompt": [{"role": "user", "content": "2 + 3? (Answer: 5)"}], "reference_answer": "5", "grader": NUMBER},
        "prompt_contains_answer",
    ),
    (
        "rft",
        {"prompt": [{"role": "user", "content": "2 + 3?\n#### 5"}], "reference_answer": "5", "grader": NUMBER},
        "prompt_contains_answer",
    ),
]


STRING = StringGrader().model_dump_json()
STATED: list[tuple[str, str, str]] = [
    ("What is 2+3? It is 5.", "5", NUMBER),
    ("What is 2+3? (It's 5.)", "5", NUMBER),
    ("What is 2+3? 2+3 = 5", "5", NUMBER),
    ("How much is it together? The total is $5.", "5", NUMBER),
    ("Add 2 and 3. The result equals 5.", "5", NUMBER),
    ("Add 2 and 3. The correct answer should be 5.", "5", NUMBER),
    ("What is the capital of Burkina Faso, and its country's west? The capital is Ouagadougou city.",
     "Ouagadougou city", STRING),
]  # fmt: skip
UNSTATED: list[tuple[str, str, str]] = [
    ("If x is 5, what is x + 0?", "5", NUMBER),
    ("Solve 3x - 10 = 5 for x.", "5", NUMBER),
    ("How many boxes? Each box weighs 5 kg.", "5", NUMBER),
    ("How many boxes? Remember that a box is 5.", "5", NUMBER),
    ("What is x? It is 15 less than 20.", "5", NUMBER),
    ("Is the review very positive or very negative?", "very positive", STRING),
    ("Which is it? very positive feedback, or very negative feedback", "very negative feedback", STRING),
    ("Who signed the letter? The text is: Dear all, come on Monday. Anna-Lena Holm", "Anna-Lena Holm", STRING),
]


@pytest.mark.parametrize(("text", "reference", "grader"), STATED)
def test_a_prompt_that_states_its_answer_is_no_task(text: str, reference: str, grader: str) -> None:
    problem = RowChecker("rft").check({"prompt": [asked(text)], "reference_answer": reference, "grader": grader})
    assert problem is not None
    assert problem.reason == "prompt_contains_answer"


@pytest.mark.parametrize(("text", "reference", "grader"), UNSTATED)
def test_a_prompt_may_hold_what_happens_to_be_its_answer(text: str, reference: str, grader: str) -> None:
    row = {"prompt": [asked(text)], "reference_answer": reference, "grader": grader}
    assert RowChecker("rft").check(row) is None


@pytest.mark.parametrize(
    "text",
    [
        "In HTML, `<s>` strikes text through: `<s>old</s>`.",
        "```html\n<p><s>20</s> 15</p>\n```",
        "It costs <s>20</s> 15 euros now.",
        "A word that is not in the vocabulary becomes `<unk>`.",
        "Write the heading as:\n```\n### Response:\n```",
        "### Responses to the survey\nMost said yes.",
    ],
)
def test_text_about_markup_is_no_leak(text: str) -> None:
    assert RowChecker("sft").check({"messages": [USER, answer(text)]}) is None


@pytest.mark.parametrize(("kind", "row"), GOOD)
def test_a_row_that_trains_well_passes(kind: RowKind, row: dict[str, Any]) -> None:
    assert RowChecker(kind).check(row) is None


@pytest.mark.parametrize(("kind", "row", "reason"), BAD)
def test_a_row_that_a_trainer_would_take_silently_is_refused(kind: RowKind, row: dict[str, Any], reason: str) -> None:
    problem = RowChecker(kind).check(row)
    assert problem is not None
    assert (problem.reason, bool(problem.detail)) == (reason, True)


def test_a_repeated_row_is_refused_once_seen() -> None:
    checker = RowChecker("dpo")
    row = {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]}
    turned = {"prompt": [USER], "chosen": [WRONG], "rejected": [RIGHT]}
    found = [checker.check(one) for one in (row, turned, row)]
    assert [problem and problem.reason for problem in found] == [None, "swapped_completions", "duplicate_row"]


def test_text_and_messages_in_one_column_are_refused() -> None:
    checker = RowChecker("sft")
    assert checker.check({"prompt": [USER], "completion": [RIGHT]}) is None
    problem = checker.check({"prompt": "q", "completion": "a"})
    assert problem is not None
    assert problem.reason == "mixed_types"


def test_a_prompt_beyond_the_limit_is_refused() -> None:
    row = {"messages": [SYSTEM, USER, RIGHT]}
    chars = len(SYSTEM["content"]) + len(USER["content"])
    assert RowChecker("sft", max_prompt_chars=chars).check(row) is None
    problem = RowChecker("sft", max_prompt_chars=chars - 1).check(row)
    assert problem is not None
    assert problem.reason == "prompt_too_long"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
columns = st.sampled_from(
    ["messages", "prompt", "completion", "chosen", "rejected", "label", "grader", "reference_answer", "text", "tools"]
)


@given(st.sampled_from(["sft", "dpo", "rft", "kto"]), st.dictionaries(columns, anything, max_size=6))
def test_any_row_at_all_passes_or_is_refused_with_a_reason(kind: RowKind, row: dict[str, Any]) -> None:
    problem = RowChecker(kind).check(row)
    assert problem is None or problem.reason.replace("_", "").isalpha()


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_a_prompt_that_is_tested_on_and_trained_on_is_refused(kind: RowKind) -> None:
    rows = {
        "sft": [{"messages": [USER, RIGHT]}, {"messages": [USER, WRONG]}],
        "dpo": [
            {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]},
            {"chosen": [USER, answer("It is 7.")], "rejected": [USER, RIGHT]},
        ],
    }
    checker = RowChecker(kind)
    first, second = rows[kind]
    assert checker.check(first, side="train") is None
    assert checker.check(second, side="train") is None
    problem = checker.check(first, side="test")
    assert problem is not None
    assert problem.reason == "in_both_splits"


def test_both_sides_of_a_folder_are_checked_together(tmp_path: Path) -> None:
    for name in ("train-00000-of-00001", "test", "trainers"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"messages": [asked(f"About {name[:5]}?"), RIGHT]}) + "\n")
    assert check_file(tmp_path, "trl-sft").reasons == {"duplicate_row": 1}
    (tmp_path / "trainers.jsonl").unlink()
    assert check_file(tmp_path, "trl-sft").is_good
    (tmp_path / "test.jsonl").write_text(json.dumps({"messages": [asked("About train?"), WRONG]}) + "\n")
    assert check_file(tmp_path, "trl-sft").reasons == {"in_both_splits": 1}


def test_a_file_is_checked_row_by_row_and_bad_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": "a", "messages": [USER, RIGHT]},
        {"id": "b", "messages": [USER]},
        {"messages": [USER, RIGHT], "labels": [1]},
    ]
    path.write_text("\n".join([*map(json.dumps, rows), "{", "[]"]) + "\n", encoding="utf-8")
    result = check_file(path, "trl-sft")
    assert result.rows == 5
    assert [(bad.row, bad.id, bad.reason) for bad in result.bad] == [
        (2, "b", "last_not_assistant"),
        (3, None, "duplicate_row"),
        (4, None, "not_json"),
        (5, None, "not_an_object"),
    ]
    assert result.reserved_columns == ("labels",)
    assert not result.is_good
    assert result.reasons["not_json"] == 1


@pytest.mark.parametrize(
    ("name", "content", "format_", "message"),
    [
        ("rows.parquet", b"no parquet", "trl-sft", "is not a Parquet file"),
        ("rows.csv", b"a,b", "trl-sft", "right would be .parquet or .jsonl"),
        ("rows.jsonl", b"\xff", "trl-sft", "is not UTF-8 text"),
        ("rows.jsonl", b"", "trl", "known are trl-sft, trl-dpo, trl-rft, trl-kto"),
        ("folder/rows.txt", b"", "trl-sft", "does not exist"),
    ],
)
def test_what_cannot_be_checked_is_an_error_with_the_remedy(
    tmp_path: Path, name: str, content: bytes, format_: CheckFormat, message: str
) -> None:
    path = tmp_path / name
    if path.parent == tmp_path:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        check_file(path, format_)


def test_a_row_that_prefers_what_an_earlier_one_of_the_same_prompt_rejects_is_bad() -> None:
    checker = RowChecker("dpo")
    row: dict[str, Any] = {"prompt": [USER], "chosen": [RIGHT], "rejected": [WRONG]}
    assert checker.check(row) is None
    assert checker.check({**row, "prompt": [SYSTEM, USER], "chosen": [WRONG], "rejected": [RIGHT]}) is None
    swapped = checker.check({**row, "chosen": [WRONG], "rejected": [RIGHT]})
    assert swapped is not None
    assert swapped.reason == "swapped_completions"
