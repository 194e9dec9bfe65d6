"""A YAML text as plain values, with the line of every key."""

# ruamel's nodes and marks carry no types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from preflect.errors import RecipeError
from preflect.recipes.locate import KeyPath, Source

_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")
)


def read_source(text: str, name: str) -> Source:
    """The values of a YAML document and their lines.

    Raises: RecipeError when it is not YAML, repeats a key, or is anything but one mapping.
    """
    root = _compose(text, name)
    if not isinstance(root, MappingNode):
        raise RecipeError(
            f"{name}:1: a recipe is a mapping of keys such as `name:`, `input:` and `stages:`, got {_kind(root)}"
        )
    lines: dict[KeyPath, int] = {}
    problems = [f"{name}:{line}: {problem}" for line, problem in _visit(root, (), lines, ())]
    if problems:
        raise RecipeError("\n".join(problems))
    return Source(name, parse_yaml(text), lines)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text as JSON would hold it (YAML 1.2: `yes` and `on` are text, and dates become text).

    Raises: ruamel's MarkedYAMLError.
    """
    return _jsonable(YAML(typ="safe", pure=True).load(text))


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(v) for key, v in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [_jsonable(v) for v in cast("list[Any]", value)]
    return value.isoformat() if isinstance(value, date) else value


def _compose(text: str, name: str) -> Node | None:
    try:
        return cast("Node | None", YAML(typ="safe", pure=True).compose(text))
    except MarkedYAMLError as error:
        raise RecipeError(f"{name}:{_line_of(error)}: not YAML: {say_yaml_error(error)}") from error


def say_yaml_error(error: MarkedYAMLError) -> str:
    """What the parser stumbled over, with what usually mends it."""
    what = cast("str", error.problem)
    if "document" in what:
        return "there is a second document (`---`); a recipe is one document, remove the rest"
    if "'\\t'" in what:
        return "a tab stands where a value should start; indent with spaces"
    return f"{what}; look at indentation, brackets, quotes and colons here and just above"


def _line_of(error: MarkedYAMLError) -> int:
    return cast("int", error.problem_mark.line) + 1 if error.problem_mark else 1


def _kind(node: Node | None) -> str:
    return "an empty file" if node is None else "a list" if isinstance(node, SequenceNode) else "a single value"


def _visit(node: Node, path: KeyPath, lines: dict[KeyPath, int], above: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    """Fill `lines`, and yield line and text of whatever a recipe cannot hold."""
    here = _start(node)
    if id(node) in above:
        yield here, "this anchor contains itself; write the value out"
    elif node.tag not in _PLAIN_TAGS:
        yield here, f"the tag {node.tag} is not known; leave it out"
    elif isinstance(node, MappingNode):
        yield from _visit_mapping(node, path, lines, (*above, id(node)))
    elif isinstance(node, SequenceNode):
        for number, child in enumerate(_children(node)):
            lines.setdefault((*path, str(number)), _start(child))
            yield from _visit(child, (*path, str(number)), lines, (*above, id(node)))


def _visit_mapping(
    node: MappingNode, path: KeyPath, lines: dict[KeyPath, int], above: tuple[int, ...]
) -> Iterator[tuple[int, str]]:
    own: dict[str, int] = {}
    for key, value in _entries(node):
        line = _start(key)
        if not isinstance(key, ScalarNode):
            yield line, "a key must be plain text; put it in quotes"
            continue
        word = cast("str", key.value)
        if word in own:
            yield line, f"key '{word}' is given twice, first on line {own[word]}; keep one of them"
            continue
        own[word] = lines[(*path, word)] = line
        yield from _visit(value, (*path, word), lines, above)


def _start(node: Node) -> int:
    return cast("int", node.start_mark.line) + 1


def _children(node: SequenceNode) -> list[Node]:
    return cast("list[Node]", node.value)


def _entries(node: MappingNode) -> list[tuple[Node, Node]]:
    return cast("list[tuple[Node, Node]]", node.value)
