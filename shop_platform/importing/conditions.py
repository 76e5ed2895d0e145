"""The conditions of a map: ``when`` and ``leave_out``."""

from __future__ import annotations

from collections.abc import Callable, Collection

from shop_platform.importing.money import parse_money
from shop_platform.importing.records import Scope, ValueProblemError
from shop_platform.importing.spec import ValueSpec, When
from shop_platform.importing.values import Compiler

Condition = Callable[[Scope], bool]
Accepts = Callable[[str], bool]


def condition(compiler: Compiler, when: When, at: str) -> Condition:
    """Return the function that tells whether all of ``when`` holds for an entity.

    The function raises :class:`ValueProblemError` for an amount of ``positive`` that is none, and when the rows of an
    entity disagree.
    """
    checks: list[Condition] = []

    def add(name: str, path: str, accepts: Accepts) -> None:
        checks.append(_check(compiler, path, f"{at}.{name}", accepts))

    for path in when.present:
        add("present", path, bool)
    for path in when.absent:
        add("absent", path, lambda text: not text)
    for path, words in when.one_of.items():
        add("one_of", path, _among(words, True))
    for path, words in when.none_of.items():
        add("none_of", path, _among(words, False))
    for path, words in when.contains.items():
        add("contains", path, _containing(words))
    for path in when.positive:
        add("positive", path, lambda text: bool(text) and parse_money(text) > 0)
    return lambda scope: all(check(scope) for check in checks)


def _among(words: Collection[str], wanted: bool) -> Accepts:
    known = frozenset(words)
    return lambda text: (text in known) is wanted


def _containing(words: Collection[str]) -> Accepts:
    folded = [word.casefold() for word in words]
    return lambda text: any(word in text.casefold() for word in folded)


def _check(compiler: Compiler, path: str, at: str, accepts: Accepts) -> Condition:
    value = compiler.value(ValueSpec(from_=path), at)

    def check(scope: Scope) -> bool:
        found = value.find(scope)
        try:
            return accepts(found.raw if found else "")
        except ValueError as error:
            raise ValueProblemError(str(error), scope.row, path, found.raw if found else "") from None

    return check
