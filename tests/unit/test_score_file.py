"""Rows of scores that outlive the process: nothing is lost, doubled or mixed with another job's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflect.errors import InputError
from preflect.recipes.score import PairScores
from preflect.recipes.score_file import Job, open_score_file, partial_folder

JOB: Job = {"format": 1, "student": "ppm", "limit": None}
ROW = PairScores(id="", ifd_ppl=0.1 + 0.2, reason=None, student="ppm", revision="r", template="gpt2")
ROWS = [replace(ROW, id=f"é{number}", ifd_loss=1 / (number + 3)) for number in range(5)]


def keep(out: Path, rows: list[PairScores]) -> None:
    with open_score_file(out, JOB) as file:
        for row in rows:
            file.add(row)


def lines_of(out: Path) -> Path:
    return partial_folder(out) / "rows.jsonl"


def test_what_is_written_is_what_was_kept_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    keep(out, ROWS[:2])
    with open_score_file(out, JOB) as file:
        assert file.rows == 2
        for row in ROWS[2:]:
            file.add(row)
        assert list(file.read()) == ROWS
        file.write_to(out)
    assert pl.read_parquet(out)["ifd_loss"].to_list() == [row.ifd_loss for row in ROWS]
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


@given(cut=st.integers(min_value=0), junk=st.sampled_from([b"", b"\0\0\0", b'{"id": 1\n', b"[]\n"]))
def test_wherever_the_file_was_cut_off_every_whole_row_before_is_kept(cut: int, junk: bytes) -> None:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "scores.csv"
        keep(out, ROWS)
        whole = lines_of(out).read_bytes()
        cut %= len(whole) + 1
        lines_of(out).write_bytes(whole[:cut] + junk)
        with open_score_file(out, JOB) as file:
            assert file.rows == max(whole[:cut].count(b"\n") - 1, 0)
            for row in ROWS[file.rows :]:
                file.add(row)
        assert lines_of(out).read_bytes() == whole


def test_rows_of_another_job_are_neither_mixed_in_nor_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    keep(out, ROWS)
    before = lines_of(out).read_bytes()
    other = re.escape("scores.csv.partial holds rows of another job (student ppm, now qwen; limit None, now 7); go on")
    with (
        pytest.raises(InputError, match=other),
        open_score_file(out, {**JOB, "student": "qwen", "limit": 7}),
    ):
        pass
    assert lines_of(out).read_bytes() == before


def test_two_cannot_work_on_one_file(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    with (
        open_score_file(out, JOB),
        pytest.raises(InputError, match="is at work"),
        open_score_file(out, JOB),
    ):
        pass


def test_a_place_where_nothing_can_be_kept_is_the_users_affair(tmp_path: Path) -> None:
    partial_folder(tmp_path / "scores.csv").touch()
    with (
        pytest.raises(InputError, match=r"--out .*scores\.csv: cannot be written: .*File exists"),
        open_score_file(tmp_path / "scores.csv", JOB),
    ):
        pass
