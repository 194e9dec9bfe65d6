"""Calls that travel: from a journal to a file, and into another journal."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflect.engine.journal import LOST_USD, open_journal
from preflect.engine.journal_exchange import Merged, check_source, export_calls, import_into, merge
from preflect.engine.journal_stats import journal_stats
from preflect.engine.lock import sole_use
from preflect.engine.run_folder import RunFolder, find_journal
from preflect.errors import InputError
from preflect.ports import StoredCall
from preflect.schemas import Manifest

from .journals import LONG, RECORDER, call, fill, write_format_1


def held(path: Path, keys: Iterable[str]) -> dict[str, StoredCall | None]:
    with open_journal(path) as journal:
        return {key: journal.find(key) for key in keys}


CALLS = [call("a"), replace(call("b", text=LONG), thinking=LONG[::-1], cached_tokens=7, reasoning_tokens=9)]

texts = st.one_of(st.text(), st.text(min_size=1).map(lambda text: text * 200))
calls = st.builds(
    StoredCall,
    key=st.text("abcdef", min_size=1, max_size=3),
    model=st.just("m"),
    stage=st.text(max_size=3),
    sample_id=st.text(max_size=3),
    text=texts,
    thinking=st.none() | texts,
    finish_reason=st.sampled_from(["stop", "length"]),
    served_by=st.just("s"),
    prompt_tokens=st.integers(0, 2**40),
    completion_tokens=st.integers(0, 2**40),
    cost_usd=st.floats(0, 1e6),
    latency_s=st.floats(0, 1e6),
    cached_tokens=st.integers(0, 2**40),
    reasoning_tokens=st.integers(0, 2**40),
)


@given(some=st.lists(calls, max_size=20, unique_by=lambda call: call.key))
@settings(deadline=None)
def test_whatever_is_exported_and_imported_is_as_it_was(
    some: list[StoredCall], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("travel")
    assert export_calls(fill(folder / "j.sqlite", some), folder / "calls.parquet") == len(some)
    assert merge([folder / "calls.parquet"], folder / "other.sqlite") == Merged(imported=len(some))
    assert held(folder / "other.sqlite", [call.key for call in some]) == {call.key: call for call in some}


def test_the_same_journal_gives_the_same_file(tmp_path: Path) -> None:
    journal = fill(tmp_path / "j.sqlite", CALLS)
    export_calls(journal, tmp_path / "one.parquet")
    export_calls(journal, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_what_is_there_is_kept_and_a_different_reply_is_told(tmp_path: Path) -> None:
    own = fill(tmp_path / "own.sqlite", CALLS)
    other = fill(tmp_path / "other.sqlite", [CALLS[0], replace(CALLS[1], text="no"), call("c"), call("d")])
    merged = merge([other], own)
    assert merged == Merged(imported=2, known=1, conflicts=1, conflicting=["b"])
    assert held(own, "abc") == {"a": CALLS[0], "b": CALLS[1], "c": call("c")}
    assert merge([other], own) == Merged(imported=0, known=3, conflicts=1, conflicting=["b"])


def test_a_reply_that_took_longer_or_cost_more_is_no_other_reply(tmp_path: Path) -> None:
    own = fill(tmp_path / "own.sqlite", CALLS)
    dearer = fill(tmp_path / "dearer.sqlite", [replace(call, cost_usd=9.0, latency_s=9.0) for call in CALLS])
    assert merge([dearer], own) == Merged(known=2)


def test_all_conflicts_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    keys = [f"{number:02}" for number in range(30)]
    own = fill(tmp_path / "own.sqlite", map(call, keys))
    other = fill(tmp_path / "other.sqlite", [call(key, text="no") for key in keys])
    merged = merge([other], own)
    assert (merged.conflicts, len(merged.conflicting)) == (30, 20)


def test_imported_calls_are_not_spent_and_not_counted_as_this_runs(tmp_path: Path) -> None:
    own = fill(tmp_path / "own.sqlite", [call("own")])
    merge([fill(tmp_path / "other.sqlite", CALLS)], own)
    with open_journal(own) as journal:
        assert journal.spent_usd() == 0.25
        assert [count.calls for count in journal.counts()] == [1]


def test_a_journal_of_format_1_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    old = write_format_1(tmp_path / "old.sqlite", [call("a"), call("b", text=LONG)])
    before = old.read_bytes()
    assert merge([old], tmp_path / "new.sqlite") == Merged(imported=2)
    assert held(tmp_path / "new.sqlite", "ab") == {"a": call("a"), "b": call("b", text=LONG)}
    assert journal_stats(old).groups[0].calls == 2
    assert old.read_bytes() == before


def test_an_import_that_fails_at_its_second_source_has_brought_nothing(tmp_path: Path) -> None:
    own = fill(tmp_path / "own.sqlite", [call("own")])
    (tmp_path / "bad").write_bytes(b"no journal at all" * 100)
    for into in (own, tmp_path / "new.sqlite"):
        with pytest.raises(InputError, match="bad"):
            merge([fill(tmp_path / "other.sqlite", CALLS), tmp_path / "bad"], into)
    assert held(own, ["own", "a"]) == {"own": call("own"), "a": None}
    assert not (tmp_path / "new.sqlite").exists()


def test_what_the_simulator_answered_says_so_wherever_it_travels(tmp_path: Path) -> None:
    simulated = fill(tmp_path / "sim.sqlite", CALLS, simulated=True)
    export_calls(simulated, tmp_path / "sim.parquet")
    own = fill(tmp_path / "own.sqlite", [call("own")])
    assert not check_source(own)
    for source in (simulated, tmp_path / "sim.parquet"):
        assert check_source(source)
        merge([source], tmp_path / f"{source.suffix[1:]}-copy.sqlite")
        assert check_source(tmp_path / f"{source.suffix[1:]}-copy.sqlite")
    merge([simulated], own)
    assert check_source(own)


def damaged(path: Path) -> Path:
    """A journal whose last calls are gone."""
    content = fill(path, [call(f"{number}", text=LONG) for number in range(300)]).read_bytes()
    path.write_bytes(content[:-40_960] + b"\xff" * 40_960)
    return path


def test_what_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is text, and long enough to be looked at as a database header " * 20)
    (tmp_path / "empty.sqlite").write_bytes(b"")
    pl.DataFrame({"key": ["a"]}).write_parquet(tmp_path / "table.parquet")
    sqlite3.connect(tmp_path / "later.sqlite").execute("PRAGMA user_version=99").connection.close()
    for name in ("text.sqlite", "empty.sqlite", "table.parquet", "later.sqlite"):
        with pytest.raises(InputError, match=rf"{name}: not a"):
            check_source(tmp_path / name)
    with pytest.raises(InputError, match=r"gone.sqlite: cannot be read \(No such file"):
        check_source(tmp_path / "gone.sqlite")


def test_a_damaged_journal_is_refused_by_name(tmp_path: Path) -> None:
    path = damaged(tmp_path / "damaged.sqlite")
    complaint = r"damaged.sqlite: not a journal, or damaged \(.*malformed.*a copy"
    with pytest.raises(InputError, match=complaint):
        journal_stats(path)
    with pytest.raises(InputError, match=complaint):
        export_calls(path, tmp_path / "out.parquet")
    for into in (tmp_path / "new.sqlite", fill(tmp_path / "own.sqlite", [call("own")])):
        with pytest.raises(InputError, match=complaint):
            merge([path], into)
    assert not (tmp_path / "out.parquet").exists()
    assert not (tmp_path / "new.sqlite").exists()
    assert held(tmp_path / "own.sqlite", ["own", "1"]) == {"own": call("own"), "1": None}


def test_a_file_with_gaps_is_refused_and_not_imported_in_part(tmp_path: Path) -> None:
    export_calls(fill(tmp_path / "j.sqlite", CALLS), tmp_path / "calls.parquet")
    table = pl.read_parquet(tmp_path / "calls.parquet")
    table.with_columns(text=pl.Series(["a", None], dtype=pl.String)).write_parquet(tmp_path / "gaps.parquet")
    with pytest.raises(InputError, match=r"gaps.parquet: .*column 'text' is missing, of another type or has gaps"):
        merge([tmp_path / "gaps.parquet"], tmp_path / "new.sqlite")
    assert not (tmp_path / "new.sqlite").exists()


def a_run(path: Path) -> RunFolder:
    folder = RunFolder(path)
    path.mkdir(parents=True)
    written = Manifest(
        name="x", status="stopped", simulated=False, seed=0, engine="local", input_path="", input_sha256="",
        recipe_id="", versions={}, started_at="",
    )  # fmt: skip
    folder.write_manifest(written)
    return folder


def test_a_run_or_a_file_is_imported_into_and_a_misspelt_run_is_not_made_a_file(tmp_path: Path) -> None:
    source = fill(tmp_path / "source.sqlite", CALLS)
    folder = a_run(tmp_path / "run")
    assert import_into(str(folder.path), [source]).imported == 2
    assert import_into(str(folder.journal_path), [source]).known == 2
    assert import_into(str(tmp_path / "new.sqlite"), [source]).imported == 2
    assert not folder.live_path.exists()
    assert find_journal(str(folder.path)) == folder.journal_path
    with pytest.raises(InputError, match="there is no run"):
        import_into(str(tmp_path / "rum"), [source])


def test_the_journal_of_a_run_at_work_is_read_but_not_imported_into(tmp_path: Path) -> None:
    source = fill(tmp_path / "source.sqlite", CALLS)
    folder = a_run(tmp_path / "run")
    fill(folder.journal_path, CALLS)
    with sole_use(folder.live_path), open_journal(folder.journal_path):
        for name in (folder.path, folder.journal_path):
            with pytest.raises(InputError, match=r"journal.sqlite is in use, a run is at work in .*; wait for it"):
                import_into(str(name), [source])
        assert journal_stats(folder.journal_path).groups[0].calls == 2


def test_a_run_that_called_nothing_yet_has_no_journal(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no journal: it has called nothing yet"):
        find_journal(str(a_run(tmp_path / "run").path))


KILLED_IMPORT = """
    import sys
    from pathlib import Path
    from preflect.engine.journal_exchange import merge
    print("ready", flush=True)
    merge([Path(sys.argv[1])], Path(sys.argv[2]))
"""


def test_an_import_that_is_killed_has_brought_all_or_nothing(tmp_path: Path) -> None:
    source = fill(tmp_path / "source.sqlite", [call(f"{number}", text=LONG) for number in range(3000)])
    own = fill(tmp_path / "own.sqlite", [call("own")])
    for after_s in (0.02, 0.06, 0.1):
        command = [sys.executable, "-c", textwrap.dedent(KILLED_IMPORT), str(source), str(own)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.kill()
        assert sum(group.calls for group in journal_stats(own).groups) in (1, 3001)


MEANWHILE = """
    import os, signal, sys
    from pathlib import Path
    from preflect.engine.journal_exchange import merge
    from preflect.errors import InputError

    source, other, new = map(Path, sys.argv[1:])
    copied = []

    def act(event, arguments):
        # First the source is opened, then its copy, and then the copy again: now its calls become imported ones.
        if event == "sqlite3.connect" and "new.sqlite" in str(arguments):
            copied.append(arguments)
            if len(copied) == 2:
                {action}

    sys.addaudithook(act)
    try:
        merge([source], new)
    except InputError as error:
        sys.exit(str(error))
"""


def import_while(action: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Import calls `a` and `b` into `new.sqlite`; when they are copied, the action happens."""
    source, other = fill(tmp_path / "source.sqlite", CALLS), fill(tmp_path / "other.sqlite", [call("other")])
    script = textwrap.dedent(MEANWHILE.format(action=action))
    command = [sys.executable, "-c", script, source, other, tmp_path / "new.sqlite"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_calls_of_an_import_that_was_killed_are_not_in_the_next_ones_file(tmp_path: Path) -> None:
    assert import_while("os.kill(os.getpid(), signal.SIGKILL)", tmp_path).returncode == -signal.SIGKILL
    new = tmp_path / "new.sqlite"
    export_calls(tmp_path / "other.sqlite", tmp_path / "other.parquet")
    assert merge([tmp_path / "other.parquet"], new) == Merged(imported=1)
    assert held(new, ["a", "other"]) == {"a": None, "other": call("other")}
    with open_journal(new) as journal:
        assert journal.spent_usd() == 0.0


def test_a_journal_that_another_import_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    refused = import_while("merge([other], new)", tmp_path)
    assert "new.sqlite was made by another process meanwhile; import into it again" in refused.stderr
    assert held(tmp_path / "new.sqlite", ["a", "other"]) == {"a": None, "other": call("other")}


READ = """
    import sys
    from pathlib import Path
    from preflect.engine.journal_stats import journal_stats
    from preflect.errors import InputError

    try:
        print(sum(group.calls for group in journal_stats(Path(sys.argv[1])).groups))
    except InputError as error:
        print(error)
"""


def read_where_nothing_may_be_written(journal: Path) -> str:
    """How many calls a process counts in it that sees its folder mounted read-only, or what it says."""
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount, "sh", journal.parent], check=False).returncode:
        pytest.skip("this user may not mount a folder")
    script = f'{mount} && "$2" -c "$3" "$1/{journal.name}"'
    words = ["unshare", "-rm", "sh", "-c", script, "sh", journal.parent, sys.executable, textwrap.dedent(READ)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_journal_is_read_whole_where_nothing_may_be_written(tmp_path: Path) -> None:
    closed = fill(tmp_path / "closed.sqlite", CALLS)
    assert read_where_nothing_may_be_written(closed) == "2"
    killed = tmp_path / "killed.sqlite"
    subprocess.run([sys.executable, "-c", RECORDER, killed, "5"], check=True, stdout=subprocess.DEVNULL)
    assert killed.with_name("killed.sqlite-wal").stat().st_size
    assert read_where_nothing_may_be_written(killed) == "5"
    # As a copy has it that left out what is no data.
    killed.with_name("killed.sqlite-shm").unlink()
    said = read_where_nothing_may_be_written(killed)
    assert (
        "killed.sqlite: its last calls stand in killed.sqlite-wal, and SQLite reads that only where it may write"
        in said
    )
    assert "copy both" in said
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert sum(group.calls for group in journal_stats(tmp_path / "copy" / "killed.sqlite").groups) == 5


def test_the_figures_of_a_journal_are_those_worked_by_hand(tmp_path: Path) -> None:
    answers = [
        replace(call(f"{number}"), latency_s=float(number), finish_reason="length" if number == 5 else "stop")
        for number in range(1, 6)
    ]
    judged = replace(call("judged", stage="judge", text="x" * 1000), thinking="y" * 500, cached_tokens=2)
    own = fill(tmp_path / "own.sqlite", [*answers, judged])
    merge([fill(tmp_path / "other.sqlite", [call("other", stage="judge", cost_usd=7.0)])], own)
    with open_journal(own) as journal:
        journal.add_to_counter(LOST_USD, 0.25)
    stats = journal_stats(own)
    judge, respond = stats.groups
    assert (respond.calls, respond.imported, respond.prompt_tokens, respond.completion_tokens) == (5, 0, 15, 25)
    assert (respond.latency_median_s, respond.latency_p95_s) == (3.0, pytest.approx(4.8))
    assert respond.latency_p99_s == pytest.approx(4.96)
    assert respond.finish_reasons == {"stop": 4, "length": 1}
    assert (judge.calls, judge.imported, judge.cached_tokens, judge.cost_usd) == (2, 1, 2, 7.25)
    assert (stats.paid_here_usd, stats.lost_usd) == (1.5, 0.25)
    assert stats.text_bytes == 6 * len("hello") + 1500
    assert stats.stored_text_bytes < 6 * len("hello") + 200
    assert stats.bytes_on_disk >= own.stat().st_size
