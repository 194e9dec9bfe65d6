"""A student as a service: what comes together is laid out together, nothing waits, and failures stay with their own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from preflect.adapters.device_pool import DevicePool
from preflect.adapters.scoring_service import ScoringService
from preflect.errors import RunError, UnscorableError
from preflect.ports import NllPair, ScoreQuery
from preflect.scoring.sequences import Laid
from preflect.scoring.spans import Pass

FAULT = -1


@dataclass
class LengthDevice:
    """A token costs as much as the sequence is long."""

    budget: int = 1000
    lanes: int = 1
    wait_s: float = 0.0

    def mean_nlls(self, batch: Sequence[Pass]) -> list[float]:
        time.sleep(self.wait_s)
        if any(FAULT in one.ids for one in batch):
            raise RunError("ninety-nine")
        return [float(len(one.ids)) for one in batch]


@dataclass
class Letters:
    """Tokens are letters; it notes how many texts come at a time."""

    windows: list[int] = field(default_factory=list[int])

    def __call__(self, queries: Sequence[ScoreQuery]) -> list[Laid]:
        self.windows.append(len(queries))
        if any(query.response == "crash" for query in queries):
            raise RunError("crashed")
        return [_laid(query) for query in queries]


def _laid(query: ScoreQuery) -> Laid:
    if not query.response:
        return UnscorableError("unscorable:empty")
    prompt, target = _ids(query.instruction), _ids(query.response)
    return Pass(prompt + target, len(prompt)), Pass(target, 0)


def _ids(text: str) -> tuple[int, ...]:
    return tuple(FAULT if letter == "!" else ord(letter) for letter in text)


def asked(response: str, instruction: str = "ask") -> ScoreQuery:
    return ScoreQuery(direction="forward", instruction=instruction, input=None, response=response)


def service(letters: Letters, window: int = 1000, device: LengthDevice | None = None) -> ScoringService:
    return ScoringService(letters, DevicePool([device or LengthDevice()]), window_tokens=window)


def known(conditioned: float, alone: float, tokens: int) -> NllPair:
    return NllPair(conditioned=conditioned, unconditioned=alone, conditioned_tokens=tokens, unconditioned_tokens=tokens)


async def test_questions_that_come_together_are_laid_out_together_and_each_gets_its_own_answer() -> None:
    letters = Letters()
    students = service(letters)
    pairs = await asyncio.gather(*(students.score(asked("b" * length)) for length in (2, 3, 4)))
    assert pairs == [known(5, 2, 2), known(6, 3, 3), known(7, 4, 4)]
    assert letters.windows == [3]


async def test_a_question_waits_no_longer_than_a_moment_for_others() -> None:
    since = time.monotonic()
    await service(Letters(), window=10**9).score(asked("bb"))
    assert time.monotonic() - since < 1


async def test_a_full_window_closes_at_once_and_what_is_too_much_goes_into_the_next() -> None:
    letters = Letters()
    students = ScoringService(letters, DevicePool([LengthDevice()]), window_tokens=10, patience_s=60)
    # 30 letters a window; each question has 2 x 3 and 2 x 9.
    pairs = await asyncio.wait_for(asyncio.gather(*(students.score(asked("b" * 9)) for _ in range(4))), 30)
    assert pairs == [known(12, 9, 9)] * 4
    assert sum(letters.windows) == 4
    assert max(letters.windows) == 2


async def test_without_a_prompt_both_passes_are_one_and_the_same_likelihood() -> None:
    pair = await service(Letters()).score(asked("bbb", instruction=""))
    assert pair.conditioned == pair.unconditioned == 3


async def test_a_text_that_cannot_be_scored_is_a_reason_beside_the_others() -> None:
    students = service(Letters())
    bad, good = await asyncio.gather(students.score(asked("")), students.score(asked("bb")))
    assert (bad.reason, good.reason) == ("unscorable:empty", None)


async def test_a_batch_that_fails_fails_its_own_questions_and_the_service_goes_on() -> None:
    students = service(Letters(), device=LengthDevice(budget=1))
    bad, good = await asyncio.gather(students.score(asked("b!")), students.score(asked("bb")), return_exceptions=True)
    assert isinstance(bad, RunError)
    assert good == known(5, 2, 2)
    assert await students.score(asked("bbb")) == known(6, 3, 3)


async def test_texts_that_crash_the_tokenizer_reach_those_who_asked() -> None:
    students = service(Letters())
    with pytest.raises(RunError, match="crashed"):
        await students.score(asked("crash"))
    assert await students.score(asked("bb")) == known(5, 2, 2)


async def test_an_answer_does_not_wait_for_questions_that_came_later() -> None:
    students = service(Letters(), window=1, device=LengthDevice(budget=1, wait_s=0.01))
    first = asyncio.create_task(students.score(asked("b" * 50)))
    await asyncio.sleep(0.05)
    later = [asyncio.create_task(students.score(asked("c" * length))) for length in range(2, 40)]
    await first
    assert not all(task.done() for task in later)
    await asyncio.gather(*later)


async def test_a_question_that_is_given_up_does_no_harm() -> None:
    students = service(Letters())
    task = asyncio.create_task(students.score(asked("bb")))
    await asyncio.sleep(0)
    task.cancel()
    assert await students.score(asked("bbb")) == known(6, 3, 3)


def test_one_service_answers_several_event_loops() -> None:
    students = service(Letters())
    assert [asyncio.run(students.score(asked("bb"))) for _ in range(2)] == [known(5, 2, 2)] * 2


@contextmanager
def threads_that_take_turns_all_the_time() -> Generator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


@pytest.mark.parametrize("lanes", [1, 2])
async def test_no_answer_is_lost_when_two_threads_bring_both_passes_at_once(lanes: int) -> None:
    # One lane suffices: the prompts are as good as new, the bare texts are remembered and come from the texts' thread.
    students = service(Letters(), device=LengthDevice(budget=1, lanes=lanes))
    with threads_that_take_turns_all_the_time():
        for number in range(20):
            asked_now = [students.score(asked("b" * (n % 50 + 1), f"{number} {n}")) for n in range(300)]
            pairs = await asyncio.wait_for(asyncio.gather(*asked_now), 10)
            assert [pair.unconditioned for pair in pairs] == [n % 50 + 1 for n in range(300)]
