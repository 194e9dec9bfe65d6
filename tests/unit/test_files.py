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
