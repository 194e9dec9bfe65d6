"""From the path that a recipe gives to the file or the Hub dataset that it means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from preflect.adapters.shipped import shipped
from preflect.errors import DataError, InputError

_SHIPPED: Final = "preflect://"
_HUB: Final = "hf://"


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A dataset that `datasets` loads: a name on the Hub, or a local folder."""

    name: str
    config: str | None = None


def resolve(path: str, base: Path | None = None) -> Path | HubDataset:
    """The file or dataset behind an input path.

    `preflect://seeds/x.jsonl` is what is shipped; `hf://org/name` or `hf://org/name/config` a dataset of the Hub,
    `hf:///folder` a local dataset folder; all else a file, relative to the current folder, or else to `base`, the
    recipe's folder.

    Raises: DataError: there is no such file; the message names the places tried and the nearest name there.
    """
    if path.startswith(_SHIPPED):
        return shipped(path.removeprefix(_SHIPPED))
    if path.startswith(_HUB):
        return _hub_dataset(path)
    places = [Path(path)]
    if base is not None and not Path(path).is_absolute():
        places.append(base / path)
    for place in places:
        if place.is_file():
            return place
    raise DataError(_not_found(path, places))


def check_not_read(path: str, *outs: Path) -> None:
    """See that what is to be written takes no place of what is read, by whatever name or link; raises as `resolve`.

    Raises: InputError: it does.
    """
    source = resolve(path)
    home = source if isinstance(source, Path) else Path(source.name)
    for out in outs:
        found = out.resolve()
        if out.exists() and home.exists() and any(place.samefile(home) for place in (found, *found.parents)):
            raise InputError(f"{out} is what {path} is read from, and would be written over; name another --out")


def _hub_dataset(path: str) -> HubDataset:
    name = path.removeprefix(_HUB).removeprefix("datasets/")
    if name.startswith(("/", ".")):
        return HubDataset(name)
    match name.strip("/").split("/"):
        case [organisation, dataset] if organisation and dataset:
            return HubDataset(f"{organisation}/{dataset}")
        case [organisation, dataset, config] if organisation and dataset:
            return HubDataset(f"{organisation}/{dataset}", config)
        case _:
            raise DataError(
                f"{path}: not a dataset of the Hub; write hf://organisation/name or hf://organisation/name/config"
            )


def _not_found(path: str, places: list[Path]) -> str:
    for place in places:
        if place.is_dir():
            return (
                f"{path}: is a folder; name one file in it: {', '.join(_file_names(place)[:10]) or 'it holds no file'}"
            )
    tried = ", ".join(dict.fromkeys(str(place.absolute()) for place in places))
    return f"{path}: no such file; looked for {tried}{_suggestion(places)}"


def _suggestion(places: list[Path]) -> str:
    for place in places:
        near = difflib.get_close_matches(place.name, _file_names(place.parent), n=1)
        if near:
            return f"; did you mean {place.with_name(near[0])}?"
    return ""


def _file_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []
