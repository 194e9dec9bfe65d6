"""Pairs chosen again from what a run holds, without a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from preflect.engine.run_folder import RunFolder
from preflect.export import export_run
from preflect.recipes.finish import check_exportable
from preflect.schemas import ExportCounts, Rejection, Sample
from preflect.schemas.stages import Strategy
from preflect.stages.pair import choose_pair, pair_rng


@dataclass(slots=True, kw_only=True)
class ChosenAgain:
    """What choosing again came to."""

    to: Path
    pairs: int = 0
    same: int = 0
    """Pairs that the run has as well."""
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    """Samples without a pair, by reason."""
    exports: tuple[ExportCounts, ...] = ()


def choose_again(folder: RunFolder, strategy: Strategy, min_margin: float, to: Path | None = None) -> ChosenAgain:
    """Choose pairs by another strategy or margin and export them; the run itself stays as it is."""
    chosen = ChosenAgain(to=to or folder.path / "pairs" / f"{strategy}-{min_margin:g}")
    recipe = folder.recipe()
    check_exportable(folder)
    spec = recipe.export.evolve(kinds=("dpo",))
    chosen.exports = export_run(_paired(folder, strategy, min_margin, chosen), chosen.to, spec, recipe.seed)
    return chosen


def _paired(folder: RunFolder, strategy: Strategy, min_margin: float, chosen: ChosenAgain) -> Iterator[Sample]:
    """The samples with their new pairs alone, counting as they go by."""
    seed = folder.recipe().seed
    for sample in folder.samples():
        pair = choose_pair(sample, strategy, min_margin, pair_rng(seed, sample.id))
        if isinstance(pair, Rejection):
            chosen.reasons[pair.reason] = chosen.reasons.get(pair.reason, 0) + 1
            continue
        chosen.pairs += 1
        chosen.same += any(
            (old.chosen_id, old.rejected_id) == (pair.chosen_id, pair.rejected_id) for old in sample.pairs
        )
        yield sample.evolve(pairs=(pair,))
