import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from preflect.files import atomic_write, write_text_atomically, written_together


def test_a_text_is_written_whole_and_unchanged(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a.txt", "é\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\n"
    with pytest.raises(UnicodeEncodeError), atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("half \ud800", encoding="utf-8")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_files_written_together_stand_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / "one" / "a", tmp_path / "other" / "b", tmp_path / "c"]

    def write(*texts: str) -> None:
        with written_together(paths) as to:
            for path, text in zip(paths, texts, strict=False):
                to[path].write_text(text, encoding="utf-8")
            if texts[0] == "broken":
                raise RuntimeError("the disk is gone")

    write("1", "2", "3")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        write("broken", "4")
    assert [path.read_text(encoding="utf-8") for path in paths] == ["1", "2", "3"]
    write("5", "6")
    assert [path.read_text(encoding="utf-8") for path in paths[:2]] == ["5", "6"]
    assert not paths[2].exists()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a", "b"]


def test_two_that_write_one_file_at_once_are_not_in_each_others_way(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as one:
        one.write_text("one", encoding="utf-8")
        write_text_atomically(tmp_path / "a", "other")
        assert (tmp_path / "a").read_text(encoding="utf-8") == "other"
    assert (tmp_path / "a").read_text(encoding="utf-8") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


KILLED_WRITER = """
    import os, signal, sys
    from pathlib import Path
    from preflect.files import atomic_write

    with atomic_write(Path(sys.argv[1])) as temporary:
        temporary.write_text("half of it")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_not_built_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(tmp_path / "a.parquet")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with atomic_write(tmp_path / "a.parquet") as temporary:
        assert not temporary.exists()
        temporary.write_text("whole", encoding="utf-8")
    assert (tmp_path / "a.parquet").read_text(encoding="utf-8") == "whole"
    assert [path.name for path in tmp_path.rglob("*.parquet")] == ["a.parquet"]


def test_what_stands_beside_a_file_while_it_is_written_goes_with_it(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.sqlite") as temporary:
        temporary.with_name(temporary.name + "-wal").touch()
    assert [*tmp_path.iterdir()] == []
