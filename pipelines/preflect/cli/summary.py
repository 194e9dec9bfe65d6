"""A run in a few lines: the funnel, what it cost, what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from preflect.cli.progress import clock_text, cost_text
from preflect.recipes.finish import truth_summary
from preflect.scoring.cost import price_sources

if TYPE_CHECKING:
    from preflect.engine import RunResult
    from preflect.schemas import Manifest, TrafficCounts
    from preflect.scoring.truth import TruthSummary


def document_of(result: RunResult) -> dict[str, Any]:
    """The manifest, where things are, and for a simulated run how well it did."""
    truth = truth_summary(result.folder) if result.manifest.status == "done" else None
    return {
        "run": str(result.folder.path),
        "report": str(result.folder.report_path),
        "manifest": result.manifest.model_dump(mode="json"),
        "simulation": shares_of(truth) if truth else None,
    }


def shares_of(truth: TruthSummary) -> dict[str, float | None]:
    """The shares by name; None where there was nothing to count."""
    return {
        "chosen_better_share": truth.chosen_better_share,
        "repaired_share": truth.repaired_share,
        "broken_share": truth.broken_share,
        "judge_accuracy": truth.judge_accuracy,
        "unknown_share": truth.unknown_share,
    }


def text_of(result: RunResult) -> str:
    """The same for people."""
    return "\n".join(_lines(result))


def _lines(result: RunResult) -> Iterator[str]:
    manifest = result.manifest
    yield f"{manifest.name}: {manifest.status}" + ("  (simulated)" if manifest.simulated else "")
    if manifest.message:
        yield manifest.message
    if manifest.status in {"stopped", "failed"}:
        yield f"go on with `{result.folder.resume_command(manifest)}`"
    yield from _funnel(manifest)
    yield ""
    yield from _cost(result)
    for counts in manifest.traffic:
        yield f"traffic  {counts.model}: {_hardships(counts)}"
    for export in manifest.exports:
        refused = f"; refused: {_listed(export.refused)}" if export.refused else ""
        yield f"{export.kind:<8} {export.train:,} train + {export.test:,} test rows{refused}"
    if manifest.status == "done":
        truth = truth_summary(result.folder)
        if truth:
            yield from _truth(truth)
    yield f"run      {result.folder.path}"
    if result.folder.report_path.exists():
        yield f"report   {result.folder.report_path}"


def _funnel(manifest: Manifest) -> Iterator[str]:
    width = max([len(count.stage) for count in manifest.stages], default=5)
    if manifest.stages:
        yield f"{'stage':<{width}}  {'in':>7}  {'out':>7}  rejected"
    if manifest.input_rejected:
        rows, rejected = manifest.input_rows, manifest.input_rejected
        yield f"{'input':<{width}}  {rows:>7,}  {rows - rejected:>7,}  {rejected:,}"
    for count in manifest.stages:
        reasons = f"{count.rejected:,}" + (f" ({_listed(count.reasons)})" if count.rejected else "")
        made = f", {count.made:,} made" if count.made else ""
        lost = f", candidates lost: {_listed(count.candidates_lost)}" if count.candidates_lost else ""
        yield f"{count.stage:<{width}}  {count.rows_in:>7,}  {count.rows_out:>7,}  {reasons}{made}{lost}"


def _listed(counts: Mapping[str, int]) -> str:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {number:,}" for reason, number in most_first)


def _hardships(counts: TrafficCounts) -> str:
    told = {
        "asked again": counts.retries,
        "refused as too many (429)": counts.throttled,
        "slow and asked twice": counts.hedged,
        "without a count of tokens, each charged at the most that it can cost": counts.uncounted,
    }
    return ", ".join(f"{number:,} {what}" for what, number in told.items() if number)


def _cost(result: RunResult) -> Iterator[str]:
    manifest = result.manifest
    calls = sum(count.calls for count in manifest.calls)
    cost = cost_text(manifest.cost_usd)
    yield f"calls    {calls:,}, {_tokens(manifest)}, {cost}, {clock_text(manifest.seconds)} min"
    if manifest.lost_usd:
        yield f"lost     up to {cost_text(manifest.lost_usd)} of it, for requests that brought no usable reply"
    if manifest.cost_usd and (sources := price_sources(result.folder.recipe().models)):
        yield f"prices   {sources}"


def _tokens(manifest: Manifest) -> str:
    """`731,893 tokens (120,000 cached, 3,100 reasoning)`."""
    parts = {
        "cached": sum(count.cached_tokens for count in manifest.calls),
        "reasoning": sum(count.reasoning_tokens for count in manifest.calls),
    }
    tokens = sum(count.prompt_tokens + count.completion_tokens for count in manifest.calls)
    named = ", ".join(f"{number:,} {name}" for name, number in parts.items() if number)
    return f"{tokens:,} tokens" + (f" ({named})" if named else "")


def _truth(truth: TruthSummary) -> Iterator[str]:
    for place, line in enumerate(_truths(truth)):
        yield f"{'' if place else 'truth':<8} {line}"


def _truths(truth: TruthSummary) -> Iterator[str]:
    pairs = truth.chosen_better + truth.chosen_equal + truth.chosen_worse
    if truth.chosen_better_share is not None:
        yield (
            f"chosen is truly better than rejected in {truth.chosen_better_share:.1%} of {pairs:,} pairs "
            f"(equal in {truth.chosen_equal:,}, worse in {truth.chosen_worse:,})"
        )
    if truth.repaired_share is not None:
        yield (
            f"reflection repaired {truth.repaired:,} of {truth.faulty_drafts:,} faulty responses, "
            f"broke {truth.broken:,} of {truth.sound_drafts:,} sound ones"
        )
    if truth.judge_accuracy is not None:
        yield f"the judge ordered {truth.judge_accuracy:.1%} of {truth.judged:,} unequal pairs rightly"
    if truth.responses_unknown:
        yield (
            f"{truth.responses_unknown:,} of {truth.responses:,} responses are to instructions that the simulator "
            "does not know: generic text"
        )
