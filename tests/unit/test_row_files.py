from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from preflect.adapters.input_row import BadRow, RawRow
from preflect.adapters.row_files import rows_of_file
from preflect.errors import DataError

GOOD = '{"instruction": "Name a tree."}\n'


def file(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet_bytes(path: Path) -> bytes:
    pl.DataFrame({"instruction": ["Name a tree."]}).write_parquet(path / "made.parquet")
    return (path / "made.parquet").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("rows.jsonl", "", "is empty"),
        ("rows.jsonl", "\ufeff \n", "is empty"),
        ("rows.jsonl", '[{"instruction": "x"}]', r"JSON array, not one object per line; name it \.json"),
        ("rows.jsonl", '{\n  "instruction": "x"\n}', "one object over several lines"),
        ("rows.jsonl", b"\x00\x01\x02\x03", "binary data"),
        ("rows.jsonl", gzip.compress(GOOD.encode(), mtime=0), "gunzip"),
        ("rows.jsonl", b"PAR1....PAR1", r"a Parquet file: name it \.parquet"),
        ("rows.jsonl", GOOD.encode("utf-16"), "UTF-16"),
        (
            "rows.jsonl",
            GOOD.encode() + '{"instruction": "caf\u00e9"}'.encode("latin1"),
            r"rows\.jsonl:2: not UTF-8 .*0xe9.*iconv",
        ),
        ("rows.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("rows.json", GOOD * 2, r"should be named \.jsonl"),
        ("rows.json", '{"instruction": "x"}', r"no JSON array"),
        ("rows.json", '[{"instruction": "x"},\n {]', r"rows\.json:2: not valid JSON"),
        ("rows.json", '["caf\u00e9"]'.encode("latin1"), "not UTF-8"),
        ("rows.csv", b"instruction\n\x00\x00", "binary data"),
        ("rows.csv", "instruction\ncaf\u00e9\n".encode("latin1"), "after row 0: not UTF-8"),
        ("rows.csv", "instruction;answer\nx;y\n", "separated by ';'"),
        ("rows.csv", "instruction,instruction\nx,y\n", "names 'instruction' twice"),
        ("rows.csv", 'instr"u,"x"y\n', "header is not valid CSV"),
        ("rows.parquet", GOOD, r"not a Parquet file .* name it \.jsonl"),
        ("rows.parquet", "instruction\nx\n", "not a Parquet file"),
        ("rows.parquet", gzip.compress(b"x", mtime=0), "gunzip"),
        ("rows.txt", "x", r"reads \.jsonl, \.json, \.csv, \.parquet, not \.txt"),
        ("rows", "x", "files without extension"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, name: str, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        list(rows_of_file(file(tmp_path / name, content)))


def test_a_cut_off_parquet_file_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.parquet", parquet_bytes(tmp_path)[:-20])
    with pytest.raises(DataError, match="damaged Parquet file"):
        list(rows_of_file(path))


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(rows_of_file(tmp_path / "rows.jsonl"))


def test_a_json_array_too_large_to_hold_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    with path.open("wb") as sparse:
        sparse.write(b"[")
        sparse.truncate(257 * 2**20)
        sparse.seek(1)
        sparse.write(b" " * 4096)
    with pytest.raises(DataError, match=r"257 MiB.*jq -c '\.\[\]' rows\.json > rows\.jsonl"):
        list(rows_of_file(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.jsonl", GOOD), ("rows.json", f"[{GOOD}]"), ("rows.csv", "instruction\nName a tree.\n")],
)
def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path: Path, name: str, content: str) -> None:
    (row,) = rows_of_file(file(tmp_path / name, "\ufeff" + content))
    assert isinstance(row, RawRow)
    assert row.value == {"instruction": "Name a tree."}


def test_csv_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.csv", 'instruction,input\nfirst,"over\ntwo lines"\n\nlast,""\n')
    assert [row for row in rows_of_file(path) if isinstance(row, RawRow)] == [
        RawRow(2, {"instruction": "first", "input": "over\ntwo lines"}),
        RawRow(4, {"instruction": "last", "input": ""}),
    ]


def test_a_csv_row_with_too_many_fields_or_bad_quotes_is_bad_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.csv", 'instruction,input\na,b,c\n"x"y,z\nlast,\n')
    rows = list(rows_of_file(path))
    assert [row.reason for row in rows if isinstance(row, BadRow)] == ["wrong_field_count", "bad_csv"]
    assert rows[-1] == RawRow(4, {"instruction": "last", "input": ""})


def test_rows_come_before_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    rows = rows_of_file(file(tmp_path / "rows.jsonl", GOOD.encode() * 5000 + b"\xe9"))
    assert next(rows) == RawRow(1, {"instruction": "Name a tree."})
    with pytest.raises(DataError, match=r"rows\.jsonl:5001: not UTF-8"):
        list(rows)
