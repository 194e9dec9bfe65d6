"""What a user sees of a run that was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from preflect.engine.run_folder import RunFolder

from .conftest import Run, WriteRecipe, command
from .endpoint import Endpoint, Reply, said, serving


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done()


@pytest.mark.parametrize("engine", ["local", "distilabel"])
def test_a_second_ctrl_c_ends_a_run_whose_calls_do_not_come_back(
    engine: str, tmp_path: Path, preflect: Run, write_recipe: WriteRecipe
) -> None:
    def answer(_: str) -> Reply:
        # The first three come back, the others long after the test.
        return said("A robin.", after_s=0.0 if len(endpoint.asked) <= 3 else 60.0)

    with serving(Endpoint(answer)) as endpoint:
        reached = {"kind": "openai", "model": "m", "base_url": endpoint.base_url}
        model = {**reached, "concurrency": 4, "price": {"output": 1000}}
        stages = [{"stage": "respond", "model": "teacher"}]
        recipe = write_recipe(engine=engine, models={"teacher": model}, stages=stages)
        run = tmp_path / "run"
        with subprocess.Popen(command("run", recipe, "--run", run), stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: len(endpoint.asked) == 7)
            os.kill(process.pid, signal.SIGINT)
            time.sleep(0.5)
            assert process.poll() is None
            os.kill(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "stopping: waiting for the calls in flight (Ctrl-C again to end at once)" in errors
    assert "error: ended at once; calls that were in flight are asked again by a resume" in errors
    assert f"everything is kept: go on with `preflect resume {run}`" in errors
    assert "Traceback" not in errors
    manifest = RunFolder(run).manifest()
    assert manifest.status == "stopped"
    assert manifest.seconds > 0
    shown = json.loads(preflect("show", run, "--json").stdout)["manifest"]["calls"]
    assert [(count["calls"], count["cost_usd"]) for count in shown] == [(3, pytest.approx(0.06))]
    listed = json.loads(preflect("runs", "--folder", tmp_path, "--json").stdout)
    assert [(entry["run"], entry["status"], entry["calls"]) for entry in listed] == [("run", "stopped", 3)]
