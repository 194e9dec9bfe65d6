"""Runs whose requests another Python sends: the same bytes and the same requests, and its death costs no sample."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from preflect.engine import run
from preflect.engine.progress import Snapshot
from preflect.engine.running import Watch
from preflect.recipes import load

from .conftest import Simulator, WriteRecipe, beside_this, contents

CONCURRENCY = 16


@pytest.fixture
def recipe(simulator: Simulator, write_recipe: WriteRecipe) -> Path:
    teacher = {"kind": "openai", "model": "sim", "base_url": simulator.base_url, "concurrency": CONCURRENCY}
    return write_recipe(
        input={"path": "preflect://seeds/instructions.jsonl", "limit": 150},
        models={"teacher": teacher},
        stages=[{"stage": "respond", "model": "teacher", "samples": 6}, {"stage": "grade"}],
    )


def senders() -> list[psutil.Process]:
    return beside_this("preflect.adapters.post_beside")


@pytest.mark.parametrize("dies", [False, True])
def test_a_run_whose_requests_are_sent_beside_it_gives_the_same_bytes(
    tmp_path: Path, recipe: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *, dies: bool
) -> None:
    whole = run(load(recipe), tmp_path / "whole").folder
    once = simulator.requests()
    monkeypatch.setattr("preflect.adapters.post_beside.MANY", CONCURRENCY // 2)
    monkeypatch.setattr("preflect.adapters.post_beside.count_cores", lambda: 2)
    seen: set[psutil.Process] = set()

    def look(snapshot: Snapshot) -> None:
        if snapshot.finished > 50:
            for sender in senders():
                seen.add(sender)
                if dies:
                    sender.kill()

    folder = run(load(recipe), tmp_path / "run", Watch(publish=look)).folder
    assert len(seen) == 1
    assert not senders()
    assert contents(folder.path) == contents(whole.path)
    assert 0 <= simulator.requests() - 2 * once <= (CONCURRENCY if dies else 0)
