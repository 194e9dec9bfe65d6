"""The report in a real browser: it asks for nothing, and what models wrote stays text."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preflect.report import Pen, read_once, render_report
from preflect.schemas import (
    Critique,
    Grade,
    InputSpec,
    Instruction,
    Manifest,
    Message,
    Pair,
    PpmStudent,
    Provenance,
    Rating,
    Recipe,
    Rejection,
    Respond,
    Response,
    Sample,
    Selection,
    SimModel,
    StageCounts,
    StudentScore,
)
from preflect.scoring.truth import Truth

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
HOSTILE = (
    '</style></script></textarea></svg><script>document.title = "taken over"</script>'
    '<img src="http://elsewhere.example/pixel.png" onerror="document.title = \'taken over\'">'
    '<a href="javascript:alert(1)">x</a> [x](javascript:alert(1)) <iframe src="http://elsewhere.example"></iframe>'
    "<style>body { background: url(http://elsewhere.example/b.png) }</style> {{ 7 * 7 }} & \"quoted\" 'single'"
)
ORIGIN = Provenance(model=HOSTILE, prompt_version="p@1", call_id="c")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser made of a page."""

    dom: str
    requested: list[str]
    """Addresses that the page, not the browser itself, asked for over the network."""
    console: list[str]


def visit(page: Path, folder: Path) -> Visit:
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing: install it with `apt-get install chromium`")
    log = folder / "net.json"
    found = subprocess.run(
        [
            CHROMIUM,
            *QUIET,
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--dump-dom",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    console = [line for line in found.stderr.splitlines() if ":CONSOLE" in line]
    return Visit(found.stdout, requests_of_the_page(log), console)


def requests_of_the_page(log: Path) -> list[str]:
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    started = [event["params"] for event in events if "initiator" in event.get("params", {})]
    # The browser's own requests (updates, its clock) have no page behind them.
    return [params["url"] for params in started if params["initiator"] != "not an origin"]


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


def a_hostile_sample() -> Sample:
    seed = Instruction(messages=(Message(role="user", content=HOSTILE),), input=HOSTILE, reference_answer=HOSTILE)
    draft = Response(instruction_id=seed.id, text=HOSTILE, thinking=HOSTILE, provenance=ORIGIN)
    rewrite = Response(instruction_id=seed.id, text=f"{HOSTILE} more", origin="rewrite", parents=(draft.id,))
    score = StudentScore(
        student="ppm", revision="1", template="gpt2", metric="ifd_ppl", instruction_id=seed.id, response_id=draft.id,
        value=0.75, conditioned_tokens=9, unconditioned_tokens=9,
    )  # fmt: skip
    pair = Pair(
        instruction_id=seed.id, chosen_id=rewrite.id, rejected_id=draft.id, strategy=HOSTILE, basis="rating", margin=1.0
    )
    won = Selection(
        stage="select_response", instruction_id=seed.id, response_id=rewrite.id, rewrite_won=True, reason=HOSTILE
    )
    return Sample(
        id=seed.id,
        index=0,
        source=HOSTILE,
        instructions=(seed,),
        responses=(draft, rewrite),
        critiques=(Critique(target_id=draft.id, kind="response", text=HOSTILE, provenance=ORIGIN),),
        scores=(score, score.evolve(response_id=rewrite.id, metric="r_ifd_ppl")),
        selections=(won,),
        grades=(Grade(response_id=draft.id, grader=HOSTILE, score=None, reason=HOSTILE),),
        ratings=tuple(
            Rating(response_id=r.id, aspect=HOSTILE, score=3, rationale=HOSTILE, judge=HOSTILE, provenance=ORIGIN)
            for r in (draft, rewrite)
        ),
        pairs=(pair,),
        rejections=(Rejection(sample_id=seed.id, stage=HOSTILE, cause="reply", reason=HOSTILE, detail=HOSTILE),),
        simulated=True,
    )


def a_report(folder: Path, samples: list[Sample], *, simulated: bool = True, told: str = HOSTILE) -> Path:
    stage = StageCounts(stage=told, rows_in=3, rows_out=1, rejected=2, reasons={told: 2}, candidates_lost={told: 1})
    manifest = Manifest(
        name="run-1", status="stopped", message=told, simulated=simulated, seed=7, engine="local", input_path=told,
        input_sha256="0" * 64, input_rows=3, recipe_id="r", versions={told: told}, prompts={told: told},
        stages=(stage,), started_at="2024-05-01T10:11:12Z", seconds=12.5,
    )  # fmt: skip
    recipe = Recipe(
        name="quickstart",
        input=InputSpec(path=told),
        models={"teacher": SimModel(model=told), "student": PpmStudent()},
        stages=(Respond(model="teacher"),),
    )
    rejected = Rejection(sample_id="x", stage=told, cause="filter", reason=told, detail=told)
    out = folder / "report.html"
    findings = read_once(samples, Truth())
    with Pen() as pen:
        render_report(out, manifest=manifest, recipe=recipe, findings=findings, rejections=[rejected] * 2, pen=pen)
    return out


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    folder = tmp_path_factory.mktemp("hostile")
    return visit(a_report(folder, [a_hostile_sample()]), folder)


def test_the_page_asks_for_nothing(hostile: Visit) -> None:
    assert hostile.requested == []


def test_the_console_is_silent(hostile: Visit) -> None:
    assert hostile.console == []


def test_a_page_that_asks_and_complains_would_be_caught(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<script>console.error("oh")</script><img src="http://elsewhere.example/x.png">', encoding="utf-8")
    seen = visit(page, tmp_path)
    assert seen.requested == ["http://elsewhere.example/x.png"]
    assert len(seen.console) >= 1


def test_what_models_wrote_stays_text(hostile: Visit) -> None:
    page = Elements(hostile.dom)
    assert page.named("script", "img", "iframe", "textarea", "object", "embed") == []
    assert len(page.named("style")) == 1
    assert [name for _, attributes in page.found for name in attributes if name.startswith("on")] == []
    assert "<title>run-1 · preflect report</title>" in hostile.dom
    assert page.text.count("alert(1)") > 20
    assert "{{ 7 * 7 }}" in page.text


def test_links_lead_only_into_the_page(hostile: Visit) -> None:
    page = Elements(hostile.dom)
    targets = [attributes.get("href") or "" for attributes in page.named("a")]
    places = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    assert targets
    assert all(target.startswith("#") and target[1:] in places for target in targets)
    assert [attributes.get("href") for attributes in page.named("link")] == ["data:,"]


def test_drawings_take_every_colour_from_the_style_sheet(hostile: Visit) -> None:
    page = Elements(hostile.dom)
    colours = {
        attributes[name] or "" for _, attributes in page.found for name in ("fill", "stroke") if name in attributes
    }
    assert len(page.named("svg")) == 6
    assert any(colour.startswith("var(--series-1") for colour in colours)
    assert {colour for colour in colours if not colour.startswith("var(--")} <= {"none", "transparent"}


def test_every_drawing_has_a_name_and_a_table(hostile: Visit) -> None:
    page = Elements(hostile.dom)
    drawings = [attributes for attributes in page.named("div") if attributes.get("role") == "img"]
    assert len(drawings) == len(page.named("svg"))
    assert all(attributes.get("aria-label") for attributes in drawings)
    assert len(page.named("figure")) == len(drawings)
    assert len(page.named("table")) > len(drawings)


def test_a_simulated_run_says_so_and_names_the_proxy(hostile: Visit) -> None:
    page = Elements(hostile.dom)
    assert "SIMULATED." in page.text
    assert "a lexical proxy" in page.text


def test_a_run_that_stopped_says_why(tmp_path: Path) -> None:
    text = a_report(tmp_path, [], simulated=False, told="budget spent").read_text(encoding="utf-8")
    assert "<strong>Stopped.</strong> budget spent" in text
    assert "SIMULATED" not in text


def test_a_run_without_a_single_sample_has_a_report(tmp_path: Path) -> None:
    seen = visit(a_report(tmp_path, [], told="pair"), tmp_path)
    assert seen.requested == seen.console == []
    assert "Preference pairs" in seen.dom


def test_the_same_run_gives_the_same_page_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    first = a_report(tmp_path, [a_hostile_sample()]).read_bytes()
    assert a_report(tmp_path, [a_hostile_sample()]).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
