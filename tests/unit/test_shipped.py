from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from preflect.adapters import shipped as shipped_module
from preflect.adapters.shipped import shipped, shipped_names
from preflect.errors import DataError


def test_shipped_seeds_are_found_from_a_checkout() -> None:
    assert shipped("seeds/instructions.jsonl").is_file()


def test_what_is_not_shipped_is_refused_with_what_is() -> None:
    with pytest.raises(DataError, match=r"preflect://seeds/nothing\.jsonl: not shipped .* seeds/instructions\.jsonl"):
        shipped("seeds/nothing.jsonl")


@pytest.mark.parametrize("relative", ["", "runs/x", "../pyproject.toml", "seeds/../../pyproject.toml", "/etc/hosts"])
def test_only_what_travels_with_preflect_can_be_reached(relative: str) -> None:
    with pytest.raises(DataError, match="not shipped"):
        shipped(relative)


def test_every_name_listed_as_shipped_is_found() -> None:
    names = shipped_names()
    assert "seeds/instructions.jsonl" in names
    assert all(shipped(name).is_file() for name in names)


def test_a_wheel_s_data_are_found_inside_the_package(tmp_path: Path) -> None:
    seeds = tmp_path / "preflect" / "data" / "seeds" / "instructions.jsonl"
    module = tmp_path / "preflect" / "adapters" / "shipped.py"
    for path, content in ((seeds, "{}"), (module, Path(shipped_module.__file__).read_text())):
        path.parent.mkdir(parents=True)
        path.write_text(content)
    installed = runpy.run_path(str(module))["shipped"]
    assert installed("seeds/instructions.jsonl") == seeds
