"""Samples and rejections survive Parquet: whatever the schemas allow comes back equal."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic.fields import FieldInfo

from preflect.engine.columns import row_to_json, shape_of, table_of, table_schema
from preflect.engine.storage import ROW_GROUP, read_rejections, read_samples, write_rejections, write_samples
from preflect.errors import DataError
from preflect.schemas import (
    Critique,
    GraderSpec,
    Identified,
    Instruction,
    Message,
    Provenance,
    Rejection,
    Response,
    Review,
    Sample,
    Sampling,
)

TEXTS = st.text(max_size=8) | st.sampled_from(["", "null", "{}", "🜚 𓂀𐍈", "a\x00b", "e\u0301", "\r\n\t", "\u2028"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def values_of(annotation: Any, limits: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Whatever a field of this annotation may hold, within the limits that its schema sets."""
    scalars = {type(None): st.none(), JsonValue: JSON, str: TEXTS, bool: st.booleans()}
    scalars |= {int: whole_numbers(limits), float: real_numbers(limits)}
    if get_origin(annotation) is not None:
        return several_of(annotation, limits)
    return scalars[annotation] if annotation in scalars else records_of(annotation)


def several_of(annotation: Any, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return st.dictionaries(TEXTS, values_of(arguments[1]), max_size=2)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Annotated:
        return values_of(arguments[0])
    if origin in {Union, types.UnionType}:
        return st.one_of([values_of(member, limits) for member in arguments])
    length = next((m.min_length for m in limits if isinstance(m, annotated_types.MinLen)), 0)
    return st.lists(values_of(arguments[0]), min_size=length, max_size=max(2, length)).map(tuple)


def whole_numbers(limits: tuple[Any, ...]) -> st.SearchStrategy[int]:
    at_least, at_most = bounds(limits)
    return st.integers(-(2**63) if at_least is None else at_least, 2**63 - 1 if at_most is None else at_most)


def real_numbers(limits: tuple[Any, ...]) -> st.SearchStrategy[float]:
    return st.floats(*bounds(limits), allow_nan=False, allow_infinity=False)


def bounds(limits: tuple[Any, ...]) -> tuple[Any, Any]:
    at_least = next((m.ge for m in limits if isinstance(m, annotated_types.Ge)), None)
    return at_least, next((m.le for m in limits if isinstance(m, annotated_types.Le)), None)


def records_of(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any record of a schema; those that are named by their content name themselves."""
    named_by_content = issubclass(model, Identified)

    def strategy(field: FieldInfo) -> st.SearchStrategy[Any]:
        return values_of(field.annotation, tuple(field.metadata))

    fields = {n: strategy(f) for n, f in model.model_fields.items() if not (named_by_content and n == "id")}
    return st.builds(model, **fields)


SAMPLES: st.SearchStrategy[Sample] = records_of(Sample)
REJECTIONS: st.SearchStrategy[Rejection] = records_of(Rejection)
thorough = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def a_sample(number: int = 0, **changes: Any) -> Sample:
    seed = Instruction(messages=(Message(role="user", content=f"Count to {number}."),))
    return Sample(id=seed.id, index=number, instructions=(seed,)).evolve(**changes)


@given(st.lists(SAMPLES, max_size=3))
@thorough
def test_any_samples_come_back_equal(samples: list[Sample]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        write_samples(path, samples)
        assert list(read_samples([path])) == samples
        assert [s.model_dump_json() for s in read_samples([path])] == [s.model_dump_json() for s in samples]


@given(st.lists(st.tuples(REJECTIONS, st.none() | SAMPLES), max_size=3))
@thorough
def test_any_rejections_come_back_equal(rows: list[tuple[Rejection, Sample | None]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rejections.parquet"
        write_rejections(path, rows)
        assert list(read_rejections(path)) == rows


@given(st.lists(SAMPLES, max_size=2))
@thorough
def test_samples_survive_polars_own_writer(samples: list[Sample]) -> None:
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.parquet", Path(folder) / "theirs.parquet"
        write_samples(ours, samples)
        pl.read_parquet(ours).write_parquet(theirs)
        assert list(read_samples([theirs])) == samples


@given(values_of(GraderSpec))
@thorough
def test_every_grader_comes_back_as_its_own_type(grader: Any) -> None:
    table = table_of(Instruction, [Instruction(messages=(Message(role="user", content="x"),), grader=grader)])
    back = Instruction.model_validate_json(row_to_json(Instruction)(table.row(0, named=True)))
    assert type(back.grader) is type(grader)
    assert back.grader == grader


def test_a_missing_record_differs_from_one_whose_fields_are_all_missing(tmp_path: Path) -> None:
    sample = a_sample()
    answers = (
        Response(instruction_id=sample.id, text="no origin known", provenance=None),
        Response(
            instruction_id=sample.id,
            text="no parameter known",
            provenance=Provenance(model="", prompt_version="", call_id="", sampling=Sampling()),
        ),
    )
    write_samples(tmp_path / "s.parquet", [sample.evolve(responses=answers)])
    [back] = read_samples([tmp_path / "s.parquet"])
    assert back.responses[0].provenance is None
    assert back.responses[1].provenance == answers[1].provenance


def test_the_numbers_of_metadata_keep_their_type_and_all_their_digits(tmp_path: Path) -> None:
    metadata = {"whole": 1, "real": 1.0, "minus_zero": -0.0, "vast": 10**40, "tiny": 5e-324, "third": 1 / 3}
    write_samples(tmp_path / "s.parquet", [a_sample(metadata=metadata)])
    [back] = read_samples([tmp_path / "s.parquet"])
    assert {key: repr(value) for key, value in back.metadata.items()} == {k: repr(v) for k, v in metadata.items()}


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    samples = [a_sample(number, metadata={"n": number}) for number in range(ROW_GROUP * 3 + 7)]
    for name in ("a.parquet", "b.parquet"):
        write_samples(tmp_path / name, iter(samples))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_many_samples_keep_their_order_over_row_groups_and_files(tmp_path: Path) -> None:
    samples = [a_sample(number) for number in range(ROW_GROUP * 2 + 5)]
    write_samples(tmp_path / "1.parquet", samples[:300])
    write_samples(tmp_path / "2.parquet", [])
    write_samples(tmp_path / "3.parquet", samples[300:])
    paths = [tmp_path / f"{part}.parquet" for part in (1, 2, 3)]
    assert list(read_samples(paths)) == samples


def test_scores_and_ratings_are_columns_that_polars_can_query() -> None:
    schema = table_schema(Sample)
    assert schema["schema_version"] == pl.Int64()
    assert schema["simulated"] == pl.Boolean()
    assert schema["metadata"] == pl.String()
    scores = schema["scores"]
    assert isinstance(scores, pl.List)
    assert isinstance(scores.inner, pl.Struct)
    assert {f.name: f.dtype for f in scores.inner.fields}["value"] == pl.Float64()


def test_a_field_without_a_column_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="no column can hold <class 'complex'>"):
        shape_of(complex)
    with pytest.raises(TypeError, match="make the field a plain tuple"):
        shape_of(tuple[str, ...] | None)


@pytest.mark.parametrize("text", ["\ud800", "half a \udc00 pair"])
def test_a_lone_surrogate_is_refused_before_it_reaches_a_file(text: str) -> None:
    origin = Provenance(model="m", prompt_version="v", call_id="c")
    with pytest.raises(ValidationError, match="unicode"):
        Critique(target_id="x", kind="response", text=text, provenance=origin)
    with pytest.raises(ValidationError, match="unicode"):
        Review(reviewer="r", question="q", value={text: [text]}, submitted_at="2024-01-01T00:00:00Z")


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write_samples(path, [a_sample(1)])

    def half() -> Iterator[Sample]:
        yield from (a_sample(number) for number in range(ROW_GROUP + 1))
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        write_samples(path, half())
    assert list(read_samples([path])) == [a_sample(1)]
    assert [p.name for p in tmp_path.iterdir()] == ["s.parquet"]


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and then nothing")
    for name in ("torn.parquet", "absent.parquet"):
        with pytest.raises(DataError, match=name):
            list(read_samples([tmp_path / name]))


def test_a_row_of_another_version_is_named_with_file_and_row(tmp_path: Path) -> None:
    path = tmp_path / "later.parquet"
    table_of(Sample, [a_sample()]).with_columns(schema_version=pl.lit(2)).write_parquet(path)
    with pytest.raises(DataError, match=r"later\.parquet: row 1 is not a Sample of this version"):
        list(read_samples([path]))
