"""What the engine is handed: a recipe cut into phases, and the means to carry them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from preflect.engine.run_folder import RunFolder
from preflect.ports import BatchStore, CallMeter, CallStore, Gate, Purse, Stage, WholeSetStage
from preflect.schemas import (
    ChatModelSpec,
    ExportCounts,
    Manifest,
    OpenAIModel,
    PpmStudent,
    Recipe,
    Rejection,
    ReviewCounts,
    Sample,
)
from preflect.schemas.stages import AnyStage, Respond

if TYPE_CHECKING:
    from preflect.engine.sitting import Sitting


FEWEST_OPEN: Final = 512
"""Samples in work at once, where the recipe sets no number and few calls may be in flight."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Per-sample stages that run as one stream, then, if any, the whole-set stage that must see all of it.

    Stages are given by their place in the recipe.
    """

    number: int
    stages: tuple[int, ...]
    closing: int | None


def split_phases(recipe: Recipe) -> tuple[Phase, ...]:
    """Cut the recipe behind each whole-set stage."""
    phases: list[Phase] = []
    stages: list[int] = []
    for place, spec in enumerate(recipe.stages):
        if spec.whole_set:
            phases.append(Phase(len(phases), tuple(stages), place))
            stages = []
        else:
            stages.append(place)
    if stages:
        phases.append(Phase(len(phases), tuple(stages), None))
    return tuple(phases)


def stage_names(recipe: Recipe) -> tuple[str, ...]:
    """Names of the stages in order, numbered from the second occurrence on: `respond`, `respond-2`."""
    seen: dict[str, int] = {}
    names: list[str] = []
    for spec in recipe.stages:
        seen[spec.stage] = seen.get(spec.stage, 0) + 1
        names.append(spec.stage if seen[spec.stage] == 1 else f"{spec.stage}-{seen[spec.stage]}")
    return tuple(names)


def calls_of(recipe: Recipe, phase: Phase) -> dict[str, int]:
    """How often each per-sample stage of the phase asks its models about a sample; 1 each where none asks at all."""
    names = stage_names(recipe)
    calls = {names[place]: _calls(recipe, recipe.stages[place]) for place in phase.stages}
    return calls if any(calls.values()) else dict.fromkeys(calls, 1)


def _calls(recipe: Recipe, stage: AnyStage) -> int:
    slow = [name for name in stage.model_names if not isinstance(recipe.models[name], PpmStudent)]
    return len(slow) * (stage.samples if isinstance(stage, Respond) else 1)


def open_samples(recipe: Recipe, phase: Phase) -> int:
    """How many samples of the phase are in work at once, by default twice as many as calls may be in flight.

    Where a stage asks in batches, enough to fill one, whatever the recipe says.
    """
    names = {name for place in phase.stages for name in recipe.stages[place].model_names}
    models = [model for name in names if isinstance(model := recipe.models[name], ChatModelSpec)]
    full = [model.batch.max_requests for model in models if isinstance(model, OpenAIModel) and model.mode == "batch"]
    usual = max(FEWEST_OPEN, 2 * sum(model.concurrency for model in models))
    return max(recipe.limits.open_samples or usual, *full, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the models behind the stages share: journal, money, the gate, counts, and addresses that a run started."""

    folder: RunFolder
    journal: CallStore
    batches: BatchStore
    purse: Purse
    gate: Gate
    meter: CallMeter
    endpoints: Mapping[str, str]
    """Base URL by model name, for endpoints that the run started itself."""
    replay: bool = False
    """Whether the journal alone may answer."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The stages of a phase, joined to open models."""

    stages: tuple[Stage, ...]
    closing: WholeSetStage | None


class Runner(Protocol):
    """Carries one phase from its input to its dataset on disk."""

    def carry(self, phase: Phase, sitting: Sitting) -> None:
        """Raises: StoppedError when the run stopped early; RunError when it failed."""
        ...


class Ending(Protocol):
    """What a run does once its samples are finished."""

    def prepare(self) -> None:
        """Get ready for it beside the work on samples; asked any number of times."""
        ...

    def digest(self, recipe: Recipe, samples: Sequence[Sample]) -> bytes:
        """What it needs of finished samples, so that it need not read them again."""
        ...

    def export(self, folder: RunFolder, review: ReviewCounts | None) -> tuple[ExportCounts, ...]:
        """Write the training datasets, of samples whose digest is in the folder from that.

        Args: review is what people said so far, which may forbid it.
        """
        ...

    def report(self, folder: RunFolder, manifest: Manifest) -> None:
        """Write the report of what was exported."""
        ...

    def close(self) -> None:
        """Give up what was prepared; asked for at the end of each sitting."""
        ...


def _nobody(_: RunFolder) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe with everything that is needed to run it."""

    recipe: Recipe
    input_rows: int
    input_sha256: str
    read: Callable[[], Iterator[Sample | Rejection]]
    """Reads the input anew."""
    connect: Callable[[Phase, Wiring], AbstractAsyncContextManager[Connected]]
    services: Callable[[RunFolder], AbstractContextManager[Mapping[str, str]]]
    """Starts the endpoints that belong to the run; gives base URL by model name."""
    runner: Runner
    entry: str
    """`module:function` that makes this plan again from a run folder, in another process or on another machine."""
    ending: Ending
    prompts: Mapping[str, str]
    """Version of each prompt that the stages use, by name."""
    review: Callable[[RunFolder], ReviewCounts | None] = _nobody
    """What people said, counted anew; None where nobody was asked."""
    notes: tuple[str, ...] = ()
    """What is allowed in the recipe, and probably not meant."""
    skip_bad_rows: bool = False
    """Whether the run may begin although rows of the input can't be used."""
    replay: Path | None = None
    """The journal that must have all replies, the run's own or one to take them from; None: endpoints may be asked."""
    simulated: bool = False
    """Whether any model is simulated, by the recipe or by what its endpoint says of itself."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The recipe's phases."""
        return split_phases(self.recipe)

    @property
    def names(self) -> tuple[str, ...]:
        """The stages' names, by place."""
        return stage_names(self.recipe)
