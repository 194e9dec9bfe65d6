"""How `preflect score --calibrate` says what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from preflect.cli.output import columns_text
from preflect.recipes.calibrate import Calibration
from preflect.scoring.separation import Separation

_HEAD = ("", "pairs", "AUC (95 %)", "below 1: matched", "shuffled", "threshold", "below it: matched")


def document_of(calibrations: Sequence[Calibration]) -> dict[str, Any]:
    """For a machine: of the only student, or of all."""
    documents = [asdict(one) for one in calibrations]
    return documents[0] if len(documents) == 1 else {"students": documents}


def text_of(calibrations: Sequence[Calibration]) -> str:
    """For a reader: all students in one table."""
    table = columns_text([_HEAD, *(row for one in calibrations for row in _rows(one, alone=len(calibrations) == 1))])
    made_by = ", ".join(f"{one.student} ({one.template}, {one.revision})" for one in calibrations)
    lines = [
        f"{calibrations[0].sampled:,} rows by {made_by}, each with its own response (matched) and another's (shuffled)",
        *(f"  {line}" for line in table.splitlines()),
        "  AUC is the chance that the matched pair scores lower; a student that sees no difference has 0.5",
        *(f"  below the threshold lie 5 % of the shuffled pairs: {_thresholds(one)}" for one in calibrations),
    ]
    if any(one.student == "ppm" for one in calibrations):
        lines.append("  ppm is a lexical proxy: it sees shared words and phrases, not meaning")
    return "\n".join(lines)


def _rows(calibration: Calibration, *, alone: bool) -> Iterator[tuple[str, ...]]:
    for name, found in calibration.scores.items():
        yield (name if alone else f"{calibration.student}: {name}", *_cells(found))


def _thresholds(calibration: Calibration) -> str:
    values = ", ".join(f"{name}: {found.threshold:.4g}" for name, found in calibration.scores.items())
    return f"thresholds: {{{values}}}"


def _cells(found: Separation) -> tuple[str, ...]:
    return (
        f"{found.pairs:,}",
        f"{found.auc:.3f} ({found.auc_low:.3f} to {found.auc_high:.3f})",
        _percent(found.below_one_matched),
        _percent(found.below_one_shuffled),
        f"{found.threshold:.4f}",
        _percent(found.below_threshold_matched),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
