"""The conditions of a map: ``when``, ``where``, ``leave_out`` and those that sort the lines of an order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from shop_platform.importing.money import cents_of, parse_money
from shop_platform.importing.records import Scope, ValueProblemError
from shop_platform.importing.spec import ValueSpec, When
from shop_platform.importing.values import Compiler

Condition = Callable[[Scope], bool]
Accepts = Callable[[str], bool]


def condition(compiler: Compiler, when: When, at: str, items: str | None = None) -> Condition:
    """Return the function that tells whether all of ``when`` holds for an entity, or for one of its ``items``.

    The function raises :class:`ValueProblemError` for an amount of ``positive`` or ``negative`` that is none, and when
    the rows of an entity disagree.
    """
    checks: list[Condition] = []

    def add(name: str, path: str, accepts: Accepts) -> None:
        checks.append(_check(compiler, path, f"{at}.{name}", accepts, items))

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
    for path, words in when.begins.items():
        add("begins", path, lambda text, words=tuple(words): text.startswith(words))  # type: ignore[misc]
    for path in when.positive:
        add("positive", path, _amount(compiler, path, lambda cents: cents > 0))
    for path in when.negative:
        add("negative", path, _amount(compiler, path, lambda cents: cents < 0, signed=True))
    return lambda scope: all(check(scope) for check in checks)


def any_of(compiler: Compiler, options: Sequence[When], at: str, items: str | None = None) -> Condition:
    """Return the function that tells whether one of ``options`` holds; none does where there is none."""
    made = [condition(compiler, when, f"{at}[{index}]", items) for index, when in enumerate(options)]
    return (lambda scope: any(option(scope) for option in made)) if made else (lambda _: False)


def _among(words: Collection[str], wanted: bool) -> Accepts:
    known = frozenset(words)
    return lambda text: (text in known) is wanted


def _containing(words: Collection[str]) -> Accepts:
    folded = [word.casefold() for word in words]
    return lambda text: any(word in text.casefold() for word in folded)


def _amount(compiler: Compiler, path: str, accepts: Callable[[int], bool], *, signed: bool = False) -> Accepts:
    """Return a check of an amount, read as the map reads this column elsewhere, or as it reads its only amounts.

    ``signed``: without the step that takes the sign away.
    """

    def check(text: str) -> bool:
        # Asked for now: a condition is made before the values that say how its column is read.
        steps = compiler.amounts.get(path) or next(iter(compiler.amounts.values()), None)
        if path not in compiler.amounts and steps:
            steps = [(name, step) for name, step in steps if name == "money"]
        if not text.strip():
            return False
        if steps is None:
            return accepts(parse_money(text))
        value = text
        for name, step in steps:
            value = value if signed and name == "absolute" else step(value)
        return bool(value) and accepts(cents_of(value))

    return check


def _check(compiler: Compiler, path: str, at: str, accepts: Accepts, items: str | None) -> Condition:
    value = compiler.value(ValueSpec(from_=path), at, items=items)

    def check(scope: Scope) -> bool:
        found = value.find(scope)
        try:
            return accepts(found.raw if found else "")
        except ValueError as error:
            raise ValueProblemError(str(error), scope.row, path, found.raw if found else "") from None

    return check
