"""What is wrong with the input is said before any model is called: exit code 2, place and remedy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path

import polars as pl
import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run
from .endpoint import Endpoint, Reply, said, serving

RECIPE = """\
name: small
engine: local
input: {path: rows.jsonl}
models:
  teacher: {kind: openai, model: m, base_url: "BASE_URL"}
  student: {kind: ppm}
stages:
  - {stage: respond, model: teacher}
"""
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def endpoint() -> Generator[Endpoint]:
    with serving(Endpoint(lambda _: said("A robin."))) as running:
        yield running


@pytest.fixture
def recipe(tmp_path: Path, endpoint: Endpoint) -> Path:
    """A sound recipe of eight lines, with one row to answer."""
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name a bird."}\n', encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("BASE_URL", endpoint.base_url), encoding="utf-8")
    return path


def change(recipe: Path, old: str, new: str) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert old in text
    recipe.write_text(text.replace(old, new), encoding="utf-8")


def refusal(done: Done, endpoint: Endpoint, folder: Path) -> str:
    """The message of a run that was refused before it began."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert endpoint.asked == []
    assert not (folder / "data").exists()
    return done.stderr.removeprefix("error: ").rstrip("\n")


def test_the_recipe_these_tests_break_is_sound(preflect: Run, recipe: Path, endpoint: Endpoint) -> None:
    assert preflect("run", recipe.name).returncode == 0
    assert endpoint.asked == ["Name a bird."]


BROKEN_RECIPES = [
    ("stages:", "stges: 3\nstages:", "recipe.yaml:7: unknown key 'stges' in the recipe; did you mean 'stages'?"),
    (
        "model: teacher",
        "model: techer",
        (
            "recipe.yaml:8: stage 'respond' names model 'techer', which is not defined; the models are "
            "['teacher', 'student']; did you mean 'teacher'?"
        ),
    ),
    (
        "  - {stage: respond",
        "  - {stage: reflect_response, model: teacher}\n  - {stage: respond",
        (
            "recipe.yaml:8: stage 'reflect_response' needs 'respond' or a response column in the input before it; the "
            "stages before it are []; 'respond' stands after it, on line 9"
        ),
    ),
    ("name: small", "name: [small", "recipe.yaml:2: not YAML: "),
    ("name: small\n", "", "recipe.yaml:1: the recipe lacks 'name'; add `name: …`"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN_RECIPES)
def test_a_broken_recipe_is_told_its_line_and_what_would_be_right(
    *, old: str, new: str, message: str, tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    change(recipe, old, new)
    assert refusal(preflect("run", recipe.name), endpoint, tmp_path).startswith(message)


def test_a_recipe_file_that_is_not_there_is_told_how_to_get_one(
    tmp_path: Path, preflect: Run, endpoint: Endpoint
) -> None:
    said = refusal(preflect("run", "reipe.yaml"), endpoint, tmp_path)
    assert said == "reipe.yaml: there is no such file; `preflect init reipe.yaml` writes a recipe to start from"


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "--set seed: write it as a.b.c=VALUE, such as seed=7 or models.teacher.concurrency=8"),
        ("seed=[", "--set seed: '[' is not YAML: "),
        (
            "models.teacher.concurrency=many",
            "--set models.teacher.concurrency: 'concurrency' of model 'teacher' must be a whole number, got \"many\"",
        ),
        ("limits.max_rejected=2", "--set limits.max_rejected: 'limits.max_rejected' must be at most 1, got 2"),
    ],
)
def test_a_wrong_setting_is_named_by_its_option(
    setting: str, message: str, tmp_path: Path, preflect: Run, endpoint: Endpoint
) -> None:
    assert refusal(preflect("run", "recipe.yaml", "--set", setting), endpoint, tmp_path).startswith(message)


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--budget-usd", "-1", "Invalid value for '--budget-usd': -1 is no budget; it must be greater than 0"),
        ("--limit", "0", "Invalid value for '--limit': "),
        ("--engine", "spark", "Invalid value for '--engine': "),
    ],
)
def test_a_wrong_option_is_wrong_input(
    *, option: str, value: str, message: str, tmp_path: Path, preflect: Run, endpoint: Endpoint
) -> None:
    done = preflect("run", "recipe.yaml", option, value, "--json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["exit_code"] == 2
    assert document["error"].startswith(message)
    assert document["error"] in done.stderr
    assert endpoint.asked == []
    assert not (tmp_path / "data").exists()


# Data


@pytest.mark.parametrize(
    ("words", "place"),
    [((), "recipe.yaml:3: "), (("--input", "row.jsonl"), "")],
)
def test_an_input_file_that_is_not_there_is_told_where_it_was_looked_for_and_the_nearest(
    *, words: Sequence[str], place: str, tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    (tmp_path / "recipes").mkdir()
    if not words:
        change(recipe, "rows.jsonl", "row.jsonl")
    recipe.rename(tmp_path / "recipes" / "recipe.yaml")
    done = preflect("run", "recipes/recipe.yaml", *words)
    said = refusal(done, endpoint, tmp_path)
    assert said == (
        f"{place and 'recipes/' + place}row.jsonl: no such file; looked for {tmp_path}/row.jsonl, "
        f"{tmp_path}/recipes/row.jsonl; did you mean rows.jsonl?"
    )


NOT_WHAT_THEY_SAY = [
    ("a.parquet", b'{"instruction": "a"}\n', "not a Parquet file", "it looks like JSON Lines: name it .jsonl"),
    ("a.jsonl", b'[{"instruction": "a"}]', "holds a JSON array, not one object per line", "name it .json"),
    ("a.csv", b"PK\x03\x04rest", "not a .csv file but a ZIP archive or a spreadsheet", "export it as CSV"),
    ("a.jsonl", '{"instruction": "Größe?"}\n'.encode("latin1"), "not UTF-8", "save the file as UTF-8"),
    ("a.jsonl", b"", "the file is empty", "it should hold one row per instruction"),
    ("a.csv", b"instruction\n", "it holds no row", "it should hold one object per instruction"),
    ("a.txt", b"Name a bird.\n", "preflect reads .jsonl, .json, .csv, .parquet", "not .txt"),
]


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(("name", "content", "fault", "remedy"), NOT_WHAT_THEY_SAY)
def test_a_file_that_is_not_what_its_name_says_is_told_what_it_is(
    *, name: str, content: bytes, fault: str, remedy: str, tmp_path: Path, preflect: Run, endpoint: Endpoint
) -> None:
    (tmp_path / name).write_bytes(content)
    said = refusal(preflect("run", "recipe.yaml", "--input", name), endpoint, tmp_path)
    assert said.startswith(str(tmp_path / name))
    assert fault in said
    assert remedy in said


@pytest.fixture
def rows_some_bad(tmp_path: Path) -> Path:
    """Fifty rows, each second one without an instruction."""
    path = tmp_path / "some.jsonl"
    good_and_bad = '{{"instruction": "Name bird number {0}."}}\n{{"question": "Which bird is number {0}?"}}\n'
    path.write_text("".join(good_and_bad.format(number) for number in range(25)), encoding="utf-8")
    return path


@pytest.mark.usefixtures("recipe")
def test_rows_without_an_instruction_are_listed_and_the_run_refuses(
    tmp_path: Path, preflect: Run, endpoint: Endpoint, rows_some_bad: Path
) -> None:
    said = refusal(preflect("run", "recipe.yaml", "--input", rows_some_bad.name), endpoint, tmp_path).splitlines()
    assert said[0] == "some.jsonl: 25 of 50 rows cannot be used"
    assert said[1:21] == [
        f"  row {row}: has no instruction; give it one, or map the column that holds it (no_instruction)"
        for row in range(2, 41, 2)
    ]
    assert said[21:] == [
        "  … and 5 more",
        "Mend them, or leave them out with --skip-bad-rows, which keeps them in rejections.parquet.",
    ]


@pytest.mark.usefixtures("recipe")
def test_skipped_rows_are_kept_with_their_reason_and_the_rest_runs(
    tmp_path: Path, preflect: Run, endpoint: Endpoint, rows_some_bad: Path
) -> None:
    run = tmp_path / "run"
    done = preflect("run", "recipe.yaml", "--input", rows_some_bad.name, "--skip-bad-rows", "--run", run)
    assert done.returncode == 0, done.stderr
    assert len(endpoint.asked) == 25
    rejections = [rejection for rejection, _ in RunFolder(run).rejections()]
    assert [(r.stage, r.cause, r.reason) for r in rejections] == [("input", "input", "no_instruction")] * 25
    assert rejections[0].detail.startswith("row 2: has no instruction")
    assert pl.read_parquet(run / "rejections.parquet")["reason"].to_list() == ["no_instruction"] * 25
    manifest = RunFolder(run).manifest()
    assert (manifest.input_rows, manifest.input_rejected, manifest.stages[0].rows_in) == (50, 25, 25)
    assert manifest.skipped_bad_rows


# Endpoints


def test_a_key_variable_that_is_not_set_is_named(
    tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    change(recipe, "model: m,", "model: m, api_key_env: NO_SUCH_KEY,")
    assert refusal(preflect("run", "recipe.yaml"), endpoint, tmp_path) == (
        "recipe.yaml:5: models.teacher.api_key_env: the environment variable NO_SUCH_KEY is not set; set it to the "
        "API key: export NO_SUCH_KEY=…"
    )


@pytest.mark.usefixtures("recipe")
def test_a_key_that_an_option_gives_is_named_once(tmp_path: Path, preflect: Run, endpoint: Endpoint) -> None:
    done = preflect("run", "recipe.yaml", "--set", "models.teacher.api_key_env=NO_SUCH_KEY")
    assert refusal(done, endpoint, tmp_path).startswith(
        "--set models.teacher.api_key_env: the environment variable NO_SUCH_KEY is not set; "
    )


@pytest.mark.usefixtures("recipe")
def test_an_endpoint_that_does_not_answer_is_named_with_the_option_that_moves_it(
    tmp_path: Path, preflect: Run, endpoint: Endpoint
) -> None:
    # Nothing listens on the discard port.
    at = "models.teacher.base_url=http://127.0.0.1:9/v1"
    assert refusal(preflect("run", "recipe.yaml", "--set", at), endpoint, tmp_path) == (
        "--set models.teacher.base_url: http://127.0.0.1:9/v1 does not answer "
        "(ClientConnectorError); start the server or mend the address: --set "
        "models.teacher.base_url=http://127.0.0.1:8000/v1"
    )


def test_a_refused_key_is_found_before_the_first_call(
    tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    change(recipe, "model: m,", "model: m, api_key_env: TEACHER_KEY,")
    endpoint.looked_at = Reply(b'{"error": {"message": "sk-wrong is not valid"}}', 401)
    done = preflect("run", "recipe.yaml", env={"TEACHER_KEY": "sk-wrong"})
    assert refusal(done, endpoint, tmp_path) == (
        f"recipe.yaml:5: models.teacher.api_key_env: {endpoint.base_url} refuses the key in TEACHER_KEY (HTTP 401); "
        "put a valid one there"
    )
    assert endpoint.keys == {"sk-wrong"}


def test_a_request_without_a_key_that_is_refused_is_told_of_api_key_env(
    tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    endpoint.looked_at = Reply(b"{}", 403)
    said = refusal(preflect("run", recipe.name), endpoint, tmp_path)
    assert said.startswith("recipe.yaml:5: models.teacher.api_key_env: ")
    assert said.endswith("a request without a key (HTTP 403); name the variable that holds one with api_key_env")


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-größe"])
def test_a_key_that_no_header_can_hold_is_not_shown(
    key: str, tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    change(recipe, "model: m,", "model: m, api_key_env: TEACHER_KEY,")
    done = preflect("--debug", "run", "recipe.yaml", env={"TEACHER_KEY": key})
    assert done.returncode == 2
    assert "TEACHER_KEY holds a space, a line break or a letter that no key has; set it again" in done.stderr
    assert key not in done.stderr
    assert key.encode("unicode_escape").decode() not in done.stderr


def test_a_model_that_no_stage_uses_need_not_answer(preflect: Run, recipe: Path) -> None:
    change(recipe, "  student:", "  other: {kind: openai, model: m, base_url: 'http://127.0.0.1:9/v1'}\n  student:")
    assert preflect("run", recipe.name).returncode == 0


@pytest.mark.parametrize("words", [(), ("--engine", "distilabel")], ids=["local", "distilabel"])
def test_a_student_that_is_not_there_is_found_before_the_first_call(
    words: Sequence[str], tmp_path: Path, preflect: Run, recipe: Path, endpoint: Endpoint
) -> None:
    change(recipe, "{kind: ppm}", "{kind: transformers, model: ./no-such-student}")
    change(
        recipe,
        "{stage: respond, model: teacher}",
        "{stage: respond, model: teacher}\n  - {stage: reflect_instruction, model: teacher}"
        "\n  - {stage: select_instruction, model: student}",
    )
    said = refusal(preflect("run", recipe.name, *words), endpoint, tmp_path)
    assert said.startswith("recipe.yaml:6: models.student: student './no-such-student' cannot be loaded on ")
    assert said.endswith("give the folder of a causal language model with its tokenizer, or its name on the Hub")


# Commands


@pytest.mark.parametrize(
    "words", [("resume",), ("show",), ("report",), ("pairs",), ("export", "--to", "training")], ids=lambda w: w[0]
)
def test_a_run_that_is_not_there_is_wrong_input(words: Sequence[str], preflect: Run) -> None:
    done = preflect(*words, "nope", "--json")
    assert done.returncode == 2
    message = "there is no run 'nope'; there are none under data/runs either: name its folder"
    assert json.loads(done.stdout) == {"error": message, "exit_code": 2}
    assert done.stderr == f"error: {message}\n"


def test_the_runs_that_are_there_are_listed_where_one_is_not(preflect: Run, tmp_path: Path) -> None:
    assert preflect("quickstart", "--samples", "1", "--run", "data/runs/first", "--quiet").returncode == 0
    done = preflect("show", "frist")
    assert done.returncode == 2
    assert done.stderr == "error: there is no run 'frist'; the runs under data/runs are ['first']\n"
    assert preflect("show", "first").returncode == 0
    unknown = preflect("show", "first", "zzz")
    assert unknown.returncode == 2
    assert unknown.stderr == "error: run data/runs/first has no sample 'zzz'; ids are in data/runs/first/samples\n"


def test_an_unknown_command_is_told_the_nearest(preflect: Run) -> None:
    done = preflect("rum", "recipe.yaml")
    assert done.returncode == 2
    assert "No such command 'rum'. Did you mean 'run'" in done.stderr


# Machines and developers


def test_a_refusal_is_one_json_document_for_a_machine(preflect: Run, recipe: Path) -> None:
    change(recipe, "model: teacher", "model: techer")
    done = preflect("run", "recipe.yaml", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"] == 2
    assert document["error"].startswith("recipe.yaml:8: stage 'respond' names model 'techer'")
    assert done.stderr == f"error: {document['error']}\n"


def test_a_traceback_is_shown_with_debug_alone_and_changes_nothing_else(preflect: Run, recipe: Path) -> None:
    change(recipe, "model: teacher", "model: techer")
    brief, long = preflect("run", "recipe.yaml"), preflect("run", "recipe.yaml", "--debug")
    assert brief.returncode == long.returncode == 2
    assert long.stderr.startswith("Traceback (most recent call last):")
    assert long.stderr.endswith(brief.stderr)


def test_a_run_s_result_is_one_json_document_and_its_progress_none(preflect: Run, recipe: Path) -> None:
    done = preflect("run", recipe.name, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert document["manifest"]["status"] == "done"
    assert Path(document["report"]).name == "report.html"
