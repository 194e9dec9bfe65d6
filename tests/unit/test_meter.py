"""How far a run is, counted from what its stages have done."""

from pathlib import Path

import pytest

from preflect.engine.journal import open_journal
from preflect.engine.meter import Meter
from preflect.engine.plan import calls_of, open_samples, split_phases
from preflect.engine.traffic import keep_traffic, traffic_so_far
from preflect.ports import StoredCall
from preflect.schemas import Recipe, TrafficCounts


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def through(meter: Meter, stage: str, count: int, *, rejected: bool = False) -> None:
    for _ in range(count):
        meter.entered(stage)
        meter.left(stage, 0.1, rejected=rejected)


def meter_of(total: int | None, clock: Clock | None = None) -> Meter:
    """Ten samples are 40 calls: two to respond, none to select, two to judge."""
    meter = Meter(total, clock or Clock())
    meter.expect(("respond", "select", "judge", "later"), ())
    meter.weigh({"respond": 2, "select": 0, "judge": 2})
    return meter


def test_the_share_moves_before_any_sample_is_through() -> None:
    clock = Clock()
    meter = meter_of(10, clock)
    through(meter, "respond", 5)
    clock.now_s = 20.0
    seen = meter.snapshot()
    assert (seen.finished, seen.share) == (0, 0.25)
    assert seen.seconds_left == pytest.approx(60.0)


def test_a_rejected_sample_has_no_work_ahead() -> None:
    meter = meter_of(10)
    through(meter, "respond", 4, rejected=True)
    assert meter.snapshot().share == pytest.approx(0.4)
    through(meter, "respond", 6)
    through(meter, "select", 6)
    through(meter, "judge", 6)
    assert meter.snapshot().share == 1.0


def test_what_an_earlier_sitting_finished_counts_as_done_and_not_as_pace() -> None:
    clock = Clock()
    meter = meter_of(10, clock)
    for _ in range(6):
        meter.kept()
    clock.now_s = 3.0
    before = meter.snapshot()
    assert (before.finished, before.share, before.seconds_left) == (6, pytest.approx(0.6), None)
    through(meter, "respond", 4)
    assert meter.snapshot().seconds_left == pytest.approx(3.0)


def test_a_total_may_be_known_late() -> None:
    meter = meter_of(None)
    through(meter, "respond", 3)
    assert (meter.snapshot().share, meter.snapshot().seconds_left) == (None, None)
    meter.total_known(3)
    assert (meter.snapshot().total, meter.snapshot().share) == (3, 0.5)


def test_an_empty_phase_has_no_share() -> None:
    meter = meter_of(None)
    meter.total_known(0)
    assert meter.snapshot().share is None


def recipe(*stages: dict[str, object]) -> Recipe:
    late = {"kind": "openai", "model": "x", "mode": "batch", "batch": {"max_requests": 2000}}
    models = {
        "teacher": {"kind": "sim"},
        "late": late,
        "small": {"kind": "ppm"},
        "large": {"kind": "transformers", "model": "x"},
    }
    return Recipe.model_validate(
        {"name": "r", "input": {"path": "x"}, "models": models, "stages": stages}, strict=False
    )


def test_stages_weigh_as_many_calls_as_they_make() -> None:
    asked = recipe(
        {"stage": "respond", "models": ("teacher", "teacher"), "samples": 3},
        {"stage": "reflect_instruction", "model": "teacher"},
        {"stage": "select_instruction", "model": "small"},
        {"stage": "select_instruction", "model": "large"},
        {"stage": "grade"},
    )
    assert calls_of(asked, split_phases(asked)[0]) == {
        "respond": 6,
        "reflect_instruction": 1,
        "select_instruction": 0,
        "select_instruction-2": 1,
        "grade": 0,
    }


def test_stages_that_make_no_calls_weigh_the_same() -> None:
    graded = recipe({"stage": "grade"}, {"stage": "pair"})
    assert calls_of(graded, split_phases(graded)[0]) == {"grade": 1, "pair": 1}


def call(prompt_tokens: int = 100, completion_tokens: int = 50) -> StoredCall:
    return StoredCall(
        key="k",
        model="teacher",
        stage="respond",
        sample_id="s",
        text="",
        thinking=None,
        finish_reason="stop",
        served_by="served",
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=0.001,
        latency_s=0.5,
    )


def metered(clock: Clock, *models: str) -> Meter:
    meter = Meter(None, clock)
    meter.expect((), models)
    return meter


def test_calls_and_tokens_a_second_are_those_of_each_model() -> None:
    clock = Clock()
    meter = metered(clock, "teacher", "judge")
    for _ in range(8):
        clock.now_s += 0.5
        meter.started("teacher")
        meter.finished_call("teacher", call())
    meter.started("judge")
    meter.finished_call("judge", None)
    teacher, judge = meter.snapshot().models
    assert (teacher.calls_per_s, teacher.tokens_per_s) == (2.0, 300.0)
    assert (judge.calls_per_s, judge.tokens_per_s) == (0.0, 0.0)


def test_a_model_waits_no_longer_than_it_was_told() -> None:
    clock = Clock()
    meter = metered(clock, "teacher")
    meter.paused("teacher", 30.0)
    clock.now_s = 10.0
    assert meter.snapshot().models[0].paused_s == 20.0
    clock.now_s = 31.0
    assert meter.snapshot().models[0].paused_s == 0.0


def test_what_was_hard_about_the_traffic_outlives_a_sitting(tmp_path: Path) -> None:
    for _ in range(2):
        meter = metered(Clock(), "teacher", "judge")
        for _ in range(3):
            meter.retried("teacher")
        meter.throttled("teacher")
        meter.hedged("teacher")
        with open_journal(tmp_path / "journal.sqlite") as journal:
            keep_traffic(journal, meter.snapshot())
    with open_journal(tmp_path / "journal.sqlite") as journal:
        kept = traffic_so_far(journal, ("student", "teacher", "judge"))
    assert kept == (TrafficCounts(model="teacher", retries=6, throttled=2, hedged=2),)


def test_where_a_stage_asks_in_batches_enough_samples_are_open_to_fill_one() -> None:
    mixed = recipe(
        {"stage": "respond", "model": "teacher"}, {"stage": "dedup"}, {"stage": "reflect_response", "model": "late"}
    )
    assert [open_samples(mixed, phase) for phase in split_phases(mixed)] == [512, 2000]
    many = mixed.evolve(limits=mixed.limits.evolve(open_samples=3000))
    assert [open_samples(many, phase) for phase in split_phases(many)] == [3000, 3000]
