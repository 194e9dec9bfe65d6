"""How `preflect score --calibrate` says what it found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from preflect.cli.output import columns_text
from preflect.recipes.calibrate import Calibration
from preflect.scoring.separation import Separation

_HEAD = ("", "pairs", "AUC (95 %)", "below 1: matched", "shuffled", "threshold", "below it: matched")


def document_of(calibration: Calibration) -> dict[str, Any]:
    """For a machine."""
    return asdict(calibration)


def text_of(calibration: Calibration) -> str:
    """For a reader."""
    table = columns_text([_HEAD, *((name, *_cells(found)) for name, found in calibration.scores.items())])
    made_by = f"{calibration.student} ({calibration.template}, {calibration.revision})"
    thresholds = ", ".join(f"{name}: {found.threshold:.4g}" for name, found in calibration.scores.items())
    lines = [
        f"{calibration.sampled:,} rows by {made_by}, each with its own response (matched) and another row's (shuffled)",
        *(f"  {line}" for line in table.splitlines()),
        "  AUC is the chance that the matched pair scores lower; a student that sees no difference has 0.5",
        f"  below the threshold lie 5 % of the shuffled pairs: thresholds: {{{thresholds}}}",
    ]
    if calibration.student == "ppm":
        lines.append("  ppm is a lexical proxy: it sees shared words and phrases, not meaning")
    return "\n".join(lines)


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
