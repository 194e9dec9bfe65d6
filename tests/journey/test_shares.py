"""A replay in several processes: the same bytes as in one, and no process left behind."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.engine import run
from preflect.engine.phase_work import close_phase
from preflect.engine.plan import Phase
from preflect.engine.progress import ModelProgress, Snapshot, StageProgress, combined
from preflect.engine.running import Watch, resume
from preflect.engine.shares import count_shares, write_in_shares
from preflect.engine.sitting import Share, Sitting
from preflect.errors import ReplayMissError, StoppedError
from preflect.recipes import load
from preflect.recipes.plan import plan_to_resume

from .conftest import WriteRecipe, contents

ROWS = 600
"""Two blocks and a part of one."""
STAGES = [
    {"stage": "respond", "model": "teacher"},
    {"stage": "dedup"},
    {"stage": "grade"},
]


@dataclass(frozen=True)
class InShares:
    """Carries every stream in so many processes, however short it is."""

    shares: int
    seen: list[int] = field(default_factory=list[int])

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        sitting.streamed(phase).create()
        self.seen.append(count_shares(sitting, phase))
        write_in_shares(sitting, phase, self.shares)
        if phase.closing is not None:
            close_phase(sitting, phase)


@pytest.fixture
def recipe(tmp_path: Path, write_recipe: WriteRecipe) -> Path:
    rows = [{"instruction": f"Name {number} harbours.", "reference_answer": "none"} for number in range(ROWS)]
    rows[100:100] = rows[:3]  # duplicates, which the input loses
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    models = {"teacher": {"kind": "sim", "max_tokens": 60, "concurrency": 200}}
    return write_recipe(input={"path": str(tmp_path / "rows.jsonl")}, models=models, stages=STAGES)


@pytest.mark.parametrize("shares", [2, 4])
def test_a_replay_in_shares_gives_the_same_bytes(shares: int, tmp_path: Path, recipe: Path) -> None:
    run(load(recipe), tmp_path / "first")
    told: list[Snapshot] = []
    plan = replace(load(recipe, replay=tmp_path / "first" / "journal.sqlite"), runner=InShares(shares))
    run(plan, tmp_path / "again", Watch(publish=told.append))
    assert contents(tmp_path / "again") == contents(tmp_path / "first")
    in_shares = [snapshot for snapshot in told if snapshot.stages[0].done]
    assert max(snapshot.finished for snapshot in in_shares) <= ROWS


def test_a_miss_in_one_share_stops_all_and_the_run_goes_on_where_they_stood(tmp_path: Path, recipe: Path) -> None:
    run(load(recipe), tmp_path / "whole")
    run(load(recipe, ["input.limit=200"]), tmp_path / "part")
    plan = replace(load(recipe, replay=tmp_path / "part" / "journal.sqlite"), runner=InShares(2))
    with pytest.raises(ReplayMissError, match="the journal has no reply of model 'teacher'"):
        run(plan, tmp_path / "again")
    result = run(load(recipe), tmp_path / "other")
    (result.folder.path / "journal.sqlite").rename(tmp_path / "again" / "journal.sqlite")
    folder = type(result.folder)(tmp_path / "again")
    resume(replace(plan_to_resume(folder, replay=True), runner=InShares(2)), folder)
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_a_stop_reaches_every_share(tmp_path: Path, recipe: Path) -> None:
    run(load(recipe), tmp_path / "first")
    plan = replace(load(recipe, replay=tmp_path / "first" / "journal.sqlite"), runner=InShares(2))
    with pytest.raises(StoppedError, match="stopped on request"):
        run(plan, tmp_path / "again", Watch(stop_requested=lambda: True))


def test_only_a_replay_that_is_long_enough_is_shared(tmp_path: Path, recipe: Path) -> None:
    run(load(recipe), tmp_path / "first")
    short = InShares(1)
    run(replace(load(recipe, replay=tmp_path / "first" / "journal.sqlite"), runner=short), tmp_path / "again")
    assert short.seen == [0, 0]


def test_what_the_input_lost_is_written_by_one_share_alone(tmp_path: Path, recipe: Path) -> None:
    plan = load(recipe)
    folder = run(plan, tmp_path / "run").folder
    folder.input_rejections_path.unlink()

    def read_as(share: Share) -> None:
        sitting = Sitting(
            plan=plan, folder=folder, endpoints={}, stop_requested=bool, publish=lambda _: None, share=share
        )
        deque(sitting.input_of(plan.phases[0]), maxlen=0)

    read_as(Share(1, 2))
    assert not folder.input_rejections_path.exists()
    read_as(Share(0, 2))
    assert folder.input_rejections_path.exists()


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_every_block_is_of_one_share(block: int, of: int) -> None:
    assert sum(Share(number, of).has(block) for number in range(of)) == 1


def part_of_a_phase(total: int | None, finished: int, left_s: float | None) -> Snapshot:
    model = ModelProgress(
        name="teacher", in_flight=0, calls=0, replayed=finished, retries=0, throttled=0, hedged=0, allowed=0,
        prompt_tokens=0, completion_tokens=0, cost_usd=0.0,
    )  # fmt: skip
    stages = (StageProgress(name="respond", running=1, done=finished, rejected=0),)
    return Snapshot(
        total=total, finished=finished, rejected=0, stages=stages, models=(model,), elapsed_s=2.0, seconds_left=left_s,
        share=finished / total if total else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "total", "finished", "left_s"),
    [
        ([(10, 3, 4.0)], 10, 3, 4.0),
        ([(10, 3, 4.0), (6, 6, 0.0)], 16, 9, 4.0),
        ([(None, 1, None), (6, 2, 5.0)], None, 3, 5.0),
    ],
)
def test_the_parts_of_a_phase_are_told_as_one(
    parts: Sequence[tuple[int | None, int, float | None]], total: int | None, finished: int, left_s: float | None
) -> None:
    whole = combined([part_of_a_phase(*part) for part in parts])
    assert (whole.total, whole.finished, whole.seconds_left) == (total, finished, left_s)
    assert (whole.stages[0].done, whole.models[0].replayed) == (finished, finished)
