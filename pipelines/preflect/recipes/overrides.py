"""`--set a.b.c=VALUE`: values from the command line in place of the file's."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

from ruamel.yaml.error import MarkedYAMLError

from preflect.errors import RecipeError
from preflect.recipes.document import parse_yaml, say_yaml_error
from preflect.recipes.locate import KeyPath, Source


def override(source: Source, settings: Iterable[str]) -> Source:
    """The source with each `a.b.c=VALUE` applied, later ones over earlier ones.

    VALUE is read as YAML; a number names a list entry, counted from 0; a key that does not exist yet is made.
    Raises: RecipeError for a setting that is not `KEY=VALUE`, or that reaches into something without keys.
    """
    for setting in settings:
        source = _apply(source, setting)
    return source


def _apply(source: Source, setting: str) -> Source:
    option, equals, text = setting.partition("=")
    option = option.strip()
    if not equals or not all(option.split(".")):
        raise RecipeError(f"--set {setting}: write it as a.b.c=VALUE, such as seed=7 or models.teacher.concurrency=8")
    values = deepcopy(source.values)
    path = _put(values, option, _value(option, text))
    under = len(path)
    lines = {p: line for p, line in source.lines.items() if p == path or p[:under] != path}
    options = {p: o for p, o in source.options.items() if p[:under] != path} | {path: option}
    return replace(source, values=values, lines=lines, options=options)


def _value(option: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except MarkedYAMLError as error:
        raise RecipeError(f"--set {option}: {text!r} is not YAML: {say_yaml_error(error)}") from error


def _put(values: dict[str, Any], option: str, value: Any) -> KeyPath:
    """Set what `option` names, and return the path of the topmost thing that is new by it."""
    holder: Any = values
    path: KeyPath = ()
    made: KeyPath = ()
    rest = option.split(".")
    while True:
        key, rest = _next_key(holder, rest, option, path)
        path = (*path, str(key))
        if isinstance(holder, dict) and key not in holder:
            made = made or path
        if not rest:
            holder[key] = value
            return made or path
        holder = _entered(holder, key)


def _entered(holder: Any, key: str | int) -> Any:
    """What stands under `key`, made where nothing does."""
    if isinstance(holder, dict) and cast("dict[str, Any]", holder).get(str(key)) is None:
        holder[key] = {}
    return cast("Any", holder)[key]


def _next_key(holder: Any, rest: list[str], option: str, path: KeyPath) -> tuple[str | int, list[str]]:
    """The key or number that `rest` starts with in `holder`, and what is left of it."""
    where = f"'{'.'.join(path)}'"
    if isinstance(holder, dict):
        # A model may be called `gpt-4.1`: the longest run of parts that is a key there is taken as the key.
        runs = (".".join(rest[:n]) for n in range(len(rest), 0, -1))
        key = next((run for run in runs if run in holder), rest[0])
        return key, rest[key.count(".") + 1 :]
    if not isinstance(holder, list):
        raise RecipeError(f"--set {option}: {where} is {holder!r}, which has no keys; set {where} as a whole")
    size = len(cast("list[Any]", holder))
    if not rest[0].isdecimal() or int(rest[0]) >= size:
        valid = f"a number from 0 to {size - 1}" if size else "nothing, it is empty"
        raise RecipeError(f"--set {option}: {where} is a list, '{rest[0]}' names no entry of it; right is {valid}")
    return int(rest[0]), rest[1:]
