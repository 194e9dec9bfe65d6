"""What `preflect score` is made of: students by name, rows to pairs, scores to a table."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from preflect.adapters.input_row import BadRow, InputRow
from preflect.adapters.ppm import PpmScorer
from preflect.adapters.score_table import check_table_path, write_table
from preflect.errors import InputError
from preflect.ports import NllPair, ScoreQuery
from preflect.recipes.score import SCORE_SCHEMA, PairScores, pairs_of_rows, score_dataset
from preflect.recipes.students import build_filter, build_student, parse_student, parse_students
from preflect.schemas import Message, OnnxStudent, PpmStudent, PromptLogprobsStudent, TransformersStudent
from preflect.scoring import ifd_loss, ifd_ppl, r_ifd_ppl

ROWS: list[InputRow | BadRow] = [
    InputRow(
        number=1,
        messages=(Message(role="user", content="Name three fruits that are red."),),
        response="Red fruits: cherries, strawberries and red apples.",
        source_id="a",
    ),
    InputRow(number=2, messages=(Message(role="user", content="Sum up."),), input="A long text.", response="A text."),
    InputRow(number=3, messages=(Message(role="user", content="Add 1 and 2."),), response="3"),
    InputRow(number=4, messages=(Message(role="user", content="Say something."),)),
    BadRow(number=5, reason="no_instruction", remedy="has no instruction", row_id="feed"),
]


async def scored(rows: list[InputRow | BadRow]) -> list[PairScores]:
    return [scores async for scores in score_dataset(pairs_of_rows(rows), PpmScorer(PpmStudent()))]


async def test_every_row_comes_out_once_in_its_order_under_its_own_id() -> None:
    assert [scores.id for scores in await scored(ROWS)] == ["a", "2", "3", "4", "5"]
    assert [scores.id for scores in await scored(ROWS * 130)] == ["a", "2", "3", "4", "5"] * 130


@pytest.mark.parametrize("done", range(11))
async def test_each_student_has_a_line_for_each_row_and_lines_that_are_there_are_left_out(done: int) -> None:
    students = PpmScorer(PpmStudent()), PpmScorer(PpmStudent(template="wiz"))
    lines = [scores async for scores in score_dataset(pairs_of_rows(ROWS), *students)]
    assert [(line.id, line.template) for line in lines] == [
        (name, template) for name in ("a", "2", "3", "4", "5") for template in ("gpt2", "wiz")
    ]
    assert [scores async for scores in score_dataset(pairs_of_rows(ROWS), *students, done=done)] == lines[done:]


class SlowOnce(PpmScorer):
    """A student that keeps its answers back until a thousand questions were asked."""

    def __init__(self) -> None:
        super().__init__(PpmStudent())
        self._left, self._all_asked = 1000, asyncio.Event()

    async def score(self, query: ScoreQuery) -> NllPair:
        self._left -= 1
        if not self._left:
            self._all_asked.set()
        await self._all_asked.wait()
        return await super().score(query)


async def test_a_slow_row_does_not_keep_the_student_from_the_next_thousand() -> None:
    async with asyncio.timeout(30):
        lines = [scores.id async for scores in score_dataset(pairs_of_rows(ROWS[:2] * 400), SlowOnce())]
    assert lines == ["a", "2"] * 400


async def test_a_row_has_the_three_scores_of_its_pair_with_the_tokens_they_stand_on() -> None:
    scores = (await scored(ROWS))[1]
    student = PpmScorer(PpmStudent())
    forward, reverse = [
        await student.score(
            ScoreQuery(direction=direction, instruction="Sum up.", input="A long text.", response="A text.")
        )
        for direction in ("forward", "reverse")
    ]
    assert (scores.ifd_ppl, scores.ifd_loss, scores.r_ifd_ppl) == (
        ifd_ppl(forward),
        ifd_loss(forward),
        r_ifd_ppl(reverse),
    )
    assert (scores.conditioned_tokens, scores.unconditioned_tokens) == (len("A text."),) * 2
    assert (scores.reverse_conditioned_tokens, scores.reverse_unconditioned_tokens) == (len("Sum up.A long text."),) * 2
    assert (scores.student, scores.revision, scores.template) == ("ppm", student.revision, "gpt2")
    assert scores.reason is None


async def test_a_row_without_a_score_says_why_and_keeps_the_scores_it_has() -> None:
    _, _, one_byte, silent, bad = await scored(ROWS)
    assert one_byte.r_ifd_ppl is not None
    assert one_byte.ifd_ppl is None
    assert one_byte.reason == "ifd_ppl unscorable:one_token; ifd_loss unscorable:one_token"
    assert silent.reason == "unscorable:no_response"
    assert bad.reason == "unscorable:no_instruction"
    assert (bad.ifd_ppl, bad.r_ifd_ppl, bad.conditioned_tokens) == (None, None, 0)


@pytest.mark.parametrize("extension", ["parquet", "jsonl", "csv"])
async def test_the_table_read_back_is_the_table_written(tmp_path: Path, extension: str) -> None:
    lines = [asdict(scores) for scores in await scored(ROWS)]
    path = tmp_path / f"scores.{extension}"
    write_table(lines, SCORE_SCHEMA, path)
    assert _read(path).to_dicts() == lines
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".jsonl":
        return pl.read_ndjson(path, schema=SCORE_SCHEMA)
    return pl.read_csv(path, schema=SCORE_SCHEMA)


async def test_an_empty_dataset_gives_an_empty_table_with_all_its_columns(tmp_path: Path) -> None:
    assert await scored([]) == []
    write_table([], SCORE_SCHEMA, tmp_path / "scores.parquet")
    assert pl.read_parquet(tmp_path / "scores.parquet").schema == SCORE_SCHEMA


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scores.xlsx", r"scores are written as \.parquet, \.jsonl, \.csv; got \.xlsx"),
        ("scores", r"got a name without an extension"),
        ("nowhere/scores.csv", r"there is no folder nowhere; make it first"),
    ],
)
def test_a_place_that_no_table_can_have_is_refused_before_the_work(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_table_path(Path(name))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").mkdir()
    with pytest.raises(InputError, match=r"scores\.parquet: is a folder; name a file, in it or elsewhere"):
        check_table_path(tmp_path / "scores.parquet")


def test_a_table_that_cannot_be_written_is_the_users_affair(tmp_path: Path) -> None:
    no_room_beside = f"{'x' * 250}.csv"  # for the file's name until it is whole
    with pytest.raises(InputError, match="cannot be written"):
        write_table([], SCORE_SCHEMA, tmp_path / no_room_beside)


def test_a_student_is_named_by_kind_and_model() -> None:
    assert parse_student("ppm") == PpmStudent()
    assert parse_student("ppm", template="wiz", max_length=64) == PpmStudent(template="wiz", max_length=64)
    assert parse_student("transformers:a/b", dtype="bfloat16") == TransformersStudent(model="a/b", dtype="bfloat16")
    assert parse_student("onnx:a/b", template="wiz", max_length=64) == OnnxStudent(
        model="a/b", template="wiz", max_length=64
    )
    assert parse_student("transformers:C:/models/x", template="alpaca").model_dump()["model"] == "C:/models/x"


def test_a_server_is_named_by_its_kind_and_address() -> None:
    spec = parse_student("vllm:http://127.0.0.1:8000/v1", tokenizer="a/b", api_key_env="KEY", template="wiz")
    assert spec == PromptLogprobsStudent(
        server="vllm", base_url="http://127.0.0.1:8000/v1", tokenizer="a/b", api_key_env="KEY", template="wiz"
    )
    assert parse_student("sglang:http://h").model_dump()["server"] == "sglang"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("gpt4", {}, "is not one of ppm, transformers:FOLDER, transformers:ORG/NAME, onnx:DIR, vllm:URL or sglang:URL"),
        ("vllm:", {}, "is not one of"),
        ("onnx:", {}, "is not one of"),
        ("onnx:x", {"dtype": "bfloat16"}, "a student of kind onnx has no option dtype"),
        ("sglang:localhost", {}, "base_url of a student of kind sglang: .*an address such as http"),
        ("vllm:http://h/v1", {"dtype": "bfloat16"}, "a student of kind vllm has no option dtype"),
        ("transformers:", {}, "is not one of"),
        ("ppm:x", {}, "is not one of"),
        ("ppm", {"template": "chat"}, "template of a student of kind ppm: Input should be 'vicuna', .* got 'chat'"),
        ("ppm", {"dtype": "float32"}, "a student of kind ppm has no option dtype, got 'float32'; leave it out"),
        ("transformers:x", {"dtype": "int4"}, "dtype of a student of kind transformers: Input should be 'float32'"),
    ],
)
def test_a_student_that_does_not_exist_is_refused_with_what_does(
    text: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_student(text, template=options.get("template"), dtype=options.get("dtype"))


def test_an_option_goes_to_the_students_that_have_it() -> None:
    ppm, local, served = parse_students(
        ["ppm", "transformers:a/b", "vllm:http://h/v1"], dtype="bfloat16", tokenizer="c/d", max_length=64, template=None
    )
    assert ppm == PpmStudent(max_length=64)
    assert local == TransformersStudent(model="a/b", dtype="bfloat16", max_length=64)
    assert served == PromptLogprobsStudent(server="vllm", base_url="http://h/v1", tokenizer="c/d", max_length=64)


def test_an_option_that_none_of_the_students_has_is_refused() -> None:
    with pytest.raises(InputError, match="a student of kind onnx has no option dtype, got 'float16'; leave it out"):
        parse_students(["onnx:x", "ppm"], dtype="float16")
    with pytest.raises(InputError, match="student 'gpt2' is not one of ppm"):
        parse_students(["ppm", "gpt2"])


def test_only_the_filter_that_compares_texts_loads_what_turns_them_into_vectors() -> None:
    assert build_filter("cherry", 0.1, 0.2, "transformers:/nowhere").embedder.name == "hashed"
    with pytest.raises(InputError, match="embeddings 'glove' are not one of hashed"):
        build_filter("superfiltering_d", 0.1, 0.2, "glove")


def test_the_embedded_student_is_built_from_its_specification() -> None:
    assert build_student(PpmStudent(template="alpaca")).template == "alpaca"
