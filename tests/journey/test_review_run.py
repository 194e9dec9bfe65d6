"""A run whose samples people review, in a file of JSON lines: pushed, answered, pulled, exported."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.review_server import ReviewServer

from preflect.adapters.shipped import shipped
from preflect.engine import run
from preflect.engine.review_folder import ReviewFolder
from preflect.engine.run_folder import RunFolder
from preflect.export.rows import rows_of
from preflect.recipes import load
from preflect.recipes.finish import Ending
from preflect.schemas import ArgillaDeskSpec, JsonlDeskSpec, Sample, SftRow

from .conftest import Run, WriteRecipe, command, contents

Line = dict[str, Any]
Answer = Callable[[int, Line], list[Line]]


def answer(path: Path, say: Answer) -> None:
    """Write answers into the file, as a team's tool would."""
    lines: list[Line] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines):
        line["answers"] = say(number, line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def always(better: str, **more: object) -> Answer:
    return lambda number, line: [{"reviewer": "ann", "better": better, **more}]


def samples(folder: Path) -> dict[str, Sample]:
    return {sample.id: sample for sample in RunFolder(folder).samples()}


@pytest.fixture(scope="module")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done."""
    folder = tmp_path_factory.mktemp("done")
    run(load(shipped("recipes/quickstart.yaml"), ["input.limit=24"]), folder / "run")
    return folder / "run"


@pytest.fixture
def finished(preflect: Run, done_once: Path, tmp_path: Path) -> Path:
    """The same with a queue of eight in `queue.jsonl`."""
    shutil.copytree(done_once, tmp_path / "run")
    pushed = preflect(
        "review", "push", "run", "--to", "queue.jsonl", "--set", "size=8", "--set", "random=0.7", "--json"
    )
    assert json.loads(pushed.stdout)["new"] == 8
    assert ReviewFolder(RunFolder(tmp_path / "run")).desks() == {
        "review": JsonlDeskSpec(path=str(tmp_path / "queue.jsonl"))
    }
    return tmp_path / "run"


def test_what_people_prefer_is_exported(preflect: Run, finished: Path, tmp_path: Path) -> None:
    queue = tmp_path / "queue.jsonl"
    again = preflect("review", "push", "run", "--json")
    assert json.loads(again.stdout)["new"] == 0
    before = samples(finished)
    answer(queue, always("b"))
    assert json.loads(preflect("review", "pull", "run", "--json").stdout)["new"] == 8
    after = samples(finished)
    tasks = {task["sample_id"]: task for r in read(finished / "review/queue.json")["rounds"] for task in r["tasks"]}
    assert {sample_id for sample_id in after if after[sample_id].reviews} == {*tasks}
    for sample_id, task in tasks.items():
        if task["part"] != "gold":
            shown = task["response_ids"]
            assert after[sample_id].verdicts[-1].better_id == shown[1]
            assert all(
                {pair.chosen_id, pair.rejected_id} != {*shown} or pair.chosen_id == shown[1]
                for pair in after[sample_id].pairs
            )
    assert all(after[sample_id] == before[sample_id] for sample_id in after.keys() - tasks.keys())
    manifest = read(finished / "manifest.json")
    assert manifest["review"]["reviewed"] == 8
    assert sum(manifest["exports"][1][side] for side in ("train", "test")) == sum(len(s.pairs) for s in after.values())


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_same_answers_are_the_same_bytes_however_they_came(preflect: Run, finished: Path, tmp_path: Path) -> None:
    queue = tmp_path / "queue.jsonl"
    shutil.copytree(finished, tmp_path / "other")

    def edited(number: int, line: Line) -> list[Line]:
        better = {"reviewer": "bob", "better": "a", "improved": line["responses"]["a"] + "\nThat is all."}
        return [{"reviewer": "ann", "better": "a"}, better] if number % 2 else [better]

    answer(queue, edited)
    assert preflect("review", "pull", "run").returncode == 0
    answer(queue, lambda number, line: [{"reviewer": "bob", "better": "both_bad"}] if number < 3 else [])
    assert preflect("review", "pull", "other", "--from", queue).returncode == 0
    answer(queue, edited)
    assert preflect("review", "pull", "other").returncode == 0
    assert contents(finished) == contents(tmp_path / "other")
    before = contents(finished)
    assert json.loads(preflect("review", "pull", "run", "--json").stdout)["new"] == 0
    assert contents(finished) == before
    assert any(r.origin == "human" for sample in samples(finished).values() for r in sample.responses)


def test_a_pull_that_is_killed_at_any_moment_is_done_again(preflect: Run, finished: Path, tmp_path: Path) -> None:
    answer(tmp_path / "queue.jsonl", always("b"))
    shutil.copytree(finished, tmp_path / "other")
    assert preflect("review", "pull", "run").returncode == 0
    for number in range(6):
        with subprocess.Popen(
            command("review", "pull", "other"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            time.sleep(0.4 + 0.3 * number)
            process.kill()
    assert preflect("review", "pull", "other").returncode == 0
    assert contents(finished) == contents(tmp_path / "other")


def test_what_a_killed_sitting_left_of_its_end_is_not_taken_for_what_people_said(
    preflect: Run, finished: Path, tmp_path: Path
) -> None:
    answer(tmp_path / "queue.jsonl", always("b"))
    shutil.copytree(finished, tmp_path / "other")
    assert preflect("review", "pull", "run").returncode == 0
    left = RunFolder(tmp_path / "other")
    left.digests_path.mkdir(parents=True)
    for block, before in left.blocks():
        (left.digests_path / block.stem).write_bytes(Ending().digest(left.recipe(), [*before][:1]))
    for folder in (left.export_path / ".export-0", left.export_path / "dpo" / ".train.parquet.0.tmp"):
        folder.mkdir(parents=True)
        (folder / "half").touch()
    assert preflect("review", "pull", "other").returncode == 0
    assert contents(finished) == contents(tmp_path / "other")


def test_only_the_place_that_an_answer_came_from_can_take_it_back(
    preflect: Run, finished: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "queue.jsonl", tmp_path / "second.jsonl"

    def pulled(*words: str | Path) -> tuple[int, int, int]:
        told = json.loads(preflect("review", "pull", "run", "--json", *words).stdout)
        return told["answers"], told["new"], told["changed"]

    answer(first, always("a"))
    early = preflect("review", "push", "run", "--to", second)
    assert (early.returncode, second.exists()) == (2, False)
    assert f"{first}, where the queue is until now, has 8 answers that were not pulled" in early.stderr
    assert pulled() == (8, 8, 0)
    assert json.loads(preflect("review", "push", "run", "--to", second, "--json").stdout)["new"] == 8
    assert pulled() == (8, 0, 0)
    answer(second, lambda number, line: always("b")(number, line) if number < 2 else [])
    assert pulled() == (8, 0, 2)
    answer(second, lambda number, line: [])
    assert pulled() == (6, 0, 0)
    # Laid out anew at the same place, where people begin again.
    assert pulled("--from", first) == (8, 2, 0)
    first.unlink()
    assert json.loads(preflect("review", "push", "run", "--json").stdout)["new"] == 8
    answer(first, lambda number, line: always("b")(number, line) if number < 1 else [])
    assert pulled() == (8, 0, 1)
    answer(first, lambda number, line: [])
    assert json.loads(preflect("review", "push", "run", "--json").stdout)["new"] == 0
    assert pulled() == (7, 0, 0)


def test_a_queue_does_not_leave_a_place_that_cannot_be_asked_unless_it_is_to(
    preflect: Run, finished: Path, tmp_path: Path
) -> None:
    files, elsewhere = ReviewFolder(RunFolder(finished)), ("--to", tmp_path / "elsewhere.jsonl", "--json")
    stopped = ArgillaDeskSpec(home=str(tmp_path / "stopped"), dataset="q")
    keyless = ArgillaDeskSpec(url="http://127.0.0.1:9", api_key_env="NO_SUCH_KEY", dataset="q")
    for desk, why in ((stopped, "no review server runs in"), (keyless, "NO_SUCH_KEY is not set")):
        files.keep_desk("review", desk)
        refused = preflect("review", "push", "run", *elsewhere)
        assert (refused.returncode, (tmp_path / "elsewhere.jsonl").exists()) == (2, False)
        assert "where the queue is until now, cannot be asked for what was not pulled: " in refused.stderr
        assert why in refused.stderr
        assert "--leave-answers" in refused.stderr
        # That the file of before has the same items does not bring the answers there.
        assert preflect("review", "push", "run", "--to", "queue.jsonl").returncode == 2
    left = preflect("review", "push", "run", *elsewhere, "--leave-answers")
    assert json.loads(left.stdout)["new"] == 8
    # Where nothing is any more, nothing can be left.
    (tmp_path / "elsewhere.jsonl").unlink()
    assert preflect("review", "push", "run", "--to", "queue.jsonl").returncode == 0
    assert files.desks() == {"review": JsonlDeskSpec(path=str(tmp_path / "queue.jsonl"))}


def test_answers_that_do_not_fit_are_told_and_change_nothing(preflect: Run, finished: Path, tmp_path: Path) -> None:
    queue, before = tmp_path / "queue.jsonl", contents(finished)
    answer(queue, always("c"))
    told = preflect("review", "pull", "run")
    assert told.returncode == 2
    assert "'better' is 'c'; one of a, b, tie, both_bad would be right" in told.stderr
    answer(queue, lambda number, line: [{"reviewer": "ann", "better": ["a"]}] if number == 2 else [])
    told = preflect("review", "pull", "run")
    assert told.returncode == 2
    item = json.loads(queue.read_text().splitlines()[2])["id"]
    assert f"{queue}: {item}, ann: 'better' is ['a']; one of a, b, tie, both_bad would be right" in told.stderr
    queue.write_text(queue.read_text() + "no json\n")
    told = preflect("review", "pull", "run")
    assert told.returncode == 2
    assert f"{queue}:9: not JSON" in told.stderr
    assert contents(finished) == before


def test_what_people_cannot_settle_goes_to_an_expert_whose_word_stands(
    preflect: Run, finished: Path, tmp_path: Path
) -> None:
    nobody = preflect("review", "report", "run")
    assert nobody.returncode == 2
    assert "nobody has reviewed a sample" in nobody.stderr

    def divided(number: int, line: Line) -> list[Line]:
        other = "b" if number < 3 else "a"
        return [{"reviewer": "ann", "better": "a"}, {"reviewer": "bob", "better": other}]

    answer(tmp_path / "queue.jsonl", divided)
    preflect("review", "pull", "run")
    said = preflect("review", "push", "run", "--adjudicate", "--to", "expert.jsonl", "--json")
    assert json.loads(said.stdout)["items"] == 3
    answer(tmp_path / "expert.jsonl", always("tie"))
    assert json.loads(preflect("review", "pull", "run", "--json").stdout)["decided"] == 8
    report = json.loads(preflect("review", "report", "run", "--json").stdout)
    assert (report["ties"], report["conflicts"]) == (3, 0)
    assert report == read(finished / "review" / "report.json")
    assert "Krippendorff" in (finished / "review" / "report.html").read_text(encoding="utf-8")
    assert "Judge right, by people" in (finished / "report.html").read_text(encoding="utf-8")
    nothing = preflect("review", "push", "run", "--adjudicate", "--json")
    assert json.loads(nothing.stdout)["new"] == 0


def test_the_expert_is_asked_elsewhere_than_everybody(preflect: Run, finished: Path, tmp_path: Path) -> None:
    queue = tmp_path / "queue.jsonl"
    answer(queue, lambda number, line: [{"reviewer": "ann", "better": "a"}, {"reviewer": "bob", "better": "b"}])
    preflect("review", "pull", "run")
    refused = preflect("review", "push", "run", "--adjudicate", "--to", queue)
    assert refused.returncode == 2
    assert f"{queue} is where all reviewers answer" in refused.stderr
    assert [*ReviewFolder(RunFolder(finished)).desks()] == ["review"]
    assert preflect("review", "push", "run", "--adjudicate", "--to", "expert.jsonl").returncode == 0
    for words in (("pull", "run", "--from", "expert.jsonl"), ("push", "run", "--to", "expert.jsonl")):
        refused = preflect("review", *words)
        assert refused.returncode == 2
        assert "expert.jsonl is where all reviewers answer" in refused.stderr


def test_answers_about_another_runs_texts_are_not_taken(
    preflect: Run, finished: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    answer(tmp_path / "queue.jsonl", always("b"))
    recipe = write_recipe(seed=99)
    assert preflect("run", recipe, "--run", "again", "-q", "--limit", "24").returncode == 0
    options = ("--set", "size=24", "--set", "random=1", "--set", "gold=0")
    refused = preflect("review", "push", "again", "--to", "queue.jsonl", *options)
    assert refused.returncode == 2
    assert "another run's queue on the same instructions; name another file" in refused.stderr
    assert not (tmp_path / "again" / "review" / "desks.json").exists()
    assert preflect("review", "push", "again", "--to", "other.jsonl", *options).returncode == 0
    before = contents(tmp_path / "again")
    refused = preflect("review", "pull", "again", "--from", "queue.jsonl")
    assert refused.returncode == 2
    assert "another run's queue on the same instructions; name another file" in refused.stderr
    assert contents(tmp_path / "again") == before


def test_a_file_without_an_item_of_the_queue_is_not_taken_for_it(preflect: Run, finished: Path, tmp_path: Path) -> None:
    seeds, before = tmp_path / "seeds.jsonl", contents(finished)
    for line in (
        '{"id": "seed-1", "prompt": "Add 2 and 2."}\n',
        '{"id": "other", "questions": {}, "answers": []}\n',
        "",
    ):
        seeds.write_text(line, encoding="utf-8")
        refused = preflect("review", "pull", "run", "--from", seeds)
        assert refused.returncode == 2
        assert f"{seeds} has no item of this run's queue" in refused.stderr
    assert contents(finished) == before


def test_a_second_queue_asks_about_other_samples(preflect: Run, finished: Path, tmp_path: Path) -> None:
    first = {line["id"] for line in map(json.loads, (tmp_path / "queue.jsonl").read_text().splitlines())}
    answer(tmp_path / "queue.jsonl", always("a"))
    more = json.loads(preflect("review", "push", "run", "--more", "--json").stdout)
    assert more["new"] == more["chosen_now"] > 0
    lines: list[Line] = [json.loads(line) for line in (tmp_path / "queue.jsonl").read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines) == len(first) + more["new"]
    assert sum(bool(line["answers"]) for line in lines) == len(first)


def test_what_a_queue_was_made_by_is_not_changed_once_people_have_it(preflect: Run, finished: Path) -> None:
    before = contents(finished)
    settings = ("--set", "size=9", "--set", "signals={small_margin: 1}", "--set", "overlap=2")
    refused = preflect("review", "push", "run", *settings)
    assert refused.returncode == 2
    assert "the queue that people have was made by size 8, signals {}; got size 9, signals {'small_margin': 1.0}" in (
        refused.stderr
    )
    assert "add --more to make another so, or leave them out" in refused.stderr
    assert contents(finished) == before
    assert preflect("review", "push", "run", "--set", "size=8", "--set", "overlap=2").returncode == 0
    more = preflect("review", "push", "run", "--more", "--set", "size=9", "--json")
    assert json.loads(more.stdout)["chosen_now"] == 9


def test_a_judge_who_is_wrong_too_often_exports_nothing(
    preflect: Run, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = write_recipe(limits={"judge_min_accuracy": 0.75})
    assert preflect("run", recipe, "--run", "run", "-q").returncode == 0
    unknown = preflect("export", "run", "--to", "out")
    assert unknown.returncode == 3
    assert "the judge's accuracy is not known" in unknown.stderr
    preflect(
        "review", "push", "run", "--to", "queue.jsonl", "--set", "size=12", "--set", "gold=0", "--set", "random=0.5"
    )
    worst = {task["sample_id"]: task for task in read(tmp_path / "run/review/queue.json")["rounds"][0]["tasks"]}
    pairs = {s.id: s.pairs[-1].rejected_id for s in samples(tmp_path / "run").values() if s.pairs}

    def contrary(number: int, line: Line) -> list[Line]:
        shown = worst[line["id"]]["response_ids"]
        return [{"reviewer": "ann", "better": "ab"[shown.index(pairs.get(line["id"], shown[0]))]}]

    answer(tmp_path / "queue.jsonl", contrary)
    refused = preflect("review", "pull", "run")
    assert refused.returncode == 3
    assert "not exported: by people's reviews the judge is right in" in refused.stderr
    assert "limits.judge_min_accuracy is 75%" in refused.stderr
    assert not (tmp_path / "run" / "export").exists()
    assert preflect("export", "run", "--to", "out").returncode == 3
    assert not (tmp_path / "out").exists()


def test_a_gate_that_shuts_stops_the_run_until_it_is_opened(
    preflect: Run, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe, run_, queue = write_recipe(limits={"judge_min_accuracy": 0.999}), tmp_path / "run", tmp_path / "queue.jsonl"
    assert preflect("run", recipe, "--run", "run", "-q").returncode == 0
    useless = preflect("resume", "run", "--set", "limits.judge_min_accuracy=0")
    assert useless.returncode == 2
    assert "limits.judge_min_accuracy=0: the run run is done, there is nothing to go on with" in useless.stderr
    assert preflect("resume", "run", "-q").returncode == 0
    shut = preflect("review", "push", "run", "--to", queue, "--set", "size=12", "--set", "random=0.2")
    assert shut.returncode == 2
    assert "size 12 and random 0.2 have 2 samples drawn by chance" in shut.stderr
    assert not queue.exists()
    preflect("review", "push", "run", "--to", queue, "--set", "size=12", "--set", "gold=0", "--set", "random=0.5")
    answer(queue, always("a"))
    for new in (12, 0):
        refused = preflect("review", "pull", "run")
        assert refused.returncode == 3
        assert f"12 answers are brought in: {new} new, 0 changed\nnot exported: by people's reviews" in refused.stderr
        assert "allow it with `preflect resume run --set limits.judge_min_accuracy=LESS`" in refused.stderr
    shown = preflect("show", "run").stdout
    assert "small: stopped" in shown
    assert "not exported: by people's reviews" in shown
    assert not (run_ / "export").exists()
    # What is kept can still be asked about and looked at.
    assert preflect("review", "push", "run", "--more").returncode == 0
    assert preflect("review", "report", "run").returncode == 0
    assert preflect("resume", "run", "-q").returncode == 3
    done = preflect("resume", "run", "--set", "limits.judge_min_accuracy=0", "-q", "--json")
    assert json.loads(done.stdout)["manifest"]["status"] == "done", done.stderr
    assert (run_ / "export").exists()
    exported = contents(run_)
    assert preflect("review", "pull", "run").returncode == 0
    assert contents(run_) == exported
    assert preflect("export", "run", "--to", "out").returncode == 0


def test_a_judge_who_is_not_known_yet_is_exported_once_people_find_it_right(
    preflect: Run, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe, queue = write_recipe(limits={"judge_min_accuracy": 0.5}), tmp_path / "queue.jsonl"
    assert preflect("run", recipe, "--run", "run", "-q").returncode == 0
    preflect("review", "push", "run", "--to", queue, "--set", "size=12", "--set", "gold=0", "--set", "random=0.5")
    shown = {t["sample_id"]: t["response_ids"] for t in read(tmp_path / "run/review/queue.json")["rounds"][0]["tasks"]}
    pairs = {s.id: s.pairs[-1] for s in samples(tmp_path / "run").values() if s.pairs}

    def agree(number: int, line: Line) -> list[Line]:
        better = pairs[line["id"]].chosen_id if line["id"] in pairs else None
        return [{"reviewer": "ann", "better": "ab"[shown[line["id"]].index(better)] if better else "tie"}]

    def contradict(number: int, line: Line) -> list[Line]:
        return [said | {"better": {"a": "b", "b": "a"}.get(said["better"], "tie")} for said in agree(number, line)]

    answer(queue, lambda number, line: agree(number, line) if number < 4 else [])
    unknown = preflect("review", "pull", "run")
    assert unknown.returncode == 3
    assert "the judge's accuracy is not known" in unknown.stderr
    for said, code in ((agree, 0), (contradict, 3), (agree, 0)):
        answer(queue, said)
        pulled = preflect("review", "pull", "run")
        assert (pulled.returncode, (tmp_path / "run/export").exists()) == (code, code == 0), pulled.stderr
    assert preflect("export", "run", "--to", "out").returncode == 0


STAGED = [
    {"stage": "respond", "model": "teacher", "samples": 2},
    {"stage": "judge_aspects", "model": "judge"},
    {"stage": "grade"},
    {"stage": "review", "size": 6, "gold": 0, "enough": 0.5},
    {"stage": "pair"},
]


def test_a_run_pauses_for_its_review_and_goes_on_with_it(
    preflect: Run, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    paused = preflect("run", write_recipe(stages=STAGED), "--run", "run", "-q")
    assert paused.returncode == 0
    assert "awaiting review: nobody was asked yet" in paused.stdout
    assert "preflect review push run" in paused.stdout
    assert preflect("review", "push", "run", "--to", "queue.jsonl").returncode == 0
    answer(tmp_path / "queue.jsonl", lambda number, line: always("b")(number, line) if number < 2 else [])
    assert preflect("review", "pull", "run").returncode == 0
    waiting = preflect("resume", "run", "-q")
    assert waiting.returncode == 0
    assert "2 of 6 samples have an answer, 50% of them are enough" in waiting.stdout
    answer(tmp_path / "queue.jsonl", lambda number, line: always("b")(number, line) if number < 3 else [])
    assert "go on with `preflect resume run`" in preflect("review", "pull", "run").stdout
    done = preflect("resume", "run", "-q", "--json")
    assert json.loads(done.stdout)["manifest"]["status"] == "done"
    assert sum(bool(sample.reviews) for sample in samples(tmp_path / "run").values()) == 3
    # Answers that come after its end open it again.
    answer(tmp_path / "queue.jsonl", always("a"))
    assert "go on with `preflect resume run`" in preflect("review", "pull", "run").stdout
    assert preflect("export", "run", "--to", "out").returncode == 2
    assert json.loads(preflect("resume", "run", "-q", "--json").stdout)["manifest"]["review"]["decided"] == 6
    assert sum(bool(sample.reviews) for sample in samples(tmp_path / "run").values()) == 6


def test_a_paused_run_is_the_same_with_the_distilabel_engine(
    preflect: Run, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    paused = preflect("run", write_recipe(stages=STAGED, engine="distilabel"), "--run", "run", "-q", "--limit", "8")
    assert paused.returncode == 0
    assert "awaiting review" in paused.stdout
    preflect("review", "push", "run", "--to", "queue.jsonl")
    answer(tmp_path / "queue.jsonl", always("b"))
    preflect("review", "pull", "run")
    done = preflect("resume", "run", "-q", "--json")
    assert json.loads(done.stdout)["manifest"]["status"] == "done"


def test_a_queue_that_was_never_made_has_no_answers(preflect: Run, done_once: Path) -> None:
    told = preflect("review", "pull", done_once)
    assert told.returncode == 2
    assert f"begin with `preflect review push {done_once}`" in told.stderr


def test_an_argilla_takes_the_queue_and_gives_the_answers_back(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    shutil.copytree(done_once, tmp_path / "in-argilla")
    where = ("--home", review_server.home, "--user", "journey-ann", "--set", "size=5", "--set", "gold=0")
    pushed = json.loads(preflect("review", "push", "in-argilla", *where, "--json").stdout)
    assert (pushed["new"], [*pushed["passwords"]]) == (5, ["journey-ann"])
    token = review_server.log_in("journey-ann", pushed["passwords"]["journey-ann"]).json()["access_token"]
    [dataset] = [d for d in review_server.get("/me/datasets")["items"] if d["name"] == "in-argilla-review"]
    for record in review_server.get(f"/datasets/{dataset['id']}/records")["items"]:
        body = {"values": {"better": {"value": "b"}}, "status": "submitted"}
        requests.post(
            f"{review_server.url}/api/v1/records/{record['id']}/responses",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).raise_for_status()
    assert json.loads(preflect("review", "pull", "in-argilla", "--json").stdout)["decided"] == 5
    found = [review for sample in samples(tmp_path / "in-argilla").values() for review in sample.reviews]
    assert {review.reviewer for review in found} == {"journey-ann"}
    # Deleted there and laid out anew: what was pulled stays.
    review_server.ask("DELETE", f"/datasets/{dataset['id']}").raise_for_status()
    assert json.loads(preflect("review", "push", "in-argilla", "--json").stdout)["new"] == 5
    assert json.loads(preflect("review", "pull", "in-argilla", "--json").stdout)["decided"] == 5
    # The same server by its address and a key, as a team's own would be.
    shutil.copytree(done_once, tmp_path / "by-url")
    remote = ("--url", review_server.url, "--api-key-env", "TEAM_KEY", "--set", "size=3")
    env = {"TEAM_KEY": review_server.api_key}
    assert json.loads(preflect("review", "push", "by-url", *remote, "--json", env=env).stdout)["new"] == 3
    assert json.loads(preflect("review", "pull", "by-url", "--json", env=env).stdout)["size"] == 3
    without = preflect("review", "pull", "by-url")
    assert without.returncode == 2
    assert "the environment variable TEAM_KEY is not set" in without.stderr
    assert review_server.api_key not in "".join(
        p.read_text("utf-8") for p in (tmp_path / "by-url/review").glob("*.json")
    )


def test_what_is_to_be_found_by_similarity_is_laid_out_with_its_words(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    shutil.copytree(done_once, tmp_path / "alike")
    push = ("review", "push", "alike", "--home", review_server.home, "--json", "--set", "gold=0", "--set", "size=4")
    assert json.loads(preflect(*push, "--set", "similar=true").stdout)["new"] == 4
    assert json.loads(preflect(*push[:-4], "--more").stdout)["new"] == 4
    [dataset] = [d["id"] for d in review_server.get("/me/datasets")["items"] if d["name"] == "alike-review"]
    for record in review_server.get(f"/datasets/{dataset}/records?include=vectors")["items"]:
        assert math.hypot(*record["vectors"]["words"]) == pytest.approx(1)


def test_a_run_of_the_same_name_does_not_take_another_ones_dataset(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    first, second = (shutil.copytree(done_once, tmp_path / place / "same-name") for place in ("one", "two"))
    push = ("--home", review_server.home, "--set", "size=3", "--set", "gold=0", "--json")
    assert json.loads(preflect("review", "push", first, *push).stdout)["new"] == 3
    refused = preflect("review", "push", second, *push, "--set", "overlap=2")
    assert refused.returncode == 2
    assert "preflect/same-name-review at " in refused.stderr
    assert "is another run's queue; push to another dataset with --dataset NAME" in refused.stderr
    assert not (second / "review" / "queue.json").exists()
    assert json.loads(preflect("review", "push", second, *push, "--dataset", "second").stdout)["new"] == 3
    # What the run kept of its review is lost, and it is the same run.
    shutil.rmtree(first / "review")
    assert json.loads(preflect("review", "push", first, *push).stdout)["new"] == 0


def test_a_review_goes_on_where_its_argilla_has_moved_to(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    run, there = shutil.copytree(done_once, tmp_path / "moved"), ("--home", review_server.home)
    assert preflect("review", "push", run, *there, "--set", "size=5", "--dataset", "of-its-own").returncode == 0
    files, at_home = ReviewFolder(RunFolder(run)), ReviewFolder(RunFolder(run)).desks()["review"]
    assert isinstance(at_home, ArgillaDeskSpec)
    assert at_home.dataset == "of-its-own"
    [dataset] = [d["id"] for d in review_server.get("/me/datasets")["items"] if d["name"] == "of-its-own"]
    record = review_server.get(f"/datasets/{dataset}/records")["items"][0]["id"]
    said = {"values": {"better": {"value": "a"}}, "status": "submitted"}
    response = review_server.post(f"/records/{record}/responses", said)["id"]
    assert json.loads(preflect("review", "pull", run, "--json").stdout)["answers"] == 1
    files.keep_desk("review", at_home.evolve(home=str(tmp_path / "gone")))
    files.keep_answers(a.evolve(place=files.desks()["review"]) for a in files.answers())
    for word in ("push", "pull"):
        lost = preflect("review", word, run)
        assert lost.returncode == 4
        assert f"no review server runs in {tmp_path}/gone" in lost.stderr
    # What is withdrawn there is, though it was pulled before the move.
    review_server.ask("DELETE", f"/responses/{response}").raise_for_status()
    pulled = json.loads(preflect("review", "pull", run, *there, "--json").stdout)
    assert (pulled["size"], pulled["answers"]) == (5, 0)
    assert files.desks()["review"] == at_home
    files.keep_desk("review", at_home.evolve(home=str(tmp_path / "gone")))
    assert json.loads(preflect("review", "push", run, *there, "--json").stdout)["new"] == 0
    assert files.desks()["review"] == at_home
    nowhere = preflect("review", "push", run, "--api-key-env", "TEAM_KEY")
    assert nowhere.returncode == 2
    assert "--api-key-env is for an Argilla of your own; name that with --url" in nowhere.stderr
    both = preflect("review", "pull", run, "--url", review_server.url, *there)
    assert both.returncode == 2
    assert "name one of them" in both.stderr
    # A team's own: its address and then its key's variable change.
    env = {"TEAM_KEY": review_server.api_key, "NEW_KEY": review_server.api_key}
    remote = ("--url", review_server.url, "--api-key-env", "TEAM_KEY", "--json")
    assert json.loads(preflect("review", "push", run, *remote, env=env).stdout)["new"] == 0
    assert preflect("review", "pull", run, "--api-key-env", "NEW_KEY", env=env).returncode == 0
    assert files.desks()["review"] == at_home.evolve(url=review_server.url, home=None, api_key_env="NEW_KEY")


def test_what_people_cannot_settle_is_not_shown_to_them_again_in_argilla(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    shutil.copytree(done_once, tmp_path / "tied")
    where = ("--home", review_server.home, "--json")
    options = ("--set", "size=3", "--set", "gold=0", "--set", "overlap=2")
    pushed = preflect("review", "push", "tied", *where, *options, "--user", "tied-ann", "--user", "tied-bob")
    ann, bob = (review_server.signed_in(*one) for one in json.loads(pushed.stdout)["passwords"].items())
    [dataset] = [d["id"] for d in ann.get("/me/datasets")["items"] if d["name"] == "tied-review"]
    for record in review_server.get(f"/datasets/{dataset}/records")["items"]:
        body = {"values": {"better": {"value": "tie"}}, "status": "submitted"}
        for person in (ann, bob):
            person.post(f"/records/{record['id']}/responses", body)
    preflect("review", "pull", "tied")
    # Where the review is, as nothing else is said.
    expert = preflect("review", "push", "tied", "--adjudicate", "--json", "--user", "tied-expert")
    assert json.loads(expert.stdout)["items"] == 3
    seen = {d["name"] for d in ann.get("/me/datasets")["items"]}
    assert "tied-adjudication" not in seen
    expert_sees = review_server.signed_in("tied-expert", json.loads(expert.stdout)["passwords"]["tied-expert"])
    [seen_by_expert] = expert_sees.get("/me/datasets")["items"]
    assert (seen_by_expert["name"], seen_by_expert["distribution"]["min_submitted"]) == ("tied-adjudication", 1)


def test_no_password_is_made_and_not_told(
    preflect: Run, done_once: Path, tmp_path: Path, review_server: ReviewServer
) -> None:
    shutil.copytree(done_once, tmp_path / "told")
    push = ("review", "push", "told", "--home", review_server.home, "--set", "size=3", "--json")
    nameless = preflect(*push, "--user", "told-ann", "--user", " ")
    assert nameless.returncode == 2
    assert "--user is the name that somebody logs in with, got an empty one" in nameless.stderr
    assert not (tmp_path / "told" / "review").exists()
    # A name that cannot be sent.
    unsaid = preflect(*push, "--user", " told-ann ", "--user", "\udcff")
    assert unsaid.returncode == 1
    [told] = [line for line in unsaid.stderr.splitlines() if line.startswith("user      told-ann, password ")]
    assert review_server.log_in("told-ann", told.split()[3]).status_code == 201


@pytest.mark.parametrize("kind", ["sft", "rft"])
def test_single_responses_and_reference_answers_are_reviewed_as_well(
    preflect: Run, done_once: Path, tmp_path: Path, kind: str
) -> None:
    shutil.copytree(done_once, tmp_path / "run")
    options = ("--set", f"kind={kind}", "--set", "size=6", "--set", "gold=0")
    assert preflect("review", "push", "run", "--to", "queue.jsonl", *options).returncode == 0
    if kind == "rft":
        beside = {"reviewer": "ann", "correct": "yes", "reference": "of my own"}
        answer(tmp_path / "queue.jsonl", lambda number, line: [beside])
        told = preflect("review", "pull", "run").stdout
        assert "6 answers find a reference answer right and give another one, which is left aside" in told
    said = {"sft": {"rating_a": 1}, "rft": {"correct": "no"}}[kind]
    answer(tmp_path / "queue.jsonl", lambda number, line: [{"reviewer": "ann", **said}])
    pulled = preflect("review", "pull", "run")
    assert "6 of 6 samples have all their answers, 6 are decided" in pulled.stdout
    [refused] = [e["refused"] for e in read(tmp_path / "run" / "manifest.json")["exports"] if e["kind"] == kind]
    reason = {"sft": "judged_bad", "rft": "reference_refuted"}[kind]
    assert 0 < refused[reason] <= 6
    reviewed = {sample.id: sample for sample in samples(tmp_path / "run").values() if sample.reviews}
    assert len(reviewed) == 6
    rows = [row for sample in reviewed.values() for row in rows_of(sample, "sft") if isinstance(row, SftRow)]
    bad = {verdict.better_id for sample in reviewed.values() for verdict in sample.verdicts if verdict.unusable}
    texts = {r.text for sample in reviewed.values() for r in sample.responses if r.id in bad}
    assert all(row.messages[-1].content not in texts for row in rows)
    assert json.loads(preflect("review", "report", "run", "--json").stdout)["reviewed"] == 6
    other = preflect("review", "push", "run", "--set", "kind=preference")
    assert other.returncode == 2
    assert "a run is reviewed in one way" in other.stderr


def test_another_policy_decides_anew_without_new_answers(preflect: Run, finished: Path, tmp_path: Path) -> None:
    said = [{"reviewer": "ann", "better": "a"}, {"reviewer": "bob", "better": "b"}]
    answer(tmp_path / "queue.jsonl", lambda number, line: said)
    assert json.loads(preflect("review", "pull", "run", "--json").stdout)["decided"] == 0
    options = ("--set", "policy=expert", "--set", "experts=[ann]")
    assert preflect("review", "push", "run", *options).returncode == 0
    assert json.loads(preflect("review", "pull", "run", "--json").stdout)["decided"] == 8
    assert any(verdict.source == "human" for sample in samples(finished).values() for verdict in sample.verdicts)
    assert not (finished / ".live").exists()
