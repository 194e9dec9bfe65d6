import pytest
from pydantic import JsonValue

from preflect.grading import grade, validate_grader
from preflect.schemas import JsonSchemaGrader

PERSON: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}
SPEC = JsonSchemaGrader(json_schema=PERSON)


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Ada", "age": 36}',
        'Here it is:\n```json\n{"name": "Ada", "age": 36}\n```\nDone.',
        'Sure! {"age": 36, "name": "Ada"} — is that fine?',
        'See [1]: {"name": "Ada", "age": 36.0}',
        'First I tried {"name": 5}, then\n{"name": "Ada", "age": 36}',
    ],
)
def test_the_one_fitting_document_is_found_and_compared_by_value(answer: str) -> None:
    assert grade(SPEC, answer).score == 1.0
    assert grade(SPEC, answer, '{"age": 36, "name": "Ada"}').score == 1.0
    assert grade(SPEC, answer, '{"age": 37, "name": "Ada"}').score == 0.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("no document", "no JSON document in the answer"),
        ('{"name": 5}', "$.name: 5 is not of type 'string'"),
        ('{"name": "Ada"} or {"name": "Bob"}', "ambiguous"),
        ('{"name": "Ada", "age": NaN}', "no JSON document in the answer"),
        ('{"name": "Ada", "name": "Bob"}', "no JSON document in the answer"),
        ('{"broken": [{"name": "Ada"}', "no JSON document in the answer"),
        ("[" * 100_000, "no JSON document in the answer"),
        ('{"a":' * 100_000, "no JSON document in the answer"),
    ],
)
def test_what_is_no_fitting_document_fails_with_its_reason(answer: str, reason: str) -> None:
    result = grade(SPEC, answer)
    assert (result.score, result.reason) == (0.0, reason)


def test_true_is_not_one_and_one_is_one_point_zero() -> None:
    anything = JsonSchemaGrader(json_schema={})
    assert grade(anything, "[1.0, true]", "[1, true]").score == 1.0
    assert grade(anything, "[1, 1]", "[1, true]").score == 0.0
    assert grade(anything, "[1, 2]", "[2, 1]").score == 0.0


def test_a_reference_that_is_not_json_grades_nothing() -> None:
    assert grade(SPEC, '{"name": "Ada"}', "Ada").score is None
    assert (validate_grader(SPEC.evolve(reference="Ada")) or "").startswith("reference is not JSON")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"pattern": "("},
        {"properties": {"a": {"pattern": "*"}}},
        {"patternProperties": {"(": {}}},
        {"$schema": ["x"]},
    ],
)
def test_a_schema_that_is_invalid_grades_nothing_and_is_refused(schema: dict[str, JsonValue]) -> None:
    spec = JsonSchemaGrader(json_schema=schema)
    assert validate_grader(spec) is not None
    assert grade(spec, '{"a": "b"}').score in {None, 1.0}


def test_a_reference_out_of_the_schema_is_never_fetched() -> None:
    spec = JsonSchemaGrader(json_schema={"$ref": "http://127.0.0.1:9/schema.json"})
    assert grade(spec, "{}").score is None


def test_a_schema_that_refers_to_itself_without_end_grades_nothing() -> None:
    assert grade(JsonSchemaGrader(json_schema={"$ref": "#"}), "{}").score is None


def test_a_pattern_in_a_schema_is_stopped_in_time() -> None:
    slow: dict[str, JsonValue] = {"pattern": "(a|aa)+$"}
    assert grade(JsonSchemaGrader(json_schema=slow), f'"{"a" * 60}!"').score is None
    keys: dict[str, JsonValue] = {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False}
    spec = JsonSchemaGrader(json_schema=keys)
    assert [grade(spec, text).score for text in ('{"x-a": 1}', '{"x-a": "1"}', '{"y": 1}')] == [1.0, 0.0, 0.0]


def test_additional_properties_may_have_a_schema_of_their_own() -> None:
    spec = JsonSchemaGrader(json_schema={"properties": {"a": {}}, "additionalProperties": {"type": "integer"}})
    assert [grade(spec, text).score for text in ('{"a": "x", "b": 1}', '{"b": "x"}')] == [1.0, 0.0]
