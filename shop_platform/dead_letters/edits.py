"""Small changes that many letters share: set a place, take one away, give each its id (pure)."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shop_platform.dead_letters.document import Pairs, dump, lines, parse, read_path, set_value, unset_value
from shop_platform.dead_letters.letters import Letter
from shop_platform.dead_letters.verdict import id_for
from shop_platform.dead_letters.visible import printable
from shop_platform.errors import ShopError

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Edits:
    """What to do to each document, in this order: set, unset, give the id."""

    to_set: tuple[tuple[_Path, Any], ...] = ()
    to_unset: tuple[_Path, ...] = ()
    give_id: bool = False
    paths: tuple[str, ...] = ()

    def apply(self, letter: Letter) -> bytes | None:
        """Return the changed document, or ``None`` when there is none or a place to set has no parent.

        A document in which nothing changes comes back as it was, byte for byte. Of a message in binary mode it is the
        whole event, with the attributes from its headers.
        """
        try:
            tree = parse(letter.document)
        except ValueError:
            return None
        if not isinstance(tree, Pairs):
            return None
        before = dump(tree)
        for path, value in self.to_set:
            if not set_value(tree, path, copy.deepcopy(value)):
                return None
        for path in self.to_unset:
            unset_value(tree, path)
        if self.give_id:
            set_value(tree, ("id",), str(id_for(letter)))
        after = dump(tree)
        return letter.value if after == before else after


def read_edits(to_set: Sequence[str], to_unset: Sequence[str], *, give_id: bool) -> Edits:
    """Return the edits that a person typed (``$.data.page_type="category"``); raise :class:`ShopError` if they err."""
    assignments = []
    for text in to_set:
        path, _, literal = text.partition("=")
        try:
            value = parse(literal.encode())
        except ValueError as error:
            raise ShopError(
                f"'{text}' does not set a place to a JSON value",
                """Write it like --set '$.data.page_type="category"' (text stands in double quotes).""",
            ) from error
        assignments.append((path.strip(), read_path(path.strip()), value))
    removals = [(text.strip(), read_path(text.strip())) for text in to_unset]
    return Edits(
        tuple((path, value) for _, path, value in assignments),
        tuple(path for _, path in removals),
        give_id,
        (*(text for text, _, _ in assignments), *(text for text, _ in removals), *(["$.id"] if give_id else [])),
    )


def difference(before: bytes, after: bytes) -> list[str]:
    """Return the changed lines of two JSON documents with a line of context, safe to print."""
    old, new = ([line.text for line in lines(parse(value))] for value in (before, after))
    changed = list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
    return [printable(line) for line in changed if not line.startswith("@@")]
