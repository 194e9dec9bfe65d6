"""Sequences on devices: each once, in batches that fit, and nobody suffers for another's failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.adapters.device_pool import DevicePool
from preflect.errors import DeviceFullError, RunError
from preflect.scoring.spans import Pass


class SumDevice:
    """A device whose likelihoods are sums of ids, with room for so many tokens, that fails on the id 13."""

    lanes = 1

    def __init__(self, budget: int = 100, room: int = 10**9) -> None:
        self.budget = budget
        self.room = room
        self.batches: list[list[Pass]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        self.may_go.wait()
        if tokens(batch) > self.room:
            raise DeviceFullError("no memory left")
        if any(13 in one.ids for one in batch):
            raise RunError("thirteen")
        self.batches.append(list(batch))
        return [float(sum(one.ids)) for one in batch]


class NarrowDevice(SumDevice):
    """Holds one batch at a time, and the first one until every other lane was refused beside it."""

    def __init__(self, lanes: int) -> None:
        super().__init__(budget=1)
        self.lanes = lanes
        self.awaited = lanes - 1
        self.refused = threading.Semaphore(0)
        self.place = threading.Lock()

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        if not self.place.acquire(blocking=False):
            self.refused.release()
            raise DeviceFullError("no memory left")
        try:
            while self.awaited and self.refused.acquire(timeout=10):
                self.awaited -= 1
            return super().mean_nlls(batch)
        finally:
            self.place.release()


class ClashingDevice(SumDevice):
    """Has room for none of its lanes' first batches, since all come at once."""

    def __init__(self, lanes: int) -> None:
        super().__init__(budget=1)
        self.lanes = lanes
        self.calls = count()
        self.all_there = threading.Barrier(lanes)

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        if next(self.calls) < self.lanes:
            self.all_there.wait(10)
            raise DeviceFullError("no memory left")
        return super().mean_nlls(batch)


class Answers:
    """Implements `preflect.adapters.device_pool.Asker`."""

    def __init__(self, *, gone: bool = False) -> None:
        self.is_gone = gone
        self.found: list[tuple[Pass, float | Exception]] = []

    def gone(self) -> bool:
        return self.is_gone

    def answer(self, sequence: Pass, nll: float | Exception) -> None:
        self.found.append((sequence, nll))


def tokens(batch: Sequence[Pass]) -> int:
    return len(batch) * max(len(one.ids) for one in batch)


def passes(*texts: Sequence[int]) -> list[Pass]:
    return [Pass(tuple(ids), 1) for ids in texts]


@given(st.lists(st.lists(st.integers(20, 99), min_size=2, max_size=30)), st.integers(1, 80), st.integers(1, 3))
def test_every_sequence_is_computed_once_in_a_batch_that_fits(texts: list[list[int]], budget: int, copies: int) -> None:
    device, answers, asked = SumDevice(budget), Answers(), passes(*texts)
    pool = DevicePool([device])
    pool.ask((one, answers) for one in asked * copies)
    pool.close()
    assert dict(answers.found) == {one: float(sum(one.ids)) for one in asked}
    assert len(answers.found) == copies * len(asked)
    assert sorted(one.ids for batch in device.batches for one in batch) == sorted({one.ids for one in asked})
    assert all(tokens(batch) <= budget or len(batch) == 1 for batch in device.batches)


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, answers = SumDevice(budget=1000, room=25), Answers()
    pool = DevicePool([device])
    pool.ask((one, answers) for one in passes(*([number] * 10 for number in range(20, 60))))
    pool.close()
    assert len(answers.found) == 40
    assert all(isinstance(nll, float) for _, nll in answers.found)
    assert device.budget <= 25
    assert caplog.text.count("no memory left") == 1
    assert "going on with batches of 200 tokens, or fewer if need be" in caplog.text


def test_a_sequence_that_does_not_fit_alone_fails_and_the_others_do_not() -> None:
    answers = Answers()
    pool = DevicePool([SumDevice(room=8)])
    pool.ask((one, answers) for one in passes([20] * 9, [21, 22]))
    pool.close()
    assert {len(one.ids): type(nll) for one, nll in answers.found} == {9: DeviceFullError, 2: float}


@pytest.mark.parametrize("lanes", [2, 3])
@pytest.mark.parametrize("crowded", [NarrowDevice, ClashingDevice])
def test_a_sequence_that_fits_alone_is_computed_though_it_does_not_fit_beside_another(
    crowded: Callable[[int], SumDevice], lanes: int, caplog: pytest.LogCaptureFixture
) -> None:
    answers, asked = Answers(), passes(*([number] * 9 for number in range(20, 40)))
    pool = DevicePool([crowded(lanes)])
    pool.ask((one, answers) for one in asked)
    pool.close()
    assert dict(answers.found) == {one: float(sum(one.ids)) for one in asked}
    assert caplog.messages == ["no memory left; going on with fewer batches at a time"]


def test_a_sequence_that_fits_nowhere_fails_however_many_lanes_there_are_and_the_others_do_not() -> None:
    device, answers = SumDevice(room=8), Answers()
    device.lanes = 3
    pool = DevicePool([device])
    pool.ask((one, answers) for one in passes([20] * 9, [21, 22], [23, 24]))
    pool.close()
    assert {one.ids: type(nll) for one, nll in answers.found} == {
        (20,) * 9: DeviceFullError, (21, 22): float, (23, 24): float,
    }  # fmt: skip


def test_a_failed_batch_fails_those_who_asked_for_it_and_is_tried_again_when_asked_again() -> None:
    answers = Answers()
    device = SumDevice(budget=4)
    pool = DevicePool([device])
    pool.ask((one, answers) for one in passes([13, 1, 1, 1], [20, 1], [21, 1]))
    pool.ask((one, answers) for one in passes([13, 1, 1, 1]))
    pool.close()
    failed = [nll for one, nll in answers.found if 13 in one.ids]
    assert [str(nll) for nll in failed] == ["thirteen", "thirteen"]
    assert sorted(nll for _, nll in answers.found if isinstance(nll, float)) == [21.0, 22.0]


def test_what_is_known_is_answered_without_the_device() -> None:
    device, first, second = SumDevice(), Answers(), Answers()
    pool = DevicePool([device])
    (one,) = passes([20, 30])
    pool.ask([(one, first)])
    while not first.found:
        pass
    pool.ask([(one, second)])
    pool.close()
    assert second.found == [(one, 50.0)]
    assert device.batches == [[one]]


def test_a_sequence_that_nobody_waits_for_any_more_is_not_computed() -> None:
    device = SumDevice()
    pool = DevicePool([device])
    gone, there, (one, other) = Answers(gone=True), Answers(), passes([20, 30], [21, 31])
    pool.ask([(one, gone), (other, gone), (other, there)])
    pool.close()
    assert device.batches == [[other]]


def test_several_devices_share_the_work() -> None:
    devices, answers = [SumDevice(budget=2), SumDevice(budget=2)], Answers()
    pool = DevicePool(devices)
    devices[0].may_go.clear()
    pool.ask((one, answers) for one in passes(*([number, 1] for number in range(20, 40))))
    while len(answers.found) < 19:
        pass
    devices[0].may_go.set()
    pool.close()
    assert [len(device.batches) for device in devices] == [1, 19]
