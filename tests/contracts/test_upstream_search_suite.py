"""Upstream's own tests of its search engine, from the source of the version in use, run against the plug-in."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import pytest
from tests.contracts.upstream_search.exceptions import FAILING, NOT_RUN
from tests.server_environment import CACHE, run_pytest, server_python

VERSION: Final = "2.8.0"
_HERE: Final = Path(__file__).parent / "upstream_search"
_SUITE: Final = "tests/unit/search_engine"
_PARAMETERS: Final = re.compile(r"\[.*")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upstream's source, its engine and its Elasticsearch replaced by ours."""
    folder = tmp_path_factory.mktemp("upstream")
    with tarfile.open(_archive()) as archive:
        archive.extractall(folder, filter="data")
    root = folder / f"argilla_server-{VERSION}"
    shutil.rmtree(root / "src")  # what is installed is tested
    (root / _SUITE / "conftest.py").write_text("from upstream_adapter import *\n", encoding="utf-8")
    return root


def test_upstream_tests_hold_but_for_those_that_are_listed(upstream: Path, tmp_path: Path) -> None:
    """Which fail is exactly which are listed: one that begins to hold must leave the list."""
    results = tmp_path / "results.xml"
    options = ["-q", "-p", "upstream_adapter", "-o", "log_cli=false", "-o", "asyncio_mode=strict", "--disable-warnings"]
    left_out = [f"--deselect={_SUITE}/{name}" for name in NOT_RUN]
    ran = run_pytest(
        *options, *left_out, f"--junit-xml={results}", _SUITE, cwd=upstream, path=_HERE, home=tmp_path / "home"
    )
    assert results.exists(), ran.stdout + ran.stderr
    outcomes = _outcomes(results)
    assert len(outcomes["passed"]) >= 91, ran.stdout
    assert {_listed(name) for name in outcomes["failed"]} == set(FAILING), ran.stdout
    assert not {_listed(name) for name in outcomes["passed"]} & set(FAILING)


def _archive() -> Path:
    folder = CACHE / "review-tests"
    archive = folder / f"argilla_server-{VERSION}.tar.gz"
    if not archive.exists():
        options = ["--quiet", "--no-deps", "--no-binary", "argilla-server", "--dest", folder]
        fetched = subprocess.run(
            [server_python(), "-m", "pip", "download", *options, f"argilla-server=={VERSION}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            pytest.skip(f"the source of argilla-server {VERSION} cannot be downloaded: {fetched.stderr[-300:]}")
    return archive


def _outcomes(results: Path) -> dict[str, list[str]]:
    outcomes: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for case in ET.parse(results).iter("testcase"):
        module, _, name = case.attrib["classname"].rpartition(".")
        test = f"{module.rpartition('.')[2]}.py::{name}::{case.attrib['name']}"
        ended = {child.tag for child in case}
        outcomes["failed" if ended & {"failure", "error"} else "skipped" if "skipped" in ended else "passed"].append(
            test
        )
    return outcomes


def _listed(name: str) -> str:
    plain = _PARAMETERS.sub("", name)
    return plain if plain in FAILING else name
