"""A JSON document, changed at one place or shown with one place marked, everything else as it was (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from shop_platform.errors import ShopError

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
# Deeper documents are refused by the decoder as well; the interpreter's own limit is not far above.
_DEEPEST = 200


class Pairs(list[tuple[str, Any]]):
    """An object, in its order and with names that stand twice."""


class Number(str):
    """A number as it was written: 1.50 stays 1.50, and 1e400 does not become infinite."""

    __slots__ = ()


class Line(NamedTuple):
    """One line of an indented document; ``path`` names what begins on it, in the decoder's notation."""

    path: str
    text: str


def parse(value: bytes | None) -> Any:
    """Return ``value`` as a tree of :class:`Pairs`, lists, strings, :class:`Number`, booleans and ``None``.

    Raises :class:`ValueError` when it is no JSON document.
    """
    try:
        tree = json.loads(
            (value or b"").decode(),
            object_pairs_hook=Pairs,
            parse_int=Number,
            parse_float=Number,
            parse_constant=Number,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _measure(tree, 0)
    return tree


def _measure(node: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    for child in _children(node):
        _measure(child, depth + 1)


def _children(node: Any) -> list[Any]:
    if isinstance(node, Pairs):
        return [child for _, child in node]
    return node if isinstance(node, list) else []


def dump(node: Any) -> bytes:
    """Return the tree as compact JSON in UTF-8."""
    return _text(node).encode()


def _text(node: Any) -> str:
    if isinstance(node, Pairs):
        return "{" + ",".join(f"{_string(name)}:{_text(child)}" for name, child in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if isinstance(node, Number):
        return str(node)
    return _string(node) if isinstance(node, str) else json.dumps(node)


def _string(text: str) -> str:
    plain = json.dumps(text, ensure_ascii=False)
    try:
        plain.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can only be written escaped
        return json.dumps(text)
    return plain


def lines(node: Any) -> Iterator[Line]:
    """Yield the tree indented, one value a line, each with its path (``$.data.lines[0].price``)."""
    return _lines(node, "$", "", "", "")


def _lines(node: Any, path: str, indent: str, before: str, after: str) -> Iterator[Line]:
    if not isinstance(node, list) or not node:
        yield Line(path, f"{indent}{before}{_text(node)}{after}")
        return
    is_object = isinstance(node, Pairs)
    yield Line(path, f"{indent}{before}{'{' if is_object else '['}")
    for number, entry in enumerate(node):
        comma = "," if number < len(node) - 1 else ""
        if is_object:
            name, child = entry
            yield from _lines(child, f"{path}.{name}", indent + "  ", f"{_string(name)}: ", comma)
        else:
            yield from _lines(entry, f"{path}[{number}]", indent + "  ", "", comma)
    yield Line("", f"{indent}{'}' if is_object else ']'}{after}")


def find_line(document: list[Line], schema_path: str | None) -> int | None:
    """Return the number of the line that ``schema_path`` names, or else its nearest parent; ``None`` without a path."""
    path = schema_path
    while path:
        # The decoder writes [...] where it does not say which member it was.
        pattern = re.compile(re.escape(path).replace(re.escape("[...]"), r"(?:\[\d+\]|\.[^.\[]+)"))
        for number, line in enumerate(document):
            if pattern.fullmatch(line.path):
                return number
        path = re.sub(r"(?:\.[^.\[]*|\[[^\[]*|[^.\[]+)$", "", path)
    return None


def read_path(text: str) -> tuple[str | int, ...]:
    """Return the steps of a path such as ``$.data.lines[0].price``; raise :class:`ShopError` for anything else."""
    steps: list[str | int] = []
    at = 1
    while at < len(text) and (match := _STEP.match(text, at)):
        steps.append(match[1] if match[1] is not None else int(match[2]))
        at = match.end()
    if not text.startswith("$") or at != len(text) or not steps:
        raise ShopError(f"'{text}' is not a path", "Write it like $.data.page_type or $.data.lines[0].price.")
    return tuple(steps)


def set_value(node: Any, path: tuple[str | int, ...], value: Any) -> bool:
    """Put ``value`` at ``path``, adding the last name if it is missing; return whether the place was found.

    A name that stands twice stands once afterwards: whoever sets it has said which one holds.
    """
    for holder in _holders(node, path[:-1]):
        last = path[-1]
        if isinstance(holder, Pairs) and isinstance(last, str):
            places = [number for number, (name, _) in enumerate(holder) if name == last]
            for number in reversed(places[1:]):
                del holder[number]
            if places:
                holder[places[0]] = (last, value)
            else:
                holder.append((last, value))
            return True
        if _has(holder, last):
            holder[last] = value
            return True
    return False


def unset_value(node: Any, path: tuple[str | int, ...]) -> bool:
    """Take away what stands at ``path``; return whether anything stood there."""
    for holder in _holders(node, path[:-1]):
        last = path[-1]
        if isinstance(holder, Pairs) and isinstance(last, str):
            kept = [pair for pair in holder if pair[0] != last]
            found = len(kept) < len(holder)
            holder[:] = kept
            return found
        if _has(holder, last):
            del holder[last]
            return True
    return False


def _has(holder: Any, index: str | int) -> bool:
    return isinstance(holder, list) and not isinstance(holder, Pairs) and isinstance(index, int) and index < len(holder)


def _holders(node: Any, path: tuple[str | int, ...]) -> Iterator[Any]:
    """Yield the value at ``path``, if there is one; of a name that stands twice the last, which decoders read."""
    for step in path:
        if isinstance(node, Pairs) and isinstance(step, str):
            found = [child for name, child in node if name == step]
            if not found:
                return
            node = found[-1]
        elif _has(node, step):
            node = node[step]
        else:
            return
    yield node
