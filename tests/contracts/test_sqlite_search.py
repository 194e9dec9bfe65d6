"""The laws of the search engine, checked in the server's environment on real databases (`sqlite_search/check_*.py`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from tests.server_environment import run_pytest

_CHECKS: Final = Path(__file__).parent / "sqlite_search"
# Neither this project's settings of pytest nor its conftest files, which import preflect.
_OPTIONS: Final = ["-q", "-c", os.devnull, f"--rootdir={_CHECKS}", "--noconftest", "-p", "no:cacheprovider"]


@pytest.mark.parametrize("checks", sorted(path.name for path in _CHECKS.glob("check_*.py")))
def test_the_search_engine_keeps_its_laws(checks: str, tmp_path: Path) -> None:
    options = [*_OPTIONS, "-p", "argilla_database"]
    ran = run_pytest(*options, _CHECKS / checks, cwd=tmp_path, path=_CHECKS, home=tmp_path / "home")
    assert ran.returncode == 0, ran.stdout + ran.stderr
