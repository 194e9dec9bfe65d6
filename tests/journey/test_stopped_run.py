"""What can be done with a run that stopped: look at it, report it, go on with it; export it only when it's done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from preflect.engine import run
from preflect.engine.lock import sole_use
from preflect.engine.run_folder import RunFolder
from preflect.engine.so_far import rejections_so_far
from preflect.errors import BudgetError
from preflect.recipes import load
from preflect.schemas import SimModel

from .conftest import Run

RECIPE = {
    "name": "half",
    "engine": "local",
    "input": {"path": "preflect://seeds/instructions.jsonl", "limit": 60},
    "models": {
        "teacher": {
            "kind": "sim",
            "concurrency": 4,
            "max_tokens": 200,
            "price": {"output": 1000},
            "rates": {"faults": {"refusal": 0.3}},
        }
    },
    "stages": [
        {"stage": "dedup"},
        {"stage": "respond", "model": "teacher"},
        {"stage": "reflect_response", "model": "teacher"},
    ],
    "limits": {"max_rejected": 1.0, "open_samples": 4, "budget_usd": 2.0},
}


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that spent its budget in its second phase."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "recipe.yaml").write_text(json.dumps(RECIPE), encoding="utf-8")
    with pytest.raises(BudgetError):
        run(load(folder / "recipe.yaml"), folder / "run")
    return RunFolder(folder / "run")


@pytest.fixture
def stopped(half: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it, to do anything with."""
    return RunFolder(shutil.copytree(half.path, tmp_path / "data" / "runs" / "half"))


def test_resume_says_which_prompts_are_no_longer_what_they_were(preflect: Run, stopped: RunFolder) -> None:
    manifest = stopped.manifest()
    older = {"reflect_response": "reflect_response@000000000000"}
    stopped.write_manifest(
        manifest.evolve(prompts=manifest.prompts | older, versions=manifest.versions | {"preflect": "0.0.9"})
    )
    done = preflect("resume", "half", "--budget-usd", "100", "--quiet")
    assert done.returncode == 0, done.stderr
    notes = done.stderr.splitlines()
    assert notes[0].startswith("note: the run began with preflect 0.0.9, this is ")
    assert notes[1].startswith("note: prompt 'reflect_response' has changed since the run began (reflect_response@0000")
    assert len(notes) == 2


def test_a_recipe_edited_in_the_run_folder_is_refused_where_it_asks_for_other_work(
    preflect: Run, stopped: RunFolder
) -> None:
    text = stopped.recipe_path.read_text(encoding="utf-8")
    stopped.recipe_path.write_text(text.replace("max_similarity: 0.7", "max_similarity: 0.6"), encoding="utf-8")
    refused = preflect("resume", "half", "--budget-usd", "100")
    assert refused.returncode == 2
    assert "recipe.yaml has changed since the run began" in refused.stderr
    stopped.recipe_path.write_text(text.replace("concurrency: 4", "concurrency: 8"), encoding="utf-8")
    done = preflect("resume", "half", "--budget-usd", "100", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_resume_takes_limits_and_the_way_to_a_model_by_set_and_nothing_else(preflect: Run, stopped: RunFolder) -> None:
    for setting in ("seed=8", "models.teacher.max_tokens=9", "stages.0.max_similarity=1"):
        refused = preflect("resume", "half", "--set", setting)
        assert refused.returncode == 2
        assert f"--set {setting.partition('=')[0]}: a run can't change that on its way" in refused.stderr
    wrong = preflect("resume", "half", "--set", "models.teacher.concurrency=none")
    assert wrong.returncode == 2
    assert "--set models.teacher.concurrency" in wrong.stderr
    settings = ("limits.budget_usd=100", "models.teacher.concurrency=8", "models.teacher.timeout_s=60")
    done = preflect("resume", "half", *(word for setting in settings for word in ("--set", setting)), "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    teacher = stopped.recipe().models["teacher"]
    assert isinstance(teacher, SimModel)
    assert (teacher.concurrency, teacher.timeout_s) == (8, 60)


def test_a_stopped_run_is_shown_with_its_counts_so_far_and_how_to_go_on(preflect: Run, stopped: RunFolder) -> None:
    shown = preflect("show", "half")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("half: stopped  (simulated)\nthe next call could cost ")
    assert "go on with `preflect resume data/runs/half`" in shown.stdout
    manifest = json.loads(preflect("show", "half", "--json").stdout)["manifest"]
    dedup, respond, reflect = manifest["stages"]
    assert dedup["rows_in"] == 60
    rejected = [rejection for rejection, _ in rejections_so_far(stopped)]
    assert respond["rejected"] + dedup["rejected"] + reflect["rejected"] == len(rejected) > 0
    assert respond["rows_in"] == reflect["rows_out"] + reflect["rejected"] + respond["rejected"] > 0
    assert reflect["rows_out"] == sum(1 for _ in stopped.samples())
    assert sum(count["cost_usd"] for count in manifest["calls"]) > 1


def test_any_sample_of_a_stopped_run_is_found_wherever_it_is(preflect: Run, stopped: RunFolder) -> None:
    rejected = next(
        sample for rejection, sample in rejections_so_far(stopped) if sample and rejection.stage == "respond"
    )
    shown = preflect("show", "half", rejected.id)
    assert "rejected at respond: refusal" in shown.stdout
    *_, waiting = stopped.phase(0, closed=True, last=False).samples()
    shown = preflect("show", "half", waiting.id, "--json")
    assert json.loads(shown.stdout)["sample"]["responses"] == []


def test_a_stopped_run_has_a_report(preflect: Run, stopped: RunFolder) -> None:
    done = preflect("report", "half")
    assert (done.returncode, done.stderr) == (0, "")
    page = stopped.report_path.read_text(encoding="utf-8")
    assert "Stopped" in page
    assert "reflect_response" in page


@pytest.mark.parametrize("words", [("export", "--to", "there"), ("pairs",)], ids=lambda words: words[0])
def test_training_data_come_of_finished_runs_alone(words: tuple[str, ...], preflect: Run, stopped: RunFolder) -> None:
    refused = preflect(*words, "half")
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: the run data/runs/half is stopped, and its samples are not all there; go on with `preflect resume "
        "data/runs/half`\n"
    )
    assert not (stopped.path / "pairs").exists()


def test_the_list_of_runs_tells_the_killed_from_those_at_work_and_survives_a_damaged_one(
    preflect: Run, stopped: RunFolder
) -> None:
    runs = stopped.path.parent
    killed, at_work = (RunFolder(shutil.copytree(stopped.path, runs / name)) for name in ("killed", "at-work"))
    for folder in (killed, at_work):
        folder.write_manifest(folder.manifest().evolve(status="running", message=""))
    (runs / "damaged").mkdir()
    (runs / "damaged" / "manifest.json").write_text("{", encoding="utf-8")
    with sole_use(at_work.live_path):
        listed = preflect("runs", "--json")
        assert preflect("export", "at-work", "--to", "there").stderr == (
            "error: the run data/runs/at-work is still at work; wait until it's done\n"
        )
    rows = {row["run"]: row for row in json.loads(listed.stdout)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "half": "stopped",
        "killed": "killed",
        "at-work": "running",
        "damaged": "unreadable",
    }
    assert rows["killed"]["calls"] > 0
    assert "its process was killed\ngo on with `preflect resume data/runs/killed`" in preflect("show", "killed").stdout
    assert "unreadable" in preflect("runs").stdout
