import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pipelines", "schemas")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

MAX_FILE_LINES = 350
"""A longer file holds two ideas."""


def tracked() -> list[Path]:
    """Files under version control, or about to be; all source files where the tests run without git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else python_names()
    return [path for name in names if (path := ROOT / name).is_file()]


def python_names() -> list[str]:
    return [str(path.relative_to(ROOT)) for top in (*SOURCES, "tests") for path in (ROOT / top).rglob("*.py")]


SERVER = ROOT / "pipelines" / "preflect" / "review" / "server"
"""A source root of its own: it runs in another environment, where preflect is not."""


def sources() -> list[Path]:
    return [path for top in SOURCES for path in sorted((ROOT / top).rglob("*.py"))]


def own_sources() -> list[Path]:
    return [path for path in sources() if SERVER not in path.parents]


def files_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_namespace_package_belongs_to_no_single_root() -> None:
    assert [top for top in SOURCES if (ROOT / top / "preflect" / "__init__.py").exists()] == []


def test_every_room_says_in_one_line_what_belongs_there() -> None:
    rooms = [path for path in (ROOT / "pipelines" / "preflect").iterdir() if path.is_dir() and path.name[0] != "_"]
    speechless = [
        room.name for room in rooms if ast.get_docstring(ast.parse((room / "__init__.py").read_text())) is None
    ]
    assert speechless == []


def test_schemas_import_nothing_but_pydantic_and_orjson() -> None:
    roots = {name.split(".")[0] for path in (ROOT / "schemas").rglob("*.py") for name in imports(path)}
    assert roots - {*sys.stdlib_module_names} == {"orjson", "pydantic", "preflect"}
    inside = {
        name for path in (ROOT / "schemas").rglob("*.py") for name in imports(path) if name.startswith("preflect")
    }
    assert {name for name in inside if not name.startswith("preflect.schemas")} == set()


def test_no_file_holds_two_ideas() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_tests_use_real_objects() -> None:
    mocks = {"mock", "unittest.mock", "pytest_mock"}
    assert [path.name for path in files_of_tests() if mocks & {*imports(path)}] == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in files_of_tests() if path.name.startswith("test_")]
    assert sorted(names) == sorted({*names})


def test_only_the_command_line_and_one_adapter_read_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT / "pipelines" / "preflect"))
        for path in own_sources()
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    ]
    assert [name for name in readers if not name.startswith("cli/") and name != "adapters/environment.py"] == []


def test_no_file_names_a_machine() -> None:
    personal = re.compile(rb"/(?:home|Users)/[a-z][\w.-]*/|/root/|[A-Z]:\\Users\\|file:///(?!folder\b)[a-z]")
    here = Path(__file__).resolve()
    found = [str(p.relative_to(ROOT)) for p in tracked() if p.resolve() != here and personal.search(p.read_bytes())]
    assert found == []


def requirement_names(requirements: list[str]) -> set[str]:
    names = [re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0] for requirement in requirements]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names} - {"preflect"}


def test_every_import_is_declared() -> None:
    """What only a dependency of a dependency, or a developer's tool, brings is missing on a user's machine one day."""
    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    users = [name for extra, names in extras.items() if extra != "dev" for name in names]
    # pydantic-core is pydantic's other half, and pinned by it.
    declared = requirement_names([*PROJECT["project"]["dependencies"], *users]) | {"pydantic-core"}
    # `compression` is in the standard library from Python 3.14 on.
    standard = {*sys.stdlib_module_names, "compression"}
    imported = {name.split(".")[0] for path in own_sources() for name in imports(path)} - standard
    distributions = packages_distributions()
    undeclared = {
        module: distributions.get(module, ["not installed"])
        for module in imported - {"preflect"}
        if not requirement_names(distributions.get(module, [])) & declared
    }
    assert undeclared == {}


def locked() -> dict[str, set[str]]:
    """Versions by name; a package may have several, for several Pythons or systems."""
    versions: dict[str, set[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition("==")
        versions.setdefault(name, set()).add(rest.split(" ")[0])
    return versions


def test_every_dependency_is_locked() -> None:
    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    declared = requirement_names(
        [*PROJECT["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]
    )
    assert declared - {*locked()} == set()


def test_the_lock_names_no_registry_and_no_file() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"://|--index|--find-links| @ |\+cpu", text) == []


def test_the_makefile_installs_the_torch_that_is_locked() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {*re.findall(r"torch==([\d.]+)", makefile)} == locked()["torch"]


def test_what_is_pinned_exactly_is_locked_at_that_version() -> None:
    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    declared = [*PROJECT["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]
    pins = dict(requirement.split("==") for requirement in declared if "==" in requirement)
    assert {name: {version} for name, version in pins.items()} == {name: locked()[name] for name in pins}


def test_seeds_and_recipes_travel_in_the_wheel() -> None:
    included: dict[str, str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {f"data/{kind}": f"preflect/data/{kind}" for kind in ("seeds", "recipes")}


def test_the_review_server_knows_nothing_of_preflect_and_preflect_nothing_of_it() -> None:
    def imported(paths: list[Path]) -> set[str]:
        return {name.split(".")[0] for path in paths for name in imports(path)}

    inside = [*SERVER.rglob("*.py")]
    assert len(inside) > 9
    assert "preflect" not in imported(inside)
    assert {"argilla_server", *(path.stem for path in SERVER.glob("*.py"))} & imported(own_sources()) == set()


def test_the_review_server_s_packages_are_locked_without_a_registry() -> None:
    lines = (SERVER / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert {"argilla-server==2.8.0", "click==8.1.8"} <= {*pins}


@pytest.mark.parametrize(
    "folder", ["data/seeds", "data/recipes", "pipelines/preflect/prompts/rubrics", "pipelines/preflect/review/server"]
)
def test_what_travels_in_the_wheel_is_there(folder: str) -> None:
    assert [path for path in (ROOT / folder).iterdir() if path.stat().st_size] != []


def test_the_licence_is_the_plain_text_of_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Copyright [yyyy] [name of copyright owner]" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
