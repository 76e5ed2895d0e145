"""Find a name that stands twice in a JSON object: decoders read the last of the two, and nobody knows which is right.

msgspec does not tell. What it decoded says how many quotation marks a message with each name once must have at least,
and any name more has two more of them: to count them costs little, and only where the count is higher one looks again.
"""

from __future__ import annotations

import datetime as dt
import json
import types
import typing
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from shop_platform.events.envelope import decode_fields

_QUOTE = ord('"')
_BRACE = ord("{")
# Objects within objects are looked at again on every level.
_SHORT = 16_384
_IN_QUOTES = (str, dt.date)


class Quotes(NamedTuple):
    """How many quotation marks an object has at least: ``always``, and ``further`` by what was decoded of it."""

    always: int
    further: Callable[[Any], int] | None


def quotes_of(struct: type[msgspec.Struct]) -> Quotes:
    """Return how to tell the least number of quotation marks of an object that was decoded as ``struct``."""
    hints = typing.get_type_hints(struct)
    always, optional, below = 0, [], []
    for field in msgspec.structs.fields(struct):
        kind = _bare(hints[field.name])
        if not field.required:
            if kind in _IN_QUOTES:
                optional.append(field.name)
            continue
        always += 2
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            inner = quotes_of(kind)
            always += inner.always
            if inner.further is not None:
                below.append(_of_one(attrgetter(field.name), inner.further))
        elif typing.get_origin(kind) is tuple:
            below.append(_of_many(attrgetter(field.name), quotes_of(typing.get_args(kind)[0])))
        elif kind not in {int, bool, msgspec.Raw}:
            always += 2
    if optional:
        below.append(_of_optional(attrgetter(*optional), len(optional)))
    return Quotes(always, _sum(below))


def _bare(hint: Any) -> Any:
    """Return the type of a field without ``None``, and text for one of several texts."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return str if typing.get_origin(hint) is typing.Literal else hint


def _of_one(get: Callable[[Any], Any], further: Callable[[Any], int]) -> Callable[[Any], int]:
    return lambda data: further(get(data))


def _of_many(get: Callable[[Any], Any], quotes: Quotes) -> Callable[[Any], int]:
    always, further = quotes
    if further is None:
        return lambda data: always * len(get(data))
    return lambda data: sum(always + further(each) for each in get(data))


def _of_optional(get: Callable[[Any], Any], count: int) -> Callable[[Any], int]:
    if count == 1:
        return lambda data: 0 if get(data) is None else 4
    return lambda data: 4 * (count - get(data).count(None))


def _sum(parts: list[Callable[[Any], int]]) -> Callable[[Any], int] | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return lambda data: sum(part(data) for part in parts)


def has_each_name_once(value: bytes) -> bool:
    """Tell whether no name stands twice in an object that msgspec has read; in doubt (escapes, lists) it says no."""
    if len(value) > _SHORT:
        return False
    members = decode_fields(value)
    quotes = 2 * len(members)
    for member in members.values():
        raw = bytes(member)
        quotes += raw.count(_QUOTE)
        if _BRACE in raw and not (raw[:1] == b"{" and has_each_name_once(raw)):
            return False
    return quotes == value.count(_QUOTE)


def repeated_name(text: str) -> str | None:
    """Return the path of a name that stands twice in a JSON document (``data.page``, ``data.lines[0].sku``), if any.

    Raises :class:`ValueError` for what is no JSON and :class:`RecursionError` for what is nested too deeply.
    """
    found: list[_Repeated] = []

    def look(pairs: list[tuple[str, Any]]) -> object:
        names = {name for name, _ in pairs}
        if len(names) < len(pairs):
            twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
            found.append(_Repeated(f".{twice}"))
            return found[-1]
        if found:
            for name, value in pairs:
                if (inside := _inside(value)) is not None:
                    return _Repeated(f".{name}{inside}")
        return None

    document = json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    place = _inside(document) if found else None
    return None if place is None else place.removeprefix(".")


class _Repeated(str):
    """The path of a repeated name, in the place of the object that holds it."""

    __slots__ = ()


def _inside(value: object) -> str | None:
    if isinstance(value, _Repeated):
        return str(value)
    if isinstance(value, list):
        for place, entry in enumerate(value):
            if (inside := _inside(entry)) is not None:
                return f"[{place}]{inside}"
    return None
