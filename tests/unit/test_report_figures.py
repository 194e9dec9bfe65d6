"""The numbers of the report: counted in one pass, binned without loss, and said as a reader wants them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.report import wording
from preflect.report.charts import Bin, bins_over
from preflect.report.figures import length_plot, mean_rating, rating_plot, score_plots
from preflect.report.tables import calls_table, drops_table, funnel_table, selections_table, traffic_table
from preflect.report.tally import Findings, Showcase, Tally, read_once
from preflect.schemas import (
    CallCounts,
    Instruction,
    Manifest,
    Message,
    Pair,
    Provenance,
    Rating,
    Rejection,
    Response,
    Sample,
    Selection,
    StageCounts,
    StudentScore,
    TrafficCounts,
)
from preflect.scoring.truth import Truth, TruthOfText, truth_key

ORIGIN = Provenance(model="m", prompt_version="p@1", call_id="c")


def a_sample(number: int = 0, *, draft: str = "four", rewrite: str = "five55", paired: bool = True) -> Sample:
    """One draft with ratings 2 and 3 and IFD 0.8, one rewrite with ratings 5 and 4 and IFD 0.9, chosen over it."""
    seed = Instruction(messages=(Message(role="user", content=f"Count to {number}."),))
    old = Response(instruction_id=seed.id, text=draft)
    new = Response(instruction_id=seed.id, text=rewrite, origin="rewrite", parents=(old.id,))
    pair = Pair(
        instruction_id=seed.id, chosen_id=new.id, rejected_id=old.id, strategy="best_worst", basis="rating", margin=2.0
    )
    won = Selection(
        stage="select_response", instruction_id=seed.id, response_id=new.id, rewrite_won=True, reason="0.7 < 0.8"
    )
    return Sample(
        id=seed.id,
        index=number,
        instructions=(seed,),
        responses=(old, new),
        scores=(a_score(seed, old, 0.8), a_score(seed, new, 0.9)),
        selections=(won,),
        ratings=(
            *(a_rating(old, aspect, score) for aspect, score in (("honesty", 2), ("helpfulness", 3))),
            *(a_rating(new, aspect, score) for aspect, score in (("honesty", 5), ("helpfulness", 4))),
        ),
        pairs=(pair,) if paired else (),
    )


def a_score(seed: Instruction, response: Response, value: float | None) -> StudentScore:
    return StudentScore(
        student="ppm", revision="1", template="gpt2", metric="ifd_ppl", instruction_id=seed.id, response_id=response.id,
        value=value, reason=None if value else "unscorable: one token", conditioned_tokens=9, unconditioned_tokens=9,
    )  # fmt: skip


def a_rating(response: Response, aspect: str, score: int) -> Rating:
    return Rating(
        response_id=response.id, aspect=aspect, score=score, rationale="why", judge="judge", provenance=ORIGIN
    )


def a_manifest(stages: Sequence[StageCounts] = (), calls: Sequence[CallCounts] = ()) -> Manifest:
    return Manifest(
        name="run", status="done", simulated=False, seed=0, engine="local", input_path="in.jsonl", input_sha256="0",
        recipe_id="r", versions={}, stages=tuple(stages), calls=tuple(calls), started_at="2024-05-01T00:00:00Z",
    )  # fmt: skip


def calls_of(stage: str, number: int, tokens: tuple[int, int], cost_usd: float, latency_s: float) -> CallCounts:
    return CallCounts(
        stage=stage,
        model="teacher",
        calls=number,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        cost_usd=cost_usd,
        latency_s=latency_s,
    )


def tally_of(*samples: Sample) -> Tally:
    return read_once(samples, None, show=3).tally


def test_drafts_and_rewrites_are_counted_apart() -> None:
    tally = tally_of(a_sample())
    assert list(tally.scores["ifd_ppl", "draft"]) == [0.8]
    assert list(tally.scores["ifd_ppl", "rewrite"]) == [0.9]
    assert tally.ratings["honesty", "draft"] == {2: 1}
    assert tally.ratings["honesty", "rewrite"] == {5: 1}


def test_a_score_asked_for_twice_counts_once() -> None:
    sample = a_sample()
    again = sample.evolve(scores=(*sample.scores, *sample.scores))
    assert len(tally_of(again).scores["ifd_ppl", "draft"]) == 1


def test_a_missing_score_is_counted_by_its_reason() -> None:
    sample = a_sample()
    unscored = sample.evolve(scores=(a_score(sample.seed, sample.responses[0], None),))
    tally = tally_of(unscored)
    assert tally.unscorable == {"unscorable: one token": 1}
    assert not tally.scores


def test_a_pair_whose_texts_are_level_in_length_is_not_one_whose_chosen_is_longer() -> None:
    tally = tally_of(a_sample(1), a_sample(2, draft="same", rewrite="size"), a_sample(3, draft="a longer one"))
    assert (tally.pairs, tally.chosen_longer) == (3, 1)
    plot = length_plot(tally)
    assert plot is not None
    assert plot.summary.startswith("Chosen is longer in 33.3% of 3 pairs.")


def test_lengths_are_compared_in_doublings() -> None:
    plot = length_plot(tally_of(a_sample(draft="abcd", rewrite="abcdefgh" * 2)))
    assert plot is not None
    assert "median 2, mean 2" in plot.summary


def test_an_empty_response_does_not_break_the_comparison_of_lengths() -> None:
    assert length_plot(tally_of(a_sample(draft=""))) is None


def test_the_mean_rating_weighs_each_score_by_how_often_it_was_given() -> None:
    assert mean_rating({5: 3, 1: 1}) == 4.0
    assert mean_rating({}) is None


def test_ratings_of_each_aspect_stand_in_a_table_below_the_plot() -> None:
    plot = rating_plot(tally_of(a_sample(1), a_sample(2)))
    assert plot is not None
    assert plot.rows[0] == ("Helpfulness, drafts", "0", "0", "2", "0", "0", "3")
    assert plot.rows[3] == ("Honesty, rewrites", "0", "0", "0", "0", "2", "5")


def test_before_and_after_are_told_in_words() -> None:
    [plot] = score_plots(tally_of(a_sample()))
    assert plot.summary == "Drafts: 1, median 0.8, mean 0.8. Rewrites: 1, median 0.9, mean 0.9."


def test_values_fall_into_bins_that_include_their_start() -> None:
    [bins] = bins_over([[0.0, 0.1, 0.3, 0.39, 0.49]], step=0.1)
    assert [(round(b.start, 9), round(b.end, 9), b.count) for b in bins] == [
        (0.0, 0.1, 1),
        (0.1, 0.2, 1),
        (0.2, 0.3, 0),
        (0.3, 0.4, 2),
        (0.4, 0.5, 1),
    ]


def test_values_in_steps_stand_in_the_middle_of_their_bins() -> None:
    [bins] = bins_over([[0.5, 0.5, 1.0, 2.0]], step=0.25, centred=True)
    assert bins[0] == Bin(0.375, 0.625, 2)
    assert (bins[-1].start, bins[-1].count) == (1.875, 1)


def test_a_single_value_does_not_fill_the_plot() -> None:
    [bins] = bins_over([[1.0]], step=0.1)
    assert [b.count for b in bins] == [0, 0, 1, 0, 0]


@given(st.lists(st.lists(st.floats(-5, 50), max_size=40), min_size=1, max_size=3), st.booleans())
def test_no_value_is_lost_and_all_series_share_their_bins(series: list[list[float]], centred: bool) -> None:
    found = bins_over(series, step=0.01, centred=centred)
    assert [sum(b.count for b in bins) for bins in found] == [len(values) for values in series]
    assert len({tuple((b.start, b.end) for b in bins) for bins in found}) == 1


def test_the_samples_shown_do_not_depend_on_the_order_of_the_input() -> None:
    samples = [a_sample(number) for number in range(50)]
    one, other = Showcase(5), Showcase(5)
    for sample in samples:
        one.add(sample)
    for sample in reversed(samples):
        other.add(sample)
    assert one.samples == other.samples
    assert [sample.index for sample in one.samples] == sorted(sample.index for sample in one.samples)


@given(st.lists(st.integers(0, 7), max_size=12), st.data())
@settings(deadline=None)
def test_findings_of_parts_add_up_to_those_of_one_pass(numbers: list[int], data: st.DataObject) -> None:
    odd = a_sample(7)
    odd = odd.evolve(scores=(a_score(odd.instructions[0], odd.responses[0], None),), simulated=True)
    samples = [a_sample(n, paired=n % 2 == 0, draft="x" * n) if n < 7 else odd for n in numbers]
    cut = data.draw(st.integers(0, len(samples)))
    whole, merged = read_once(samples, None, show=3), Findings(None, show=3)
    for part in (samples[:cut], samples[cut:]):
        merged.merge(read_once(part, None, show=3).to_bytes())
    assert (merged.tally, merged.opinions) == (whole.tally, whole.opinions)
    assert merged.shown == whole.shown


def test_samples_with_a_pair_are_shown_first() -> None:
    samples = [a_sample(number, paired=number % 10 == 0) for number in range(50)]
    shown = read_once(samples, None, show=5).shown
    assert [sample.index for sample in shown] == [0, 10, 20, 30, 40]


def test_samples_are_read_only_once_even_with_a_truth() -> None:
    sample = a_sample()
    truth = Truth()
    for response, quality in zip(sample.responses, (0.0, 1.0), strict=True):
        key = truth_key(sample.seed.merged, response.text)
        truth.texts[key] = TruthOfText(quality, None if quality else "wrong_result", "arithmetic")
    found = read_once(iter([sample]), truth, show=1)
    assert found.truth is not None
    assert (found.truth.chosen_better, found.truth.repaired, found.tally.samples) == (1, 1, 1)


def test_there_are_no_findings_on_truth_without_a_truth() -> None:
    assert read_once([a_sample()], None, show=1).truth is None


def test_the_funnel_tells_reasons_in_words() -> None:
    stage = StageCounts(stage="pair", rows_in=1200, rows_out=1190, rejected=10, reasons={"tie": 4, "margin_below": 6})
    assert funnel_table(a_manifest([stage])).rows == (
        (
            "pair",
            "1,200",
            wording.NO_VALUE,
            "1,190",
            "10",
            "the margin is below the minimum (6), the best and the worst are level (4)",
        ),
    )


def test_dropped_samples_are_counted_by_reason_with_an_example() -> None:
    rejections = [
        Rejection(sample_id=f"{n}", stage="respond", cause="reply", reason="refusal", detail=f"reply {n}")
        for n in range(3)
    ]
    late = Rejection(sample_id="x", stage="respond", cause="call", reason="call_timeout")
    table = drops_table(iter([*rejections, late]))
    assert table.rows == (
        ("respond", "the model refused", "the reply", "3", "75%", "reply 0"),
        ("respond", "no reply in time", "the call", "1", "25%", ""),
    )
    assert table.total == ("Total", "", "", "4", "100%", "")


def test_calls_are_summed_and_latency_is_per_call() -> None:
    calls = [calls_of("respond", 10, (1000, 2000), 0.1, 5.0), calls_of("judge_aspects", 30, (500, 0), 0.2, 3.0)]
    table = calls_table(a_manifest(calls=calls))
    assert table.rows[0] == ("respond", "teacher", "10", "1,000", "2,000", "$0.10", "0.5")
    assert table.total == ("Total", "", "40", "1,500", "2,000", "$0.30", "0.2")


def test_traffic_that_was_hard_stands_by_model_beside_its_calls() -> None:
    calls = [calls_of("respond", 10, (0, 0), 0.0, 5.0), calls_of("judge_aspects", 1030, (0, 0), 0.0, 3.0)]
    traffic = (
        TrafficCounts(model="teacher", retries=1200, throttled=7),
        TrafficCounts(model="judge", hedged=2, uncounted=5),
    )
    assert traffic_table(a_manifest(calls=calls).evolve(traffic=traffic)).rows == (
        ("teacher", "1,040", "1,200", "7", "0", "0"),
        ("judge", "0", "0", "0", "2", "5"),
    )


def test_cached_and_reasoning_tokens_and_lost_money_are_shown_where_there_are_any() -> None:
    calls = [calls_of("respond", 10, (1000, 2000), 0.1, 5.0).evolve(cached_tokens=600, reasoning_tokens=1500)]
    table = calls_table(a_manifest(calls=calls).evolve(lost_usd=0.2))
    assert [column.title for column in table.columns][2:7] == [
        "Calls", "Tokens in", "Of them cached", "Tokens out", "Of them reasoning",
    ]  # fmt: skip
    assert table.rows == (
        ("respond", "teacher", "10", "1,000", "600", "2,000", "1,500", "$0.10", "0.5"),
        ("No usable reply", "", "–", "–", "–", "–", "–", "up to $0.20", "–"),  # noqa: RUF001  the dash of no value
    )
    assert table.total == ("Total", "", "10", "1,000", "600", "2,000", "1,500", "$0.30", "0.5")


def test_selections_say_how_often_the_rewrite_won() -> None:
    sample = a_sample(1)
    lost = sample.evolve(selections=(sample.selections[0].evolve(rewrite_won=False),))
    assert selections_table(tally_of(sample, lost, lost)).rows == (("Select response", "3", "1", "33.3%"),)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.decimal(0.1 + 0.2), "0.3"),
        (wording.decimal(-0.00001), "0"),
        (wording.decimal(1234.5), "1,234.5"),
        (wording.decimal(None), wording.NO_VALUE),
        (wording.count(20000), "20,000"),
        (wording.plural(1, "pair"), "1 pair"),
        (wording.plural(0, "pair"), "0 pairs"),
        (wording.percent(1, 3), "33.3%"),
        (wording.percent(0, 0), wording.NO_VALUE),
        (wording.usd(0), "$0.00"),
        (wording.usd(0.1 + 0.2), "$0.30"),
        (wording.usd(0.00123), "$0.0012"),
        (wording.usd(0.00000001), "< $0.0001"),
        (wording.usd(1234.567), "$1,234.57"),
        (wording.duration(0.4213), "0.42 s"),
        (wording.duration(59.7), "1 min 0 s"),
        (wording.duration(185), "3 min 5 s"),
        (wording.duration(7810), "2 h 10 min"),
        (wording.words("call_timeout"), "no reply in time"),
        (wording.words("some_new_code"), "some new code"),
        (wording.spaced("instruction_following"), "Instruction following"),
        (wording.moment("2024-05-01T10:11:12Z"), "2024-05-01 10:11 UTC"),
        (wording.moment("yesterday"), "yesterday"),
    ],
)
def test_numbers_are_said_as_a_reader_wants_them(said: str, expected: str) -> None:
    assert said == expected
