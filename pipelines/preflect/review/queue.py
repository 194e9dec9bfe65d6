"""Which samples people are asked about: the doubtful ones, some by chance, and some whose answer is known.

What the signals and gold take is taken for certain; the random part is drawn from all the rest, so that it stands for
what nobody looks at. `preflect.scoring.survey` estimates from that.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from preflect.review.opinions import known_better
from preflect.review.signals import SIGNALS
from preflect.review.subject import subject_of
from preflect.schemas import ReviewRound, ReviewStage, ReviewTask, Sample
from preflect.schemas.stages import Signal

RANDOM: Final = "random"
GOLD: Final = "gold"
FILL: Final = "fill"
"""Where the signals have too little to say, drawn by chance, and counted as chosen all the same."""
ADJUDICATE: Final = "adjudicate"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample that could be reviewed, and what the signals say of it."""

    sample_id: str
    shown: tuple[str, ...]
    urgency: Mapping[Signal, float]
    gold_id: str | None


def candidates(
    samples: Iterable[Sample], options: ReviewStage, seed: int, pushed: Collection[str]
) -> Iterator[Candidate]:
    """The samples that can be reviewed and were not given to anybody yet."""
    for sample in samples:
        shown = None if sample.id in pushed else subject_of(sample, options.kind, seed)
        if shown is not None:
            said: dict[Signal, float | None] = {name: signal(sample, shown) for name, signal in SIGNALS.items()}
            gold = known_better(sample, (shown[0], shown[1])) if options.kind == "preference" else None
            yield Candidate(sample.id, shown, {n: v for n, v in said.items() if v is not None}, gold)


def choose_round(found: Iterable[Candidate], options: ReviewStage, seed: int, number: int) -> ReviewRound:
    """As many of the candidates as `size` says, or all: `gold` and `random` by their shares, the rest by signals."""
    drawn = _by_lot(found, f"chosen:{seed}:{number}")
    total = min(options.size, len(drawn))
    taken: dict[str, tuple[Candidate, str]] = {}

    def take(chosen: Iterable[Candidate], part: str, count: int) -> None:
        free = (c for c in chosen if c.sample_id not in taken)
        taken.update({c.sample_id: (c, part) for c, _ in zip(free, range(count), strict=False)})

    take((c for c in drawn if c.gold_id), GOLD, round(total * options.gold))
    random = min(round(total * options.random), total - len(taken))
    for candidate, signal in _by_signals([c for c in drawn if c.sample_id not in taken], options):
        if len(taken) == total - random:
            break
        take([candidate], signal, 1)
    take(drawn, FILL, total - random - len(taken))
    # By lots of their own: among equals, what was left above was left for having drawn the higher lots there.
    take(_by_lot(drawn, f"random:{seed}:{number}"), RANDOM, random)
    # Laid out by lot as well: nobody can tell a part by its place.
    shuffled = _by_lot((candidate for candidate, _ in taken.values()), f"order:{seed}:{number}")
    tasks = (_task(*taken[candidate.sample_id]) for candidate in shuffled)
    return ReviewRound(kind=options.kind, population=len(drawn), tasks=tuple(tasks))


def _by_signals(free: Sequence[Candidate], options: ReviewStage) -> Iterator[tuple[Candidate, Signal]]:
    """Each candidate once, by the signal whose turn it is, the most urgent first; of equally urgent ones, by lot.

    Turns are in proportion to the signals' numbers; who has no more to say leaves them to the others.
    """
    weights: Mapping[Signal, float] = options.signals or dict.fromkeys(SIGNALS, 1.0)
    ranked: dict[Signal, deque[Candidate]] = {
        name: deque(sorted((c for c in free if name in c.urgency), key=lambda c: -c.urgency[name]))
        for name, weight in weights.items()
        if weight
    }
    turns, gone = Counter[Signal](), set[str]()

    def used(name: Signal) -> float:
        return (turns[name] + 1) / weights[name]

    while any(ranked.values()):
        waiting: list[Signal] = [name for name, queue in ranked.items() if queue]
        name = min(waiting, key=used)
        candidate = ranked[name].popleft()
        if candidate.sample_id not in gone:
            gone.add(candidate.sample_id)
            turns[name] += 1
            yield candidate, name


def _by_lot(found: Iterable[Candidate], draw: str) -> list[Candidate]:
    """In an order by chance, the same for the same draw, however they come."""
    return sorted(found, key=lambda c: blake2b(f"{draw}:{c.sample_id}".encode(), digest_size=16).digest())


def _task(candidate: Candidate, part: str) -> ReviewTask:
    gold = candidate.gold_id if part == GOLD else None
    return ReviewTask(sample_id=candidate.sample_id, response_ids=candidate.shown, part=part, gold_id=gold)
