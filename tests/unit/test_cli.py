# jsonschema's methods carry no full types.
# pyright: reportUnknownMemberType=false

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from preflect.cli import main
from preflect.cli.app import app
from preflect.errors import BudgetError
from preflect.schemas import SftRow
from preflect.schemas.stages import Strategy

CAPTURE = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def names_of_commands() -> list[str]:
    return [
        str(command.name or (command.callback and command.callback.__name__)) for command in app.registered_commands
    ]


@pytest.mark.parametrize("name", names_of_commands())
def test_every_command_has_help_with_an_example_and_json(name: str, capsys: CAPTURE) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"Example: preflect {name}" in said
    assert "--json" in said


def test_the_help_of_pairs_names_every_strategy(capsys: CAPTURE) -> None:
    assert main(["pairs", "--help"]) == 0
    said = capsys.readouterr().out
    assert [strategy for strategy in get_args(Strategy) if strategy not in said] == []


def test_help_imports_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from preflect.cli import main; main(['--help']); "
        "heavy = {'polars', 'openai', 'datasets', 'distilabel', 'pydantic', 'rich', 'torch', 'aiohttp', 'vl_convert'}; "
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_version_is_the_installed_one(capsys: CAPTURE) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("preflect 0.")


@pytest.mark.parametrize("arguments", [["ini"], ["init", "--no-such"], ["init", "a", "b"], []])
def test_wrong_arguments_are_wrong_input(arguments: list[str], capsys: CAPTURE) -> None:
    assert main(arguments) == 2
    assert "Usage: preflect" in "".join(capsys.readouterr())


WRITERS = [
    ("--run", ["quickstart", "--samples", "1", "--run"]),
    ("--run", ["run", "recipe.yaml", "--run"]),
    ("--to", ["export", "demo", "--to"]),
    ("--to", ["pairs", "demo", "--to"]),
    ("--to", ["journal", "export", "demo", "--to"]),
    ("--to", ["review", "push", "demo", "--to"]),
    ("--out", ["score", "rows.jsonl", "--student", "ppm", "--out"]),
    ("--out", ["filter", "rows.jsonl", "--out"]),
]
UNFIT = {
    "file/under/it": "'file/under/it' lies under {here}/file, which is a file; name a path that can be written",
    "a" * 256: "can be no path here (File name too long); name a path that can be written",
    "a\0b": "embedded null byte",
}


@pytest.mark.parametrize(("path", "fault"), UNFIT.items())
@pytest.mark.parametrize(("option", "words"), WRITERS)
def test_a_path_that_nothing_can_be_written_to_is_wrong_input(
    option: str, words: list[str], path: str, fault: str, capsys: CAPTURE
) -> None:
    Path("file").touch()
    assert main([*words, path]) == 2
    said = capsys.readouterr().err
    assert f"Invalid value for '{option}': " in said
    assert fault.format(here=Path.cwd()) in said


@pytest.mark.parametrize(("option", "words"), WRITERS)
def test_a_file_where_a_folder_goes_and_a_folder_where_a_file_goes_are_wrong_input(
    option: str, words: list[str], capsys: CAPTURE
) -> None:
    Path("a.jsonl").touch()
    Path("b.jsonl").mkdir()
    wants_a_folder = words[-1] == "--run" or words[0] in ("export", "pairs")
    assert main([*words, "a.jsonl" if wants_a_folder else "b.jsonl"]) == 2
    said = capsys.readouterr().err
    fault = "'a.jsonl' is a file, and a folder" if wants_a_folder else "'b.jsonl' is a folder, and a file"
    assert f"Invalid value for '{option}': {fault} is wanted" in said


@pytest.mark.skipif(os.access("/", os.W_OK), reason="root may write everywhere")
def test_a_folder_that_is_not_ours_is_wrong_input(capsys: CAPTURE) -> None:
    assert main(["quickstart", "--run", "/mine"]) == 2
    assert "'/mine' lies in /, which cannot be written" in capsys.readouterr().err


def test_what_nobody_foresaw_is_one_line_and_a_traceback_with_debug() -> None:
    code = (
        "import sys; from preflect.cli import app, main\n"
        "def crash() -> None: raise ZeroDivisionError('by nought')\n"
        "app.app.command('crash')(crash); sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "crash"]
    brief = subprocess.run(command, capture_output=True, text=True, check=False)
    assert brief.returncode == 1
    assert brief.stderr == "error: unexpected ZeroDivisionError: by nought; `--debug` shows the traceback\n"
    long = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert long.returncode == 1
    assert "Traceback (most recent call last)" in long.stderr


def test_a_full_disk_says_so_and_what_to_do() -> None:
    code = (
        "import errno, os, sys; from preflect.cli import app, main\n"
        "def crash() -> None: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'run/journal')\n"
        "app.app.command('crash')(crash); sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code, "crash"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the disk is full: [Errno 28] No space left on device: 'run/journal'\n"
        "what was done is kept: make room, then give the command again; a run goes on with `preflect resume`; "
        "`--debug` shows the traceback\n"
    )


# init


def test_init_writes_a_recipe_and_says_what_comes_next(capsys: CAPTURE) -> None:
    assert main(["init"]) == 0
    assert "stages:" in Path("recipe.yaml").read_text(encoding="utf-8")
    assert capsys.readouterr().out == "wrote recipe.yaml: edit models and input, then `preflect run recipe.yaml`\n"


def test_init_overwrites_only_when_forced(capsys: CAPTURE) -> None:
    Path("mine.yaml").write_text("name: mine\n", encoding="utf-8")
    assert main(["init", "mine.yaml"]) == 2
    assert capsys.readouterr().err == "error: mine.yaml exists; name another file, or overwrite it with --force\n"
    assert Path("mine.yaml").read_text(encoding="utf-8") == "name: mine\n"
    assert main(["init", "mine.yaml", "--force"]) == 0
    assert "stages:" in Path("mine.yaml").read_text(encoding="utf-8")


def test_init_into_a_folder_that_is_not_there_is_wrong_input(capsys: CAPTURE) -> None:
    assert main(["init", "no/recipe.yaml"]) == 2
    assert capsys.readouterr().err == (
        "error: no/recipe.yaml cannot be written: No such file or directory; name a file in a folder that exists\n"
    )


def test_json_is_one_document_whatever_happens(capsys: CAPTURE) -> None:
    assert main(["init", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"recipe": "recipe.yaml", "copied_from": "selective_reflection"}
    assert main(["init", "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "error": "recipe.yaml exists; name another file, or overwrite it with --force",
        "exit_code": 2,
    }
    assert said.err.startswith("error: recipe.yaml exists")


def test_the_help_says_that_debug_may_stand_after_the_command(capsys: CAPTURE) -> None:
    assert main(["--help"]) == 0
    assert "Show the traceback of an error; it may stand anywhere." in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["init", "--debug"], ["--debug", "init"]])
def test_debug_shows_what_a_message_would_hide_and_keeps_the_exit_code(arguments: list[str], capsys: CAPTURE) -> None:
    Path("recipe.yaml").touch()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert "FileExistsError" in said
    assert said.endswith("error: recipe.yaml exists; name another file, or overwrite it with --force\n")


def test_arguments_that_no_command_takes_are_one_json_document_too(capsys: CAPTURE) -> None:
    assert main(["run", "recipe.yaml", "--limit", "0", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert "Invalid value for '--limit'" in document["error"]
    assert document["exit_code"] == 2


def test_the_exit_code_is_the_error_s_own(capsys: CAPTURE) -> None:
    def stop() -> None:
        raise BudgetError("the budget of $1.00 is spent")

    registered = [*app.registered_commands]
    app.command("stop")(stop)
    try:
        assert main(["stop"]) == 3
    finally:
        app.registered_commands = registered
    assert capsys.readouterr().err == "error: the budget of $1.00 is spent\n"


# schema


def test_schema_prints_what_rows_are_validated_by(capsys: CAPTURE) -> None:
    assert main(["schema", "sftrow"]) == 0
    schema = json.loads(capsys.readouterr().out)
    validator = Draft202012Validator(schema)
    row = SftRow.model_validate_json(
        '{"sample_id": "a", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]}'
    ).model_dump(mode="json")
    validator.validate(row)
    assert not validator.is_valid(row | {"colour": "red"})
    assert not validator.is_valid(row | {"messages": row["messages"][:1]})


def test_schema_without_a_name_lists_all_and_each_can_be_printed(capsys: CAPTURE) -> None:
    assert main(["schema"]) == 0
    names = capsys.readouterr().out.split()
    assert {"Sample", "Recipe", "DpoRow", "GraderSpec", "Manifest", "Conversation"} <= {*names}
    for name in names:
        assert main(["schema", name]) == 0
        Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_an_unknown_schema_is_told_the_nearest(capsys: CAPTURE) -> None:
    assert main(["schema", "Smaple"]) == 2
    said = capsys.readouterr().err
    assert said == "error: no record is called 'Smaple'; did you mean 'Sample'? `preflect schema` lists all\n"
    assert main(["schema", "zzz"]) == 2
    assert "known are AnyStage, ArgillaDeskSpec, BatchOptions, CallCounts, " in capsys.readouterr().err
