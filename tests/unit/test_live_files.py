"""What processes of a phase tell each other: of how it ended, the first word stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from preflect.engine.live_files import LiveFiles
from preflect.errors import PreflectError, RunError


@pytest.mark.parametrize("later", [None, RunError("another failure")])
def test_the_first_word_of_how_a_phase_ended_stands_whoever_speaks_next(
    later: PreflectError | None, tmp_path: Path
) -> None:
    files = LiveFiles(tmp_path)
    files.tell(RunError("the first failure"))
    files.tell(later)
    with pytest.raises(RunError, match="the first failure; see"):
        files.raise_failure(0, tmp_path / "run.log")
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]
