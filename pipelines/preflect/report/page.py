"""The page: everything of a run, in one HTML file that asks for nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from ruamel.yaml import YAML

from preflect.files import write_text_atomically
from preflect.report import figures, tables
from preflect.report.against_truth import truth_table
from preflect.report.chain import chain_of
from preflect.report.pen import Pen
from preflect.report.tally import Findings, Tally
from preflect.report.wording import count, decimal, duration, estimate, moment, percent, plural, usd
from preflect.schemas import Manifest, PpmStudent, Recipe, Rejection, ReviewCounts
from preflect.scoring.cost import price_sources

_PACKAGE: Final = "preflect.report"


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number."""

    label: str
    value: str
    note: str = ""


def render_report(
    out: Path,
    *,
    manifest: Manifest,
    recipe: Recipe,
    findings: Findings,
    rejections: Iterable[Rejection],
    pen: Pen,
) -> None:
    """Write the report of a run to `out`, whole or not at all, from what a pass over its samples found."""
    context = {
        **_head(manifest, findings),
        **_funnel(manifest, rejections),
        **_student(recipe, findings),
        **_judgements(findings.tally),
        **_work(manifest),
        "chains": [chain_of(sample, findings.known) for sample in findings.shown],
        **_provenance(manifest, recipe),
    }
    write_text_atomically(out, page("report.html.j2", {**context, "sections": list(_sections(context))}, pen))


def page(template: str, context: dict[str, Any], pen: Pen) -> str:
    """The template filled in: everything that is not ours escaped."""
    # Everything that is not ours is escaped; only the drawings and the style sheet go in as they are.
    environment = Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["drawn"] = pen.draw
    css = Markup(files(_PACKAGE).joinpath("templates", "report.css").read_text(encoding="utf-8"))  # noqa: S704
    return environment.get_template(template).render(context, css=css)


def _sections(context: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "overview", "Overview"
    yield "funnel", "Samples"
    if context["truth"]:
        yield "truth", "Truth"
    if context["score_plots"] or context["selections"].rows or context["apart"].rows:
        yield "scores", "Student"
    if context["rating_plot"] or context["grades"].rows:
        yield "ratings", "Ratings"
    if context["pair_plots"]:
        yield "pairs", "Pairs"
    yield "cost", "Cost"
    yield "exports", "Exports"
    if context["chains"]:
        yield "samples", "Examples"
    yield "provenance", "Provenance"


def _head(manifest: Manifest, findings: Findings) -> dict[str, Any]:
    stopped = manifest.status in {"stopped", "failed"}
    return {
        "name": manifest.name,
        "lead": f"{plural(manifest.input_rows, 'instruction')} from {manifest.input_path} through "
        f"{plural(len(manifest.stages), 'stage')}, started {moment(manifest.started_at)}.",
        "simulated": manifest.simulated,
        "trouble": {"status": manifest.status.capitalize(), "message": manifest.message} if stopped else None,
        "tiles": list(_tiles(manifest, findings)),
        "truth": truth_table(findings.truth) if findings.truth else None,
    }


def _tiles(manifest: Manifest, findings: Findings) -> Iterator[Tile]:
    tally, truth, calls = findings.tally, findings.truth, manifest.calls
    tokens = sum(c.prompt_tokens + c.completion_tokens for c in calls)
    longer = f"chosen longer in {percent(tally.chosen_longer, tally.pairs)}" if tally.pairs else ""
    yield Tile("Samples kept", count(tally.samples), f"of {count(manifest.input_rows)} in the input")
    yield Tile("Preference pairs", count(tally.pairs), longer)
    if truth and truth.chosen_better_share is not None:
        known = truth.chosen_better + truth.chosen_equal + truth.chosen_worse
        share = percent(truth.chosen_better, known)
        yield Tile("Chosen truly better", share, f"{count(truth.chosen_better)} of {plural(known, 'pair')}")
    if manifest.review and manifest.review.judge_accuracy.value is not None:
        yield Tile("Judge right, by people", estimate(manifest.review.judge_accuracy), people(manifest.review))
    yield Tile("Calls", count(sum(c.calls for c in calls)), plural(tokens, "token"))
    cost_usd = manifest.cost_usd
    yield Tile("Cost", usd(cost_usd), f"{usd(cost_usd / tally.pairs)} a pair" if cost_usd and tally.pairs else "")
    yield Tile("Wall time", duration(manifest.seconds), f"engine {manifest.engine}")


def people(review: ReviewCounts) -> str:
    """`20 samples reviewed by 2 people, 18 decided; 95 % interval`."""
    samples, who = plural(review.reviewed, "sample"), plural(review.reviewers, "person", "people")
    return f"{samples} reviewed by {who}, {count(review.decided)} decided; 95 % interval"


def _funnel(manifest: Manifest, rejections: Iterable[Rejection]) -> dict[str, Any]:
    return {
        "funnel_plot": figures.funnel_plot(manifest),
        "funnel": tables.funnel_table(manifest),
        "drops": tables.drops_table(rejections),
        "lost": tables.lost_table(manifest),
    }


def _student(recipe: Recipe, findings: Findings) -> dict[str, Any]:
    tally, opinions = findings.tally, findings.opinions
    return {
        "apart": tables.opinions_table(opinions),
        "ranks": tables.ranks_table(opinions),
        "score_plots": list(figures.score_plots(tally)),
        "selections": tables.selections_table(tally),
        "unscorable": tables.reasons_in_words(tally.unscorable),
        "proxy": any(isinstance(model, PpmStudent) for model in recipe.models.values()),
    }


def _judgements(tally: Tally) -> dict[str, Any]:
    length = figures.length_plot(tally)
    return {
        "rating_plot": figures.rating_plot(tally),
        "grades": tables.grades_table(tally),
        "ungraded": tables.reasons_in_words(tally.ungraded),
        "pair_plots": [*figures.margin_plots(tally), *([length] if length else [])],
        "length_note": _length_note(tally),
    }


def _length_note(tally: Tally) -> str:
    if not tally.pairs:
        return ""
    chosen, rejected = (sum(lengths) / tally.pairs for lengths in (tally.chosen_lengths, tally.rejected_lengths))
    return (
        f"{plural(tally.pairs, 'pair')}. Chosen responses have {decimal(chosen, 0)} characters on average, rejected "
        f"ones {decimal(rejected, 0)}; chosen is the longer one in {percent(tally.chosen_longer, tally.pairs)}."
    )


def _work(manifest: Manifest) -> dict[str, Any]:
    return {
        "calls": tables.calls_table(manifest),
        "traffic": tables.traffic_table(manifest),
        "seconds": tables.seconds_table(manifest),
        "exports": tables.exports_table(manifest),
        "wall_time": duration(manifest.seconds),
    }


def _provenance(manifest: Manifest, recipe: Recipe) -> dict[str, Any]:
    return {
        "provenance": (
            ("Run", manifest.name),
            ("Status", manifest.status),
            ("Seed", str(manifest.seed)),
            ("Engine", manifest.engine),
            ("Input", manifest.input_path),
            ("SHA-256 of the input", manifest.input_sha256),
            ("Recipe", f"{recipe.name}, content {manifest.recipe_id}"),
            *((("Prices", sources),) if (sources := price_sources(recipe.models)) else ()),
            ("Started", moment(manifest.started_at)),
            ("Finished", moment(manifest.finished_at) if manifest.finished_at else "not yet"),
        ),
        "recipe": _as_yaml(recipe),
        "prompts": tables.versions_table("Prompts by content hash", "Prompt", manifest.prompts),
        "versions": tables.versions_table("Versions of what ran", "Software", manifest.versions),
    }


def _as_yaml(recipe: Recipe) -> str:
    text = io.StringIO()
    yaml: Any = YAML()  # its own types are unknown
    yaml.dump(recipe.model_dump(mode="json", exclude_none=True), text)
    return text.getvalue()
