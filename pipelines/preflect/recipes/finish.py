"""The end of a run: exports and report, from what is in its folder.

What writes them (arro3, vl-convert) is imported when it's needed: a run should not begin with half a second of imports
for its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preflect.engine.run_folder import RunFolder
from preflect.engine.so_far import rejections_so_far
from preflect.schemas import ExportCounts, ExportSpec, Manifest

if TYPE_CHECKING:
    from preflect.scoring.truth import Truth, TruthSummary


def export(folder: RunFolder, to: Path | None = None, spec: ExportSpec | None = None) -> tuple[ExportCounts, ...]:
    """Write the training datasets, by default where and how the run's recipe says."""
    from preflect.export import export_run  # noqa: PLC0415

    recipe = folder.recipe()
    return export_run(folder.samples(), to or folder.export_path, spec or recipe.export, recipe.seed)


def report(folder: RunFolder, manifest: Manifest) -> None:
    """Write `report.html`, of a run that is not done with what there is so far."""
    from preflect.report import render_report  # noqa: PLC0415

    render_report(
        folder.report_path,
        manifest=manifest,
        recipe=folder.recipe(),
        samples=folder.samples(),
        rejections=(rejection for rejection, _ in rejections_so_far(folder)),
        truth=truth_of(folder),
    )


def truth_of(folder: RunFolder) -> Truth | None:
    """What the simulator knows of its own texts; None where nothing was simulated."""
    from preflect.scoring.truth import read_truth  # noqa: PLC0415

    if not folder.truth_path.exists():
        return None
    with folder.truth_path.open(encoding="utf-8") as lines:
        return read_truth(lines)


def truth_summary(folder: RunFolder) -> TruthSummary | None:
    """How well a simulated run did by what is true; None where nothing was simulated."""
    from preflect.scoring.truth import summarise  # noqa: PLC0415

    truth = truth_of(folder)
    return summarise(truth, folder.samples()) if truth else None
