"""The end of a run: exports and report, from what is in its folder.

What writes them (arro3, vl-convert) takes a second to start: it is done once the first sample is finished, beside the
others, so that neither the run's beginning nor its end waits for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from preflect.engine.review_folder import review_stage
from preflect.engine.run_folder import RunFolder
from preflect.engine.so_far import check_done, rejections_so_far
from preflect.errors import JudgeTooInaccurateError
from preflect.schemas import ExportCounts, ExportSpec, Limits, Manifest, Recipe, ReviewCounts, Sample
from preflect.schemas.stages import StudentStage

if TYPE_CHECKING:
    from preflect.export import Intake
    from preflect.report import Findings, Pen
    from preflect.scoring.truth import Truth, TruthSummary


def export(folder: RunFolder, to: Path | None = None, spec: ExportSpec | None = None) -> tuple[ExportCounts, ...]:
    """Write the training datasets, by default where and how the run's recipe says."""
    from preflect.export import export_run  # noqa: PLC0415

    recipe = folder.recipe()
    check_exportable(folder)
    return export_run(folder.samples(), to or folder.export_path, spec or recipe.export, recipe.seed)


def report(folder: RunFolder, manifest: Manifest) -> None:
    """Write `report.html`, of a run that is not done with what there is so far."""
    from preflect.report import Pen, read_once  # noqa: PLC0415

    with Pen() as pen:
        _write_report(folder, manifest, read_once(folder.samples(), truth_of(folder)), pen)


class Ending:
    """A run's exports and then its report, out of one reading of its samples."""

    def __init__(self) -> None:
        self._found: Findings | None = None
        self._pen: Future[Pen] | None = None

    def prepare(self) -> None:
        """Get ready beside other work what takes long to start; a second time it does nothing."""
        if self._pen is None:
            thread = ThreadPoolExecutor(1, thread_name_prefix="preflect-ending")
            self._pen = thread.submit(_prepare)
            thread.shutdown(wait=False)

    def digest(self, recipe: Recipe, samples: Sequence[Sample]) -> bytes:
        """What was found in the samples, one line, and then what they give for the export."""
        from preflect.export import take  # noqa: PLC0415
        from preflect.report import Findings  # noqa: PLC0415

        found = Findings(None)
        intake = take(found.watch(samples), recipe.export)
        return found.to_bytes() + b"\n" + intake.to_bytes()

    def export(self, folder: RunFolder, review: ReviewCounts | None) -> tuple[ExportCounts, ...]:
        """As `export` does, by what people said so far, and remember what the report needs."""
        from preflect.export import write_export  # noqa: PLC0415
        from preflect.report import Findings  # noqa: PLC0415

        recipe = folder.recipe()
        check_judge(recipe.limits, review, must_be_known=review_stage(recipe) is not None)
        self.prepare()
        self._found = Findings(truth_of(folder))
        # What a killed process left of them: whoever ends a run has it to itself.
        for left in [*folder.export_path.rglob(".*")]:
            shutil.rmtree(left, ignore_errors=True)
        intakes = _intakes(folder, self._found, recipe.export)
        return write_export(intakes, folder.export_path, recipe.export, recipe.seed)

    def report(self, folder: RunFolder, manifest: Manifest) -> None:
        """Write `report.html` of the run that was exported."""
        assert self._found is not None
        assert self._pen is not None
        _write_report(folder, manifest, self._found, self._pen.result())

    def close(self) -> None:
        """Give up what was prepared."""
        if self._pen is not None:
            self._pen.result().close()
            self._pen = None


def _intakes(folder: RunFolder, found: Findings, spec: ExportSpec) -> Iterator[Intake]:
    from preflect.export import Intake, take  # noqa: PLC0415

    for block, samples in folder.blocks():
        digest = folder.digests_path / block.stem
        if digest.exists():
            findings, _, intake = digest.read_bytes().partition(b"\n")
            found.merge(findings)
            yield Intake.from_bytes(intake)
        else:
            yield take(found.watch(samples), spec)


def _prepare() -> Pen:
    import_module("preflect.export")
    from preflect.report import Pen  # noqa: PLC0415

    return Pen()


def _write_report(folder: RunFolder, manifest: Manifest, findings: Findings, pen: Pen) -> None:
    from preflect.report import render_report  # noqa: PLC0415

    recipe = folder.recipe()
    if any(isinstance(stage, StudentStage) and stage.students for stage in recipe.stages):
        for _, sample in rejections_so_far(folder):
            if sample:
                findings.opinions.add(sample)
    render_report(
        folder.report_path,
        manifest=manifest,
        recipe=recipe,
        findings=findings,
        rejections=(rejection for rejection, _ in rejections_so_far(folder)),
        pen=pen,
    )


def check_exportable(folder: RunFolder) -> None:
    """Raises: JudgeTooInaccurateError as `check_judge`; InputError: the run is not done."""
    manifest = folder.manifest()
    check_judge(folder.recipe().limits, manifest.review, must_be_known=manifest.status == "done")
    check_done(folder)


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
