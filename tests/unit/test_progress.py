from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from preflect.cli.progress import PlainLines, clock_text, cost_text, pace_text, plain_line, progress_shown
from preflect.cli.progress_view import draw
from preflect.engine.progress import ModelProgress, RowProgress, Snapshot, StageProgress

TEACHER = ModelProgress(
    name="teacher",
    in_flight=19,
    calls=1396,
    replayed=0,
    retries=0,
    throttled=0,
    hedged=0,
    allowed=64,
    prompt_tokens=160_000,
    completion_tokens=46_800,
    cost_usd=0.0158,
    calls_per_s=21.4,
    tokens_per_s=3184.2,
)
HALF = Snapshot(
    total=200,
    finished=132,
    rejected=6,
    stages=(
        StageProgress(name="respond", running=12, done=137, rejected=0),
        StageProgress(name="reflect_instruction", running=7, done=126, rejected=6),
    ),
    models=(TEACHER,),
    elapsed_s=65.2,
    seconds_left=33.5,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def drawn(snapshot: Snapshot, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, record=True)
    console.print(draw(snapshot, width))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_snapshot_survives_the_way_between_processes() -> None:
    assert Snapshot.from_json(HALF.to_json()) == HALF
    unknown = replace(HALF, total=None, seconds_left=None, stages=())
    assert Snapshot.from_json(unknown.to_json().decode()) == unknown


def test_a_plain_line_says_it_all() -> None:
    assert plain_line(HALF) == (
        "132 of 200 samples, 66 % done, 6 rejected, 19 in flight, 1,396 calls (21/s), 206,800 tokens (3,184/s), "
        "$0.0158, 1:05 gone, 0:34 left"
    )


def test_calls_from_the_journal_are_told_apart() -> None:
    resumed = replace(HALF, models=(replace(TEACHER, replayed=40),), seconds_left=None)
    assert ", 1,396 calls (21/s), 40 from the journal, 206,800 tokens" in plain_line(resumed)
    assert plain_line(resumed).endswith("1:05 gone")


def test_what_goes_wrong_is_on_the_line_only_when_it_does() -> None:
    judge = replace(TEACHER, name="judge", in_flight=1, calls=4, throttled=2, retries=3, hedged=1, paused_s=12.4)
    line = plain_line(replace(HALF, models=(TEACHER, judge)))
    assert ", 20 in flight, 1,400 calls (43/s), 2 refused (429), 3 retries, 1 hedged, " in line
    assert ", judge waits 0:12, 1:05 gone" in line
    assert "\n" not in line


def test_samples_without_a_known_total_are_only_counted() -> None:
    assert plain_line(replace(HALF, total=None)).startswith("132 samples, ")
    assert plain_line(replace(HALF, total=0, finished=0)).startswith("0 samples, ")


def test_plain_lines_come_at_their_pace_and_the_last_one_always() -> None:
    clock, lines = Clock(), list[str]()
    shown = PlainLines(write=lines.append, every_s=5, clock=clock)
    for second in range(12):
        clock.now_s = 100.0 + second
        shown.publish(replace(HALF, finished=second))
    shown.close()
    shown.close()
    assert [line.split(" ")[0] for line in lines] == ["0", "5", "10", "11"]


def test_output_that_is_piped_gets_whole_lines_without_escapes() -> None:
    out = StringIO()
    with progress_shown(quiet=False, console=Console(file=out, width=40)) as publish:
        publish(HALF)
    assert out.getvalue() == plain_line(HALF) + "\n"


def shown_until_it_fails(out: StringIO) -> None:
    with progress_shown(quiet=False, console=Console(file=out), every_s=60) as publish:
        publish(HALF)
        publish(replace(HALF, finished=150))
        raise RuntimeError


def test_a_run_that_fails_still_shows_how_far_it_came() -> None:
    out = StringIO()
    with pytest.raises(RuntimeError):
        shown_until_it_fails(out)
    assert [line.split(" ")[0] for line in out.getvalue().splitlines()] == ["132", "150"]


def test_quiet_shows_nothing() -> None:
    out = StringIO()
    with progress_shown(quiet=True, console=Console(file=out, force_terminal=True)) as publish:
        publish(HALF)
    assert out.getvalue() == ""


def test_a_terminal_gets_the_live_display() -> None:
    out = StringIO()
    with progress_shown(quiet=False, console=Console(file=out, force_terminal=True, width=90)) as publish:
        publish(HALF)
    assert "132 of 200 samples, 66 % done" in out.getvalue()
    assert "reflect_instruction" in out.getvalue()


def test_the_display_fits_eighty_columns() -> None:
    assert drawn(HALF, 80) == [
        "132 of 200 samples, 66 % done  6 rejected  1:05 gone, 0:34 left",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸",
        "",
        "stage                running  done  rejected",
        "respond                   12   137         ·",
        "reflect_instruction        7   126         6",
        "",
        "model                in flight  calls  calls/s  tokens  tokens/s     cost",
        "teacher                  19/64  1,396       21  206.8k     3,184  $0.0158",
    ]


def test_columns_that_only_some_runs_need_appear_with_their_numbers() -> None:
    busy = replace(
        HALF,
        stages=HALF.stages[:1],
        models=(replace(TEACHER, name="a-model-with-a-long-name", replayed=40, retries=2, prompt_tokens=4_523_200),),
    )
    assert drawn(busy, 120)[3:] == [
        "stage                running  done  rejected",
        "respond                   12   137         ·",
        "",
        "model                in flight  calls  calls/s  tokens  tokens/s     cost  retries  replayed",
        "a-model-with-a-lon…      19/64  1,396       21   4.57M     3,184  $0.0158        2        40",
    ]


ILL = replace(TEACHER, in_flight=512, allowed=512, replayed=9000, throttled=140, retries=1200, hedged=17, paused_s=65.2)


def test_a_terminal_too_narrow_for_all_columns_does_without_those_that_matter_least() -> None:
    several = replace(HALF, stages=(), models=(ILL, replace(TEACHER, name="judge")))
    assert drawn(several, 80)[3:] == [
        "model         in flight  calls  calls/s  tokens/s     cost  429s  retries  waits",
        "teacher         512/512  1,396       21     3,184  $0.0158   140    1,200   1:05",
        "judge             19/64  1,396       21     3,184  $0.0158     ·        ·      ·",
    ]
    assert drawn(several, 120)[3].split()[-6:] == ["cost", "429s", "retries", "hedged", "waits", "replayed"]


@pytest.mark.parametrize("width", [76, 80, 100, 120])
@pytest.mark.parametrize("name", ["m", "teacher", "a-model-with-a-long-name"])
def test_no_line_is_wider_than_the_terminal(width: int, name: str) -> None:
    huge = replace(ILL, name=name, in_flight=1000, allowed=1000, calls=1_234_567, cost_usd=1234.5, tokens_per_s=98_765)
    lines = drawn(replace(HALF, models=(huge,)), width)
    assert max(map(len, lines)) <= width
    assert len(lines) == 9
    numbers = "".join(line.partition("  ")[2] for line in lines)
    assert "…" not in numbers


def test_before_a_limit_is_known_only_what_is_in_flight_is_shown() -> None:
    fresh = replace(TEACHER, allowed=0, calls_per_s=0.0, tokens_per_s=0.04)
    assert drawn(replace(HALF, stages=(), models=(fresh,)), 80)[-1] == (
        "teacher                     19  1,396        ·  206.8k       0.0  $0.0158"
    )


def test_a_narrow_terminal_gets_one_line() -> None:
    assert drawn(HALF, 70) == ["132 of 200 samples, 66 % done  6 rejected  1:05 gone, 0:34 left"]


def test_times_and_costs_read_as_people_write_them() -> None:
    assert [clock_text(s) for s in (0, 59.6, 3723)] == ["0:00", "1:00", "1:02:03"]
    assert [cost_text(c) for c in (0, 0.00421, 12.3)] == ["$0.00", "$0.0042", "$12.30"]
    assert [pace_text(p) for p in (0.42, 9.94, 9.96, 3184.2, 12_345)] == ["0.4", "9.9", "10", "3,184", "12.3k"]


ROWS = RowProgress(total=200_000, done=57_000, unscorable=3, rows_per_s=650.0, elapsed_s=88.0)


def test_rows_are_shown_with_their_pace_and_the_time_left() -> None:
    assert plain_line(ROWS) == "57,000 of 200,000 rows, 28 % done, 650 rows/s, 3 unscorable, 1:28 gone, 3:40 left"
    waiting = replace(ROWS, done=0, rows_per_s=0.0)
    assert plain_line(waiting) == "0 of 200,000 rows, 0 % done, 0.0 rows/s, 3 unscorable, 1:28 gone"


def test_a_terminal_shows_the_same_above_a_bar() -> None:
    out = StringIO()
    with progress_shown(quiet=False, console=Console(file=out, force_terminal=True, width=100)) as publish:
        publish(ROWS)
    assert "57,000 of 200,000 rows" in out.getvalue()
    assert "3:40 left" in out.getvalue()
    assert "━" in out.getvalue()
