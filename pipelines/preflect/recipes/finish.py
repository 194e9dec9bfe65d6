"""The end of a run: exports and report, from what is in its folder.

What writes them (arro3, vl-convert) is imported when it's needed: a run should not begin with half a second of imports
for its end.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preflect.engine.run_folder import RunFolder
from preflect.engine.so_far import rejections_so_far
from preflect.errors import JudgeTooInaccurateError
from preflect.schemas import ExportCounts, ExportSpec, Limits, Manifest, ReviewCounts

if TYPE_CHECKING:
    from preflect.scoring.truth import Truth, TruthSummary

if TYPE_CHECKING:
    from preflect.report import Findings


def export(folder: RunFolder, to: Path | None = None, spec: ExportSpec | None = None) -> tuple[ExportCounts, ...]:
    """Write the training datasets, by default where and how the run's recipe says."""
    from preflect.export import export_run  # noqa: PLC0415

    recipe = folder.recipe()
    check_judge(recipe.limits, folder.manifest().review, must_be_known=True)
    return export_run(folder.samples(), to or folder.export_path, spec or recipe.export, recipe.seed)


def report(folder: RunFolder, manifest: Manifest) -> None:
    """Write `report.html`, of a run that is not done with what there is so far."""
    from preflect.report import read_once  # noqa: PLC0415

    _write_report(folder, manifest, read_once(folder.samples(), truth_of(folder)))


class Ending:
    """A run's exports and then its report, out of one reading of its samples."""

    def __init__(self) -> None:
        self._found: Findings | None = None

    def export(self, folder: RunFolder) -> tuple[ExportCounts, ...]:
        """As `export` does, and remember what the report needs."""
        from preflect.export import export_run  # noqa: PLC0415
        from preflect.report import Findings, warm_up  # noqa: PLC0415

        warm_up()
        recipe, self._found = folder.recipe(), Findings(truth_of(folder))
        return export_run(self._found.watch(folder.samples()), folder.export_path, recipe.export, recipe.seed)

    def report(self, folder: RunFolder, manifest: Manifest) -> None:
        """Write `report.html` of the run that was exported."""
        assert self._found is not None
        _write_report(folder, manifest, self._found)


def _write_report(folder: RunFolder, manifest: Manifest, findings: Findings) -> None:
    from preflect.report import render_report  # noqa: PLC0415

    render_report(
        folder.report_path,
        manifest=manifest,
        recipe=folder.recipe(),
        findings=findings,
        rejections=(rejection for rejection, _ in rejections_so_far(folder)),
    )


def check_judge(limits: Limits, review: ReviewCounts | None, *, must_be_known: bool) -> None:
    """Raises: JudgeTooInaccurateError: people's reviews show the judge to be right less often than the recipe wants.

    Args: must_be_known is False where nobody could have reviewed yet.
    """
    least = limits.judge_min_accuracy
    found = review.judge_accuracy if review else None
    if least is None or (found is None and not must_be_known):
        return
    wanted = f"limits.judge_min_accuracy is {least:.0%}"
    if found is None or found.value is None:
        raise JudgeTooInaccurateError(
            f"not exported: {wanted}, and the judge's accuracy is not known; have more samples reviewed, at least "
            "five of them drawn by chance"
        )
    if found.value < least:
        raise JudgeTooInaccurateError(
            f"not exported: by people's reviews the judge is right in {found.value:.1%} (95 % interval {found.low:.1%} "
            f"to {found.high:.1%}, {found.n:,} samples), and {wanted}"
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
