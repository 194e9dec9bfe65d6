"""Models that answer with junk, too late or not at all: a rejection with its reason, and the rest goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run, WriteRecipe
from .endpoint import Answer, Endpoint, Reply, failed, said, serving

Serve = Callable[[Answer], Endpoint]
RESPOND = [{"stage": "respond", "model": "teacher"}]


@pytest.fixture
def serve() -> Generator[Serve]:
    """Endpoints that answer as a test says, until it ends."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(Endpoint(answer)))


def teacher(endpoint: Endpoint, **options: Any) -> dict[str, Any]:
    return {"teacher": {"kind": "openai", "model": "m", "base_url": endpoint.base_url, **options}}


def write_rows(folder: Path, *instructions: str) -> dict[str, Any]:
    """A file of these instructions, as a recipe's input."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in instructions), encoding="utf-8")
    return {"path": str(path)}


def rejected(run: Path) -> dict[str, str]:
    """Reason by instruction."""
    pairs = RunFolder(run).rejections()
    return {sample.instruction.text: rejection.reason for rejection, sample in pairs if sample}


BAD = {
    "Say nothing.": (said(""), "empty"),
    "Say it with blanks.": (said(" \n\t "), "empty"),
    "Refuse.": (said("I'm sorry, but I can't help with that."), "refusal"),
    "Stop early.": (said("The first of them is", "length"), "truncated"),
    "Be filtered.": (said("", "content_filter"), "content_filter"),
    "Leave a gap.": (said("[insert your answer here]"), "placeholder"),
    "Fail.": (failed(400, "no such thing"), "call_failed"),
    "Be flagged.": (
        Reply(b'{"error": {"code": 403, "message": "flagged", "metadata": {"flagged_input": "Be"}}}', 403),
        "content_filter",
    ),
    "Never answer.": (said("At last.", after_s=30), "call_timeout"),
}


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_each_bad_reply_is_a_rejection_with_its_reason_and_the_rest_goes_on(
    engine: str, tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    good = [f"Name bird number {number}." for number in range(20)]
    endpoint = serve(lambda asked: BAD[asked][0] if asked in BAD else said(f"A robin, for {asked}"))
    recipe = write_recipe(
        engine=engine,
        input=write_rows(tmp_path, *BAD, *good),
        models=teacher(endpoint, timeout_s=2.0),
        stages=RESPOND,
        limits={"max_rejected": 0.5},
    )
    run = tmp_path / "run"
    done = preflect("run", recipe, "--run", run)
    assert done.returncode == 0, done.stderr
    assert rejected(run) == {instruction: reason for instruction, (_, reason) in BAD.items()}
    assert [sample.instruction.text for sample in RunFolder(run).samples()] == good
    assert "respond       29       20  9 (content_filter 2, empty 2, " in done.stdout


def test_a_reply_with_half_an_emoji_is_kept_and_can_be_written(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    endpoint = serve(lambda _: said("A robin \ud83d"))
    rows = write_rows(tmp_path, "Name a bird.", "Name another bird.")
    recipe = write_recipe(input=rows, models=teacher(endpoint), stages=RESPOND, export={"test_fraction": 0})
    done = preflect("run", recipe, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    written = pl.read_parquet(tmp_path / "run" / "export" / "sft" / "train.parquet")["messages"].to_list()
    assert [turns[-1]["content"] for turns in written] == ["A robin ?"] * 2


def test_a_reflection_that_is_junk_is_asked_for_again_and_then_done_without(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    birds = ("Name a small bird.", "Name a large bird.")
    reflection = json.dumps({"critique": "It is thin.", "response": "A robin, which is a small bird."})

    def answer(asked: str) -> Reply:
        if asked in birds:
            return said(f"A robin: {asked}")
        # The second request for the same ends with the complaint about the first reply.
        return said(reflection) if birds[1] in asked else said("It could say more about robins.")

    endpoint = serve(answer)
    recipe = write_recipe(
        input=write_rows(tmp_path, *birds),
        models=teacher(endpoint),
        stages=[*RESPOND, {"stage": "reflect_response", "model": "teacher"}],
        limits={"max_rejected": 0.5},
    )
    run = tmp_path / "run"
    done = preflect("run", recipe, "--run", run)
    assert done.returncode == 0, done.stderr
    junk, sound = RunFolder(run).samples()
    assert [response.origin for response in junk.responses] == ["draft"]
    assert [(lost.stage, lost.reason) for lost in junk.rejections] == [("reflect_response", "unparsable")]
    assert [response.origin for response in sound.responses] == ["draft", "rewrite"]
    assert len(endpoint.asked) == 2 + 2 + 1
    assert "candidates lost: unparsable 1" in done.stdout


# Too many


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_too_many_lost_samples_stop_the_run_and_it_goes_on_when_the_endpoint_is_well_again(
    engine: str, tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    ill = threading.Event()
    ill.set()
    endpoint = serve(lambda asked: failed(400, "out of order") if ill.is_set() else said(f"A robin: {asked}"))
    birds = [f"Name bird number {number}." for number in range(60)]
    recipe = write_recipe(
        engine=engine, input=write_rows(tmp_path, *birds), models=teacher(endpoint, concurrency=4), stages=RESPOND
    )
    run = tmp_path / "run"
    stopped = preflect("run", recipe, "--run", run)
    assert stopped.returncode == 3, stopped.stderr
    assert (
        "samples were lost to failed calls or unusable replies, more than limits.max_rejected = 0.2" in stopped.stderr
    )
    assert "most often: stage 'respond', call_failed: HTTP 400" in stopped.stderr
    assert f"everything is kept: go on with `preflect resume {run}`" in stopped.stderr
    assert RunFolder(run).manifest().status == "stopped"
    asked = len(endpoint.asked)
    assert asked < 40
    ill.clear()
    done = preflect("resume", run)
    assert done.returncode == 0, done.stderr
    assert [sample.instruction.text for sample in RunFolder(run).samples()] == birds
    assert len(endpoint.asked) == asked + 60


@pytest.mark.parametrize("rows", [5, 60])
def test_a_judge_that_nobody_can_read_stops_the_run_though_no_sample_is_lost(
    rows: int, tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    birds = [f"Name bird number {number}." for number in range(rows)]
    endpoint = serve(lambda asked: said(f"A robin: {asked}" if asked in birds else "Both are fine."))
    recipe = write_recipe(
        input=write_rows(tmp_path, *birds),
        models=teacher(endpoint, concurrency=4),
        stages=[{**RESPOND[0], "samples": 2}, {"stage": "judge_aspects", "model": "teacher"}, {"stage": "pair"}],
        limits={"open_samples": 4},
    )
    stopped = preflect("run", recipe, "--run", tmp_path / "run")
    assert stopped.returncode == 3, stopped.stderr
    asked = min(rows, 20)
    assert (
        f"stage 'judge_aspects' lost {asked} of {asked} candidates to failed calls or unusable replies, more than "
        "limits.max_rejected = 0.2 allows; most often: unparsable: "
    ) in stopped.stderr
    assert len(endpoint.asked) < 4 * 30
    done = preflect("resume", tmp_path / "run", "--set", "limits.max_rejected=1")
    assert done.returncode == 0, done.stderr


LASTING = (
    (
        "truncated",
        said("The first of them is", "length"),
        "give the model a larger max_tokens or max_tokens_if_truncated in a new run",
    ),
    (
        "content_filter",
        said("", "content_filter"),
        "the provider's filter would stop it again: change the instructions, or the provider's filter",
    ),
)


@pytest.mark.parametrize("case", LASTING)
def test_what_a_resume_would_not_mend_is_told_with_what_does(
    case: tuple[str, Reply, str], tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    reason, reply, remedy = case
    endpoint = serve(lambda _: reply)
    rows = write_rows(tmp_path, "Name a bird.", "Name another bird.")
    stopped = preflect("run", write_recipe(input=rows, models=teacher(endpoint), stages=RESPOND), "--run", "run")
    assert stopped.returncode == 3, stopped.stderr
    assert f"stage 'respond', {reason}: " in stopped.stderr
    allowing = "go on with `preflect resume run --set limits.max_rejected=SHARE`"
    assert f"; {remedy}\neverything is kept: {allowing}, which leaves them out\n" in stopped.stderr
    asked = len(endpoint.asked)
    assert preflect("resume", "run", "--set", "limits.max_rejected=1").returncode == 0
    assert len(endpoint.asked) == asked


DENIED = {
    "a wrong key": (failed(401, "Incorrect API key provided: sk-old"), "put a valid key into TEACHER_KEY"),
    "no permission": (failed(403, "You have no access to this"), "put a valid key into TEACHER_KEY"),
    "an empty account": (
        Reply(b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}', 429),
        "top up the account that the key belongs to",
    ),
    "an unknown model": (failed(404, "no model `m`"), "mend the address with --set models.teacher.base_url=URL"),
}


CASES = {why: ("local", *case) for why, case in DENIED.items()} | {"distilabel": ("distilabel", *DENIED["a wrong key"])}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_endpoint_that_lets_nothing_in_stops_the_run_at_its_first_answer(
    case: tuple[str, Reply, str], tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    engine, denial, remedy = case
    shut = threading.Event()
    shut.set()
    endpoint = serve(lambda asked: denial if shut.is_set() else said(f"A robin: {asked}"))
    birds = [f"Name bird number {number}." for number in range(40)]
    recipe = write_recipe(
        engine=engine,
        input=write_rows(tmp_path, *birds),
        models=teacher(endpoint, api_key_env="TEACHER_KEY", concurrency=2),
        stages=RESPOND,
        limits={"max_rejected": 1},
    )
    run, key = tmp_path / "run", {"TEACHER_KEY": "sk-old"}
    stopped = preflect("run", recipe, "--run", run, env=key)
    assert stopped.returncode == 3, stopped.stderr
    message = json.loads(denial.body)["error"]["message"].replace("sk-old", "***")
    assert (
        f"model 'teacher' (m) is refused at {endpoint.base_url}, with the key in TEACHER_KEY: HTTP {denial.status}: "
        f"{message}; {remedy}"
    ) in stopped.stderr
    assert f"everything is kept: go on with `preflect resume {run}`" in stopped.stderr
    assert len(endpoint.asked) <= 4
    shut.clear()
    assert preflect("resume", run, env=key).returncode == 0
    assert [sample.instruction.text for sample in RunFolder(run).samples()] == birds


@pytest.mark.parametrize("status", [403, 404])
def test_one_request_that_is_forbidden_or_not_found_costs_its_row_alone(
    status: int, tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    endpoint = serve(lambda asked: failed(status, "not this") if "25" in asked else said(f"A robin: {asked}"))
    birds = [f"Name bird number {number}." for number in range(30)]
    recipe = write_recipe(input=write_rows(tmp_path, *birds), models=teacher(endpoint, concurrency=1), stages=RESPOND)
    run = tmp_path / "run"
    stopped = preflect("run", recipe, "--run", run, "--set", "limits.max_rejected=0")
    assert "most often: stage 'respond', call_failed: HTTP" in stopped.stderr
    # It is the first that is asked now.
    done = preflect("resume", run, "--set", "limits.max_rejected=0.5")
    assert done.returncode == 0, done.stderr
    assert len([*RunFolder(run).samples()]) == 29


def test_a_key_that_is_withdrawn_stops_the_run_with_what_was_answered_kept(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    def answer(asked: str) -> Reply:
        return said(f"A robin: {asked}") if len(endpoint.asked) <= 10 else failed(401, "This key was revoked")

    endpoint = serve(answer)
    birds = [f"Name bird number {number}." for number in range(40)]
    recipe = write_recipe(input=write_rows(tmp_path, *birds), models=teacher(endpoint, concurrency=1), stages=RESPOND)
    stopped = preflect("run", recipe, "--run", tmp_path / "run")
    assert stopped.returncode == 3, stopped.stderr
    assert (
        f"model 'teacher' (m) is refused at {endpoint.base_url}, without a key: HTTP 401: This key was revoked; name "
        "the variable that holds a key with --set models.teacher.api_key_env=NAME"
    ) in stopped.stderr
    assert RunFolder(tmp_path / "run").manifest().calls[0].calls == 10


def test_a_spent_budget_stops_the_run_and_a_larger_one_lets_it_go_on(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    endpoint = serve(lambda asked: said(f"A robin: {asked}"))
    # 20 tokens a reply cost 0.02 USD; the next one might cost 0.05.
    spec = teacher(endpoint, price={"output": 1000}, max_tokens=50, concurrency=1)
    birds = [f"Name bird number {number}." for number in range(30)]
    recipe = write_recipe(input=write_rows(tmp_path, *birds), models=spec, stages=RESPOND)
    run = tmp_path / "run"
    stopped = preflect("run", recipe, "--run", run, "--budget-usd", "0.2")
    assert stopped.returncode == 3
    assert "pass the budget of 0.20 USD, of which 0.160000 are spent" in stopped.stderr
    assert f"go on with `preflect resume {run} --budget-usd MORE`" in stopped.stderr
    assert len(endpoint.asked) == 8

    again = preflect("resume", run)
    assert again.returncode == 3
    assert len(endpoint.asked) == 8

    done = preflect("resume", run, "--budget-usd", "5")
    assert done.returncode == 0, done.stderr
    assert sorted(endpoint.asked) == sorted(birds)
    assert RunFolder(run).recipe().limits.budget_usd == 5
    assert sum(count.cost_usd for count in RunFolder(run).manifest().calls) == pytest.approx(0.6)


def test_what_broken_replies_may_have_cost_counts_against_the_budget_in_every_sitting(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    broken: list[str] = []

    def answer(asked: str) -> Reply:
        if "3" not in asked:
            return said(f"A robin: {asked}")
        broken.append(asked)
        return Reply(b'{"choices": [{"message": {"content": "A ro')

    endpoint = serve(answer)
    # A reply costs 0.02 USD by its count; one that can't be read the most that it can: 0.05.
    spec = teacher(endpoint, price={"output": 1000}, max_tokens=50, concurrency=1)
    birds = [f"Name bird number {number}." for number in range(3, 33)]
    recipe = write_recipe(input=write_rows(tmp_path, *birds), models=spec, stages=RESPOND, limits={"max_rejected": 1})
    run = tmp_path / "run"
    stopped = preflect("run", recipe, "--run", run, "--budget-usd", "0.4")
    assert stopped.returncode == 3, stopped.stderr
    asked, lost_usd = len(endpoint.asked), 0.05 * len(broken)
    spent_usd = lost_usd + 0.02 * (asked - len(broken))
    assert f"pass the budget of 0.40 USD, of which {spent_usd:.6f} are spent" in stopped.stderr
    assert broken
    assert spent_usd <= 0.4
    manifest = RunFolder(run).manifest()
    assert (manifest.lost_usd, manifest.cost_usd) == (pytest.approx(lost_usd), pytest.approx(spent_usd))
    shown = preflect("show", run).stdout
    assert f"lost     up to ${lost_usd:.4f} of it, for requests that brought no usable reply" in shown
    assert "prices   teacher: the recipe" in shown
    assert preflect("resume", run).returncode == 3
    assert len(endpoint.asked) == asked


def test_replies_without_a_count_of_tokens_are_told_since_each_is_charged_at_the_most(
    tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    def answer(asked: str) -> Reply:
        body = {"choices": [{"message": {"content": f"A robin: {asked}"}, "finish_reason": "stop"}]}
        return Reply(json.dumps(body).encode())

    rows = write_rows(tmp_path, "Name a bird.", "Name another bird.")
    models = teacher(serve(answer), price={"output": 1000}, max_tokens=50)
    done = preflect("run", write_recipe(input=rows, models=models, stages=RESPOND), "--run", "run")
    assert done.returncode == 0, done.stderr
    assert "traffic  teacher: 2 without a count of tokens, each charged at the most that it can cost\n" in done.stdout
    manifest = RunFolder(tmp_path / "run").manifest()
    assert [(counts.model, counts.uncounted) for counts in manifest.traffic] == [("teacher", 2)]
    assert manifest.cost_usd == pytest.approx(0.1)
    log = (tmp_path / "run" / "run.log").read_text(encoding="utf-8")
    assert log.count("warning: model teacher: http://127.0.0.1:") == 1
    assert "does not count tokens" in log
    assert "No count of tokens" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


# Secrets

KEY = "sk-0123456789-very-secret"


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_the_key_is_in_no_file_and_no_output_though_the_endpoint_quotes_it(
    engine: str, tmp_path: Path, preflect: Run, serve: Serve, write_recipe: WriteRecipe
) -> None:
    def answer(asked: str) -> Reply:
        return failed(400, f"Incorrect API key provided: {KEY}") if "odd" in asked else said(f"A robin: {asked}")

    endpoint = serve(answer)
    rows = write_rows(tmp_path, *(f"Name {'odd' * (number % 2)} bird {number}." for number in range(60)))
    models = teacher(endpoint, api_key_env="TEACHER_KEY")
    for max_rejected, code in ((1.0, 0), (0.1, 3)):
        recipe = write_recipe(
            engine=engine, input=rows, models=models, stages=RESPOND, limits={"max_rejected": max_rejected}
        )
        run = tmp_path / f"run-{code}"
        done = preflect("--debug", "run", recipe, "--run", run, env={"TEACHER_KEY": KEY})
        assert done.returncode == code, done.stderr
        assert KEY in endpoint.keys
        assert KEY not in done.stdout + done.stderr
        assert "call_failed" in done.stdout + done.stderr
        assert [str(path) for path, text in texts_of(run) if KEY in text] == []
        assert any("Incorrect API key provided: ***" in text for _, text in texts_of(run))


def texts_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file's text; a Parquet file's is compressed, so its values stand in for it."""
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            yield path, str(pl.read_parquet(path).to_dicts())
        if path.is_file():
            yield path, path.read_bytes().decode("latin1")
