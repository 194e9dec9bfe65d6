"""What distilabel 1.5.3 does to those who trust it: seen on distilabel itself, and our runner safe from it."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.adapters.distilabel_runner import SOCKET_PATH_MAX, DistilabelRunner, check_temporary_folder
from preflect.engine.live_files import LiveFiles
from preflect.engine.run_folder import RunFolder
from preflect.engine.sitting import Sitting
from preflect.errors import InputError, RunError
from preflect.recipes.plan import ENTRY, plan_of_run

from .distilabel_runs import KEY, KEY_NAME, ROOT, Home, Traps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports alone give a dozen
    from preflect.adapters.distilabel_pipeline import Stream, pipeline_of


def everything_written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# Packages.


def required(package: str) -> set[str]:
    """Names of what a package declares that it needs, extras left out."""
    lines = importlib.metadata.requires(package) or []
    return {re.split(r"[^\w.-]", line)[0].lower() for line in lines if "extra ==" not in line}


def test_what_distilabel_imports_without_declaring_it_is_declared_by_us() -> None:
    undeclared = {"requests", "beautifulsoup4"}
    assert undeclared.isdisjoint(required("distilabel"))
    assert undeclared <= required("preflect")


def test_nothing_of_ours_imports_its_models_or_tasks() -> None:
    modules: set[str] = set()
    for path in (ROOT / "pipelines").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules.add(node.module or "")
            elif isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
    assert {module for module in modules if module.split(".")[0] == "distilabel"} == {
        "distilabel.pipeline",
        "distilabel.steps.base",
        "distilabel.typing",
    }


# Failures that it swallows.


def test_a_batch_lost_in_a_step_leaves_distilabel_content(traps: Traps) -> None:
    assert [row["whole"] for row in traps.report["breaks"]] == [True, True, None, None, True, True]


def test_a_step_that_fails_in_a_real_pipeline_fails_the_run(traps: Traps) -> None:
    assert traps.broken.code == 1
    assert re.search(r"the distilabel pipeline broke: IsADirectoryError: .*; see .*run\.log", traps.broken.errors)
    folder = RunFolder(traps.home.path / "broken")
    assert folder.manifest().status == "failed"
    assert "IsADirectoryError" in folder.log_path.read_text()


# What it keeps and what it tells.


def test_two_runs_of_one_name_share_no_row_and_leave_nothing_in_any_cache(traps: Traps) -> None:
    assert (traps.first.code, traps.second.code) == (0, 0), traps.second.errors
    for name, things in (("first", "rivers"), ("second", "birds")):
        samples = RunFolder(traps.home.path / name).samples()
        assert [sample.seed.text for sample in samples] == [f"Name {number} {things}." for number in range(6)]
    assert [path for place in (traps.home.home, traps.home.temporary) for path in place.rglob("*")] == []


def test_headers_are_in_its_dump_and_ours_holds_no_key_nor_address(traps: Traps, tmp_path: Path) -> None:
    assert "Bearer sk-in-a-header" in traps.report["dump"]
    run_path = traps.home.path / "first"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks pydantic in a deprecated way
        dump = pipeline_of(str(run_path), 0, ENTRY, str(tmp_path)).dump()
    of_stream = dump["pipeline"]["steps"][1]["step"]
    own = {name: value for name, value in of_stream.items() if name in Stream.model_fields}
    assert (own["run_path"], own["phase_number"], own["entry"]) == (str(run_path), 0, ENTRY)
    teacher = plan_of_run(str(run_path)).recipe.models["teacher"].model_dump()
    assert KEY_NAME not in json.dumps(dump)
    assert teacher["base_url"] not in json.dumps(dump)


def test_a_key_is_nowhere_in_what_a_run_writes_or_prints(traps: Traps) -> None:
    assert KEY not in "".join(run.output + run.errors for run in (traps.first, traps.second, traps.broken))
    assert KEY.encode() not in everything_written(traps.home.path)


def test_requests_are_logged_line_by_line_and_not_by_us(traps: Traps) -> None:
    assert all(row["logs_requests"] for row in traps.report["twice"])
    log = RunFolder(traps.home.path / "first").log_path.read_text()
    assert "Finished running step" in re.sub(r"\s+", " ", log)
    assert not re.search(r"HTTP|httpx|POST|completions", log)


def test_keywords_of_agenerate_become_options_that_must_be_given(traps: Traps) -> None:
    assert traps.report["options"] == {"options": False}


FAULTY_PLAN = """
import os, signal
from multiprocessing import parent_process
from preflect.recipes.plan import plan_of_run

def plan(path):
    api_key = os.environ["TRAPS_API_KEY"]
    if {condition}:
        {fault}
    return plan_of_run(path)
"""
RAISE = 'raise ValueError(f"a key of {len(api_key)} characters was refused")'
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def carry(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Carry the folder's phase by a plan that has a fault under a condition."""
    monkeypatch.setenv("PYTHONPATH", str(folder.path))
    monkeypatch.setenv(KEY_NAME, KEY)

    def carry(condition: str, fault: str) -> None:
        (folder.path / "faulty.py").write_text(FAULTY_PLAN.format(condition=condition, fault=fault))
        plan = replace(plan_of_run(str(folder.path)), entry="faulty:plan")
        sitting = Sitting(plan=plan, folder=folder, endpoints={}, stop_requested=lambda: False, publish=lambda _: None)
        DistilabelRunner().carry(plan.phases[0], sitting)

    return carry


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("True", r"a process of the run ended with exit code 1; see .*run\.log"),
        ("parent_process()", "a step of the distilabel pipeline broke: ValueError: a key of 35 characters was refused"),
    ],
    ids=["pipeline", "step"],
)
def test_local_variables_are_in_its_tracebacks_and_not_in_ours(
    condition: str, message: str, traps: Traps, folder: RunFolder, carry: Callable[[str, str], None]
) -> None:
    assert "sk-in-a-local-variable" in traps.alone.errors
    with pytest.raises(RunError, match=message):
        carry(condition, RAISE)
    log = folder.log_path.read_text()
    assert f"a key of {len(KEY)} characters was refused" in re.sub(r"\s+", " ", log)
    assert KEY not in re.sub(r"\s+", "", log)


# Processes that outlive it.


def parents() -> dict[int, int]:
    """Every process that is alive, and its parent's id."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            found[int(stat.parent.name)] = int(parent)
    return found


def descendants(ancestor: int) -> set[int]:
    alive, found = parents(), {ancestor}
    while more := {child for child, parent in alive.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_all_its_processes_end_when_the_run_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    slow = {"kind": "sim", "latency_s": 0.5, "concurrency": 1}
    recipe = home.write_recipe("killed", (f"Name {number} ports." for number in range(400)), slow)
    with home.preflect("run", recipe, "--run", "killed", "--quiet") as process:
        files = LiveFiles(RunFolder(tmp_path / "killed").live_path)
        assert wait_until(lambda: files.snapshot() is not None, 60)
        # The simulator, the pipeline, its manager, and at least the two steps.
        family = descendants(process.pid)
        assert len(family) >= 5
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert wait_until(lambda: not family & parents().keys(), 2), [
            Path(f"/proc/{pid}/cmdline").read_text() for pid in islice(family & parents().keys(), 3)
        ]


def test_blocks_of_an_earlier_sitting_are_not_taken_for_this_ones(
    folder: RunFolder, carry: Callable[[str, str], None]
) -> None:
    (folder.waiting_blocks_path / "7.json").write_text("[]")
    with pytest.raises(RunError):
        carry("True", RAISE)
    assert not [*folder.waiting_blocks_path.iterdir()]


def test_a_step_whose_process_is_killed_does_not_leave_the_run_waiting(carry: Callable[[str, str], None]) -> None:
    with pytest.raises(RunError, match=r"a process of the distilabel pipeline was killed, perhaps for want of memory"):
        carry("parent_process()", KILL)


def test_steps_that_die_before_their_work_begins_do_not_leave_the_run_waiting(
    carry: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preflect.adapters.distilabel_runner.START_S", 5)
    dies = "import __main__; __main__.Share.__init__ = lambda *_: " + KILL
    with pytest.raises(RunError, match=r"a process of the distilabel pipeline was killed"):
        carry("not parent_process()", dies)


@given(st.integers(0, 90))
def test_a_folder_in_which_multiprocessing_could_make_no_socket_is_refused_by_name(length: int) -> None:
    folder = "/" + "f" * length
    address = f"{folder}/pymp-xxxxxxxx/listener-xxxxxxxx"
    if len(address) <= SOCKET_PATH_MAX:
        check_temporary_folder(folder)
    else:
        with pytest.raises(InputError, match="set TMPDIR to a shorter one"):
            check_temporary_folder(folder)
