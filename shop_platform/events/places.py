"""What stands at a place of a message, and what the contract expects there, for a sentence about it (pure)."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MOST = 60

Steps = tuple[str | int, ...]


class Number(str):
    """A number of a document as it is written: it may be too large for any other type."""

    __slots__ = ()


NOTHING = object()
"""Nothing stands there, or nobody can read it."""


def quote(text: str) -> str:
    """Return ``text`` as a reason quotes it: short, printable, without the signs that end a quotation."""
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[: _MOST + 1])
    shown = shown if len(shown) <= _MOST else shown[: _MOST - 1] + "…"
    return "'" + shown.replace("'", "’") + "'"


def steps_of(path: str) -> Steps:
    """Return the steps of a path such as ``$.data.lines[0].sku``."""
    return tuple(name or int(place) for name, place in _STEP.findall(path))


def name_of(path: str) -> str:
    """Return the path as a sentence names it: without ``$``, and of a field below ``data`` without that either."""
    return path.removeprefix("$").removeprefix(".data.").lstrip(".")


def found_at(document: str, path: str) -> Any:
    """Return what stands at ``path``, numbers as they are written; :data:`NOTHING` when it cannot be read."""
    node = _read(document)
    for step in steps_of(path):
        try:
            node = node[step]
        except (LookupError, TypeError):
            return NOTHING
    return node


def place_of(document: str, holds: Callable[[str], bool]) -> str | None:
    """Return the path of the first text of ``document`` that ``holds`` something, a name that does by its object."""
    try:
        return _place(_read(document), holds, "$")
    except RecursionError:
        return None


def _place(node: Any, holds: Callable[[str], bool], path: str) -> str | None:
    if isinstance(node, str):
        return path if holds(node) else None
    below: list[tuple[str, Any]] = []
    if isinstance(node, dict):
        if any(map(holds, node)):
            return path
        below = [(f"{path}.{name}", each) for name, each in node.items()]
    elif isinstance(node, list):
        below = [(f"{path}[{place}]", each) for place, each in enumerate(node)]
    return next((found for inner, each in below if (found := _place(each, holds, inner)) is not None), None)


def _read(document: str) -> Any:
    try:
        return json.loads(document, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError):
        return NOTHING


def expected_at(struct: type[msgspec.Struct], steps: Steps) -> Any:
    """Return the type hint of the field that ``steps`` lead to from ``struct``, without ``None``."""
    hint: Any = struct
    for step in steps:
        bare = bare_type(hint)
        hint = typing.get_args(bare)[0] if isinstance(step, int) else _without_none(_hints(bare)[step])
    return hint


def bare_type(hint: Any) -> Any:
    """Return a type without what is annotated to it."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return hint


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(struct, include_extras=True)
