"""Count the quotation marks of extension attributes, and remember by source which ones it sends.

To find out which attributes an event has beside those of the contract costs more than to read it. A source sends the
same ones again and again: those that it has sent are read by their names, and only what is left over is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from shop_platform.events.envelope import Envelope, decode_fields
from shop_platform.events.twice import has_each_name_once

_QUOTE = ord('"')
_NESTED = b"{["
_ATTRIBUTES = frozenset(Envelope.__struct_fields__)
# What a struct may call a field, and what nobody needs to exceed: a producer that gives each event a name of its own
# must not fill the memory.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_NAMES = 8
_MAX_SOURCES = 1000
_MAX_READERS = 256

_Reader = Callable[[bytes], Any]
_Value = str | int | float | bool | msgspec.UnsetType | None
_values_of = msgspec.structs.astuple


class Extensions:
    """The extension attributes that each source has sent: of the first thousand sources, eight names each."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}
        self._readers: dict[str, _Reader] = {}

    def are_all(self, value: bytes, source: str, marks: int) -> bool:
        """Tell whether ``marks`` quotation marks of a read event are those of extension attributes, each told once.

        In doubt (an attribute that is an object or a list) it says no, or raises :class:`msgspec.DecodeError`.
        """
        read = self._readers.get(source)
        if read is not None:
            left = marks
            for each in _values_of(read(value)):
                # At least so many: one within a text is a further one, and then one looks again.
                if each.__class__ is str:
                    left -= 4
                elif each is not msgspec.UNSET:
                    left -= 2
            if not left:
                return True
        names = names_if_once(value, marks)
        if names is None:
            return False
        self._remember(source, names)
        return True

    def _remember(self, source: str, names: frozenset[str]) -> None:
        known = self._names.get(source, frozenset())
        more = frozenset(filter(_NAME.fullmatch, names)) | known
        if more != known and len(more) <= _MAX_NAMES and (known or len(self._names) < _MAX_SOURCES):
            self._names[source], self._readers[source] = more, _reader(more)


@lru_cache(_MAX_READERS)
def _reader(names: frozenset[str]) -> _Reader:
    """Return what reads these attributes of an event, and nothing else; it refuses an object or a list."""
    fields = {f"x{number}": name for number, name in enumerate(sorted(names))}
    attributes = [(field, _Value, msgspec.UNSET) for field in fields]
    return msgspec.json.Decoder(msgspec.defstruct("Attributes", attributes, rename=fields, gc=False)).decode


def extensions_of(value: bytes) -> frozenset[str]:
    """Return the names of the extension attributes of an event that was read."""
    return frozenset(decode_fields(value).keys() - _ATTRIBUTES)


def names_if_once(value: bytes, marks: int) -> frozenset[str] | None:
    """Return the names of an event's extension attributes if it tells each name once, and its data once.

    ``marks`` quotation marks are not those of the contract's fields. ``None`` where a name stands twice, or in doubt.
    """
    members = decode_fields(value)
    names = members.keys() - _ATTRIBUTES
    further = [bytes(members[name]) for name in names]
    if "data_base64" in members or any(text[0] in _NESTED for text in further):
        return None
    if marks == sum(2 + text.count(_QUOTE) for text in further) or has_each_name_once(value):
        return frozenset(names)
    return None
