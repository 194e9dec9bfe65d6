from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.adapters.input_columns import columns_of
from preflect.adapters.input_fields import input_row
from preflect.adapters.input_row import BadRow, InputRow, RawRow
from preflect.adapters.reading import read_rows, read_samples, survey
from preflect.errors import DataError
from preflect.schemas import ColumnPattern, InputSpec, NumberGrader, Rejection, Sample, StringGrader


def written(path: Path, rows: list[Any]) -> InputSpec:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return InputSpec(path=str(path))


def only_bad_row(path: Path, row: Any) -> BadRow:
    (bad,) = [row for row in read_rows(written(path, [{"instruction": "fine"}, row])) if isinstance(row, BadRow)]
    assert bad.number == 2
    return bad


def samples_of(spec: InputSpec) -> list[Sample]:
    return [sample for sample in read_samples(spec) if isinstance(sample, Sample)]


def test_a_row_becomes_a_sample_with_all_its_fields(tmp_path: Path) -> None:
    row = {
        "id": 17,
        "instruction": "Add the numbers.",
        "input": "2 and 3",
        "response": "5",
        "reference_answer": "5",
        "grader": {"type": "number"},
        "source": "by hand",
        "metadata": {"level": 1, "tags": ["a", None]},
    }
    (sample,) = samples_of(written(tmp_path / "seeds.jsonl", [row]))
    assert sample.id == sample.seed.id
    assert (sample.index, sample.source, sample.source_id) == (0, "by hand", "17")
    assert sample.seed.merged == "Add the numbers.\n\n2 and 3"
    assert (sample.seed.reference_answer, sample.seed.grader) == ("5", NumberGrader())
    assert [(r.text, r.origin, r.instruction_id) for r in sample.responses] == [("5", "dataset", sample.id)]
    assert sample.metadata == {"level": 1, "tags": ["a", None]}


def test_a_row_without_a_source_is_named_after_its_file_and_not_after_its_folder(tmp_path: Path) -> None:
    (sample,) = samples_of(written(tmp_path / "seeds.jsonl", [{"instruction": "x"}]))
    assert sample.source == "seeds.jsonl"


def test_a_reference_answer_is_taken_from_behind_a_mark(tmp_path: Path) -> None:
    spec = written(tmp_path / "maths.jsonl", [{"question": "2 + 3?", "answer": "2 + 3 = 5, so\n#### 5 "}])
    columns = {"instruction": "question", "reference_answer": ColumnPattern(column="answer", pattern=r"####\s*(.+)$")}
    (sample,) = samples_of(InputSpec.model_validate({"path": spec.path, "columns": columns}))
    assert (sample.seed.text, sample.seed.reference_answer) == ("2 + 3?", "5")


def test_dots_and_numbers_reach_into_nested_values(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Translate.", "instances": [{"input": "hello", "output": "bonjour"}]},
        {"instruction": "Sing.", "instances": [{"input": "", "output": "la"}]},
    ]
    spec = written(tmp_path / "tasks.jsonl", rows)
    columns = {"input": "instances.0.input", "response": "instances.0.output"}
    samples = samples_of(InputSpec.model_validate({"path": spec.path, "columns": columns}))
    assert [(s.seed.input, s.responses[0].text) for s in samples] == [("hello", "bonjour"), (None, "la")]


def test_a_column_whose_name_has_a_dot_is_found_by_its_name(tmp_path: Path) -> None:
    spec = written(tmp_path / "seeds.jsonl", [{"task.text": "Name a tree."}])
    (sample,) = samples_of(InputSpec(path=spec.path, columns={"instruction": "task.text"}))
    assert sample.seed.text == "Name a tree."


def test_the_recipe_s_grader_goes_to_rows_with_a_reference_and_without_their_own(tmp_path: Path) -> None:
    rows = [
        {"instruction": "a", "reference_answer": "1"},
        {"instruction": "b"},
        {"instruction": "c", "reference_answer": "yes", "grader": {"type": "string"}},
    ]
    spec = written(tmp_path / "seeds.jsonl", rows).evolve(grader=NumberGrader())
    assert [sample.seed.grader for sample in samples_of(spec)] == [NumberGrader(), None, StringGrader()]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1, 2], "not_an_object"),
        ({"input": "x"}, "no_instruction"),
        ({"instruction": None}, "no_instruction"),
        ({"instruction": " \n\t"}, "empty_instruction"),
        ({"instruction": 7}, "wrong_type"),
        ({"instruction": "x", "input": ["y"]}, "wrong_type"),
        ({"instruction": "x", "reference_answer": True}, "wrong_type"),
        ({"instruction": "x", "metadata": ["y"]}, "wrong_type"),
        ({"instruction": "x", "metadata": "{"}, "bad_json"),
        ({"instruction": "x", "metadata": json.loads('{"a": ' + "[" * 65 + "]" * 65 + "}")}, "too_deep"),
        ({"instruction": 5, "metadata": json.loads('{"a": ' + "[" * 500 + "]" * 500 + "}")}, "wrong_type"),
        ({"instruction": "x", "reference_answer": 10**30}, "wrong_type"),
        ({"instruction": "x", "grader": {"type": "nose"}}, "bad_grader"),
        ({"instruction": "x", "grader": {"type": "choice", "choices": ["one"]}}, "bad_grader"),
        ({"instruction": "x", "grader": {"type": "regex", "pattern": "("}}, "bad_grader"),
        ({"instruction": "x", "grader": {"type": "number"}}, "grader_without_reference"),
        ({"instruction": "x", "messages": [{"role": "user", "content": "y"}]}, "two_instructions"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(tmp_path: Path, row: Any, reason: str) -> None:
    assert only_bad_row(tmp_path / "seeds.jsonl", row).reason == reason


def test_metadata_as_deep_as_allowed_can_be_written_and_read_again(tmp_path: Path) -> None:
    deep = json.loads('{"a": ' + "[" * 64 + "]" * 64 + "}")
    (sample,) = samples_of(written(tmp_path / "seeds.jsonl", [{"instruction": "x", "metadata": deep}]))
    assert Sample.model_validate_json(sample.model_dump_json()) == sample


def test_a_bad_row_s_line_names_what_it_has_and_what_is_right(tmp_path: Path) -> None:
    bad = only_bad_row(tmp_path / "seeds.jsonl", {"instruction": "x", "input": ["y"]})
    assert bad.line == "row 2: input is a list; it should be text (wrong_type)"


def test_a_line_that_is_not_json_is_a_bad_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('{"instruction": "a"}\n\n{"instruction": oops}\n{"instruction": "b"}\n')
    rows = list(read_rows(InputSpec(path=str(path))))
    assert [row.number for row in rows if isinstance(row, InputRow)] == [1, 4]
    assert [(row.number, row.reason) for row in rows if isinstance(row, BadRow)] == [(3, "bad_json")]


def test_a_pattern_that_does_not_match_is_a_bad_row(tmp_path: Path) -> None:
    spec = written(tmp_path / "maths.jsonl", [{"instruction": "x", "answer": "no mark"}])
    mapped = spec.evolve(columns={"reference_answer": ColumnPattern(column="answer", pattern="####(.+)")})
    (bad,) = read_rows(mapped)
    assert isinstance(bad, BadRow)
    assert bad.reason == "pattern_mismatch"
    assert "'no mark'" in bad.remedy


def test_a_pattern_without_a_group_gives_its_whole_match(tmp_path: Path) -> None:
    spec = written(tmp_path / "maths.jsonl", [{"instruction": "x", "answer": "about 42 of them"}])
    (sample,) = samples_of(spec.evolve(columns={"reference_answer": ColumnPattern(column="answer", pattern=r"\d+")}))
    assert sample.seed.reference_answer == "42"


def test_a_pattern_that_is_no_regular_expression_is_refused(tmp_path: Path) -> None:
    spec = written(tmp_path / "maths.jsonl", [{"instruction": "x", "answer": "1"}])
    with pytest.raises(DataError, match=r"input\.columns\.reference_answer\.pattern: '\(' is no regular expression"):
        survey(spec.evolve(columns={"reference_answer": ColumnPattern(column="answer", pattern="(")}))


def test_a_column_that_no_row_has_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    spec = written(tmp_path / "seeds.jsonl", [{"question": "x", "answer": "y"}])
    with pytest.raises(DataError, match=r"no row has the column 'qestion'.*the columns are question, answer; did you"):
        survey(spec.evolve(columns={"instruction": "qestion"}))


def test_a_column_that_some_rows_have_is_enough(tmp_path: Path) -> None:
    spec = written(tmp_path / "seeds.jsonl", [{"instruction": "a"}, {"instruction": "b", "note": "n"}])
    samples = samples_of(spec.evolve(columns={"input": "note"}))
    assert [sample.seed.input for sample in samples] == [None, "n"]


def test_a_file_without_instructions_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row has a column 'instruction' or 'messages'; the columns are question"):
        survey(written(tmp_path / "seeds.jsonl", [{"question": "x"}]))


def test_a_repeated_row_is_rejected_as_a_duplicate_and_takes_no_index(tmp_path: Path) -> None:
    rows = [{"instruction": "a"}, {"instruction": "b"}, {"instruction": "a"}, {"instruction": "c"}]
    read = list(read_samples(written(tmp_path / "seeds.jsonl", rows)))
    samples = [sample for sample in read if isinstance(sample, Sample)]
    assert [(sample.index, sample.seed.text) for sample in samples] == [(0, "a"), (1, "b"), (2, "c")]
    assert read[2] == Rejection(
        sample_id=samples[0].id, stage="input", cause="filter", reason="duplicate_row", detail="row 3 repeats row 1"
    )


def test_a_bad_row_becomes_a_rejection_of_the_input(tmp_path: Path) -> None:
    (_, rejection) = read_samples(written(tmp_path / "seeds.jsonl", [{"instruction": "a"}, {"instruction": ""}]))
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.cause, rejection.reason) == ("input", "input", "empty_instruction")
    assert rejection.detail.startswith("row 2: ")
    assert len(rejection.sample_id) == 20


def test_a_limit_takes_the_first_rows_only(tmp_path: Path) -> None:
    spec = written(tmp_path / "seeds.jsonl", [{"instruction": f"task {n}"} for n in range(9)]).evolve(limit=3)
    assert [sample.seed.text for sample in samples_of(spec)] == ["task 0", "task 1", "task 2"]
    assert survey(spec).rows == 3


def test_a_survey_counts_all_bad_rows_and_lists_twenty(tmp_path: Path) -> None:
    found = survey(
        written(tmp_path / "seeds.jsonl", [{"instruction": "a", "response": "b"}, *[{"instruction": ""}] * 25])
    )
    assert (found.rows, found.bad_count, len(found.bad)) == (26, 25, 20)
    assert found.has_response
    assert found.columns == ("instruction", "response")
    complaint = found.complaint("seeds.jsonl").splitlines()
    assert complaint[0] == "seeds.jsonl: 25 of 26 rows cannot be used"
    assert complaint[1].startswith("  row 2: ")
    assert complaint[21] == "  … and 5 more"
    assert "--skip-bad-rows" in complaint[22]


def test_a_survey_s_hash_is_that_of_the_file_s_bytes(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(b'{"instruction": "x"}\n')
    found = survey(InputSpec(path=str(path)))
    assert found.sha256 == "54dcdb1c5fca4afb4078c25c34de1ac34f267c6a3bc49f12b6a9b823f54aabe9"  # sha256sum
    assert not found.has_response


def test_the_same_rows_in_every_format_give_the_same_samples(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Say “hi”, twice", "input": "a\nb", "reference_answer": "hi hi"},
        {"instruction": "Zähle, bitte", "input": None, "reference_answer": "1"},
    ]
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_csv(tmp_path / "rows.csv")
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    written(tmp_path / "rows.jsonl", rows)
    read = {
        suffix: [sample.seed for sample in samples_of(InputSpec(path=str(tmp_path / f"rows.{suffix}")))]
        for suffix in ("jsonl", "json", "csv", "parquet")
    }
    assert [seed.text for seed in read["jsonl"]] == ["Say “hi”, twice", "Zähle, bitte"]
    assert read["json"] == read["jsonl"]
    assert read["csv"] == read["jsonl"]
    assert read["parquet"] == read["jsonl"]


def test_structures_in_a_table_are_read_from_structs_and_from_json_text(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "2 + 2?", "name": None}], "reference_answer": 4.0}]
    pl.DataFrame(rows).with_columns(grader=pl.lit('{"type": "number"}')).write_parquet(tmp_path / "rows.parquet")
    (sample,) = samples_of(InputSpec(path=str(tmp_path / "rows.parquet")))
    assert (sample.seed.text, sample.seed.reference_answer) == ("2 + 2?", "4.0")
    assert sample.seed.grader == NumberGrader()


NAMES = st.sampled_from(["instruction", "messages", "role", "content", "grader", "type", "input", "metadata", "id"])
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(ANY_VALUE)
def test_any_value_is_a_good_row_or_a_bad_one(value: object) -> None:
    row = input_row(RawRow(1, value), columns_of(InputSpec(path="x.jsonl")))
    assert isinstance(row, InputRow | BadRow)


def test_columns_that_are_never_read_are_noted_with_the_field_they_may_be_meant_for(tmp_path: Path) -> None:
    row = {"question": {"text": "2 + 3?"}, "referenceanswer": "5", "id": 1, "level": "easy"}
    spec = written(tmp_path / "rows.jsonl", [row]).evolve(columns={"instruction": "question.text"})
    (note,) = survey(spec).notes
    assert note == (
        f"{spec.path}: columns that are never read: referenceanswer, level; 'referenceanswer' may be meant for "
        "reference_answer: --set 'input.columns.reference_answer=referenceanswer'"
    )
    assert survey(written(tmp_path / "plain.jsonl", [{"instruction": "2 + 3?", "id": 1}])).notes == ()
