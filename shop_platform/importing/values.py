"""From the specification of one value to a function that finds it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shop_platform.importing.document import Document
from shop_platform.importing.money import cents_of, format_money
from shop_platform.importing.phones import to_phone
from shop_platform.importing.records import (
    Getter,
    Scope,
    ValueProblemError,
    getter,
    shorten,
    text_of,
)
from shop_platform.importing.spec import ValueSpec
from shop_platform.importing.steps import Step, StepMistakeError, make_step

_TYPED = {"boolean", "date", "integer", "number", "time"}
_FORMS = ("from", "value", "first_of", "sum", "computed")


class Found(NamedTuple):
    """A value and where it came from. ``raw`` is the text of the file."""

    value: Any
    row: int
    column: str
    raw: str


Find = Callable[[Scope], Found | None]


@dataclass(frozen=True)
class Value:
    """How a value is found; ``columns`` names what it reads. ``find`` raises ValueProblemError, None is nothing."""

    find: Find
    columns: str = ""


@dataclass(frozen=True)
class Use:
    """A column (or the first key of a path) that the map reads, and where the map says so."""

    path: str
    at: str
    optional: bool


@dataclass
class Compiler:
    """Makes functions of specifications and collects which columns they read."""

    document: Document
    has_order: bool = False
    uses: list[Use] = field(default_factory=list)
    amounts: dict[str, list[tuple[str, Step]]] = field(default_factory=dict)
    """How the map reads the columns that it reads as amounts: conditions read them in the same way."""

    def value(self, spec: ValueSpec, at: str, last_step: str | None = None, *, items: str | None = None) -> Value:
        """Return the function for ``spec``; ``items`` names the list whose items are read, None for the record.

        ``last_step`` is the step that the field's type needs; it is added unless the map has it. Raises
        :class:`~shop_platform.errors.ShopError` for a specification that makes no sense.
        """
        forms = [name for name in _FORMS if getattr(spec, "from_" if name == "from" else name) is not None]
        if len(forms) != 1:
            got = " and ".join(forms) or "none of them"
            raise self.document.mistake(at, f"exactly one of {', '.join(_FORMS)} is needed, here is {got}")
        if spec.else_ is not None and forms[0] not in {"from", "first_of"}:
            raise self.document.mistake(f"{at}.else", f"`else` goes with from or first_of, not with {forms[0]}")
        if spec.do and forms[0] in {"first_of", "sum", "computed"}:
            raise self.document.mistake(f"{at}.do", f"`do` goes with from or value; put it inside {forms[0]}")
        if spec.value is not None:
            made = self._constant(spec.value, self._steps(spec, at, last_step), f"{at}.value")
        elif spec.computed is not None:
            made = self._computed(spec.computed, at, items)
        elif spec.first_of is not None:
            made = self._first(spec.first_of, at, last_step, items)
        elif spec.sum is not None:
            made = self._sum(spec.sum, at, items)
        else:
            made = self._read(spec, at, last_step, items)
        if spec.else_ is None:
            return made
        default = self._constant(spec.else_, self._steps(ValueSpec(), at, last_step), f"{at}.else")
        return Value(lambda scope: made.find(scope) or default.find(scope), made.columns)

    def _steps(self, spec: ValueSpec, at: str, last_step: str | None) -> list[tuple[str, Step]]:
        steps: list[tuple[str, Step]] = []
        for index, each in enumerate(spec.do):
            if isinstance(each, dict) and len(each) != 1:
                raise self.document.mistake(
                    f"{at}.do[{index}]", "a step has one name", "Write each step as its own item."
                )
            name, argument = (each, None) if isinstance(each, str) else next(iter(each.items()))
            try:
                steps.append((name, self._country_step(argument, f"{at}.do[{index}]") or make_step(name, argument)))
            except StepMistakeError as error:
                raise self.document.mistake(f"{at}.do[{index}]", str(error)) from None
        if last_step and last_step not in (name for name, _ in steps):
            steps.append((last_step, make_step(last_step)))
        for (before, _), (name, _) in itertools.pairwise(steps):
            if before in _TYPED | {"plus_days"} and name not in {"plus_days", "date"}:
                raise self.document.mistake(f"{at}.do", f"`{name}` works on text and cannot follow `{before}`")
        return steps

    def _country_step(self, argument: Any, at: str) -> Step | None:
        """Return the step ``phone`` that reads the country from the record, None for any other step."""
        if not isinstance(argument, dict) or "country_from" not in argument:
            return None
        make_step("phone", argument)
        country = self.value(ValueSpec(from_=argument["country_from"], of="record", optional=True), at, items=None)
        default = argument.get("country", "")

        def phone(text: str, scope: Scope | None = None) -> str:
            found = country.find(scope) if scope else None
            return to_phone(text, str(found.value) if found else default)

        return _InScope(phone)

    def _constant(self, text: str, steps: list[tuple[str, Step]], at: str) -> Value:
        value: Any = text
        for name, step in steps:
            try:
                value = step(value)
            except ValueError as error:
                raise self.document.mistake(at, f"'{text}' {error} ({name})") from None
        return Value(lambda scope: Found(value, scope.row, "", text))

    def _computed(self, name: str, at: str, items: str | None) -> Value:
        if name == "position" and items is None:
            raise self.document.mistake(f"{at}.computed", "position is there only for the items of a list")
        if name != "position" and not self.has_order:
            raise self.document.mistake(
                f"{at}.computed", f"'{name}' is computed by `order:`, which this map does not have"
            )
        return Value(
            lambda scope: Found(scope.computed[name], scope.row, "", "") if name in scope.computed else None,
            f"computed {name}",
        )

    def _first(self, specs: list[ValueSpec], at: str, last_step: str | None, items: str | None) -> Value:
        options = [self.value(each, f"{at}.first_of[{i}]", last_step, items=items) for i, each in enumerate(specs)]

        def first(scope: Scope) -> Found | None:
            return next((found for option in options if (found := option.find(scope)) is not None), None)

        return Value(first, _joined(option.columns for option in options))

    def _sum(self, specs: list[ValueSpec], at: str, items: str | None) -> Value:
        parts, named = self.many(specs, f"{at}.sum", items)

        def add(scope: Scope) -> Found | None:
            try:
                total = format_money(sum(cents_of(each.value) for each in parts(scope)))
            except ValueError as error:  # a constant of the map, which knows no currency
                raise ValueProblemError(str(error), scope.row, named) from None
            return Found(total, scope.row, named, total)

        return Value(add, named)

    def many(
        self, specs: list[ValueSpec], at: str, items: str | None = None
    ) -> tuple[Callable[[Scope], list[Found]], str]:
        """Return the function that finds all amounts of a list of specifications, and the columns that it reads."""
        parts: list[Callable[[Scope], list[Found]]] = []
        columns = []
        for index, each in enumerate(specs):
            inner = f"{at}[{index}]"
            if isinstance(each.from_, str) and "*" in each.from_.split("."):
                parts.append(self._read_all(each, inner, items))
                columns.append(each.from_)
            else:
                one = self.value(each, inner, "money", items=items)
                parts.append(lambda scope, find=one.find: [f for f in [find(scope)] if f is not None])  # type: ignore[misc]
                columns.append(one.columns)
        return lambda scope: [found for part in parts for found in part(scope)], _joined(columns)

    def _read_all(self, spec: ValueSpec, at: str, items: str | None) -> Callable[[Scope], list[Found]]:
        path = str(spec.from_)
        get, steps = self._getter(spec, path, at, items), self._steps(spec, at, "money")

        def read(scope: Scope) -> list[Found]:
            sources = [scope.item] if items and spec.of != "record" and scope.item else scope.entity.rows
            texts = [(row.number, _text(value, row.number, path)) for row in sources for value in get(row.data)]
            return [_apply(steps, text, number, path, scope) for number, text in texts if text.strip()]

        return read

    def _getter(self, spec: ValueSpec, path: str, at: str, items: str | None) -> Getter:
        if not path.strip():
            raise self.document.mistake(f"{at}.from", "a column's name is needed")
        if items in (None, "rows") or spec.of == "record":
            self.uses.append(Use(path, at, spec.optional))
        return getter(path)

    def _read(self, spec: ValueSpec, at: str, last_step: str | None, items: str | None) -> Value:
        paths = [spec.from_] if isinstance(spec.from_, str) else list(spec.from_ or [])
        if not paths:
            raise self.document.mistake(f"{at}.from", "a column's name is needed")
        if any("*" in path.split(".") for path in paths):
            raise self.document.mistake(f"{at}.from", "`*` gives many values; only `sum` takes them")
        if spec.of == "item" and items is None:
            raise self.document.mistake(f"{at}.of", "there are no items here", "Leave `of` out.")
        columns = [(path, self._getter(spec, path, at, items)) for path in paths]
        steps = self._steps(spec, at, last_step)
        one = items is not None and spec.of != "record"
        if any(name == "money" for name, _ in steps):
            self.amounts = dict.fromkeys(paths, steps) | self.amounts

        def read(scope: Scope) -> Found | None:
            for path, get in columns:
                text, row = _item_text(scope, path, get) if one else _record_text(scope, path, get)
                if text:
                    found = _apply(steps, text, row, path, scope)
                    if found.value != "":
                        return found
            return None

        return Value(read, ", ".join(paths))


def _joined(columns: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(name for name in columns if name))


def _text(value: Any, row: int, path: str) -> str:
    try:
        return text_of(value)
    except ValueError as error:
        raise ValueProblemError(str(error), row, path, str(value)) from None


def _item_text(scope: Scope, path: str, get: Getter) -> tuple[str, int]:
    assert scope.item is not None
    texts = [_text(value, scope.item.number, path) for value in get(scope.item.data)]
    return next((text for text in texts if text.strip()), ""), scope.item.number


def _record_text(scope: Scope, path: str, get: Getter) -> tuple[str, int]:
    """Return the text that the rows of an entity agree on; some of them may have none."""
    found, number = "", scope.entity.rows[0].number
    for row in scope.entity.rows:
        for value in get(row.data):
            text = _text(value, row.number, path)
            if not text.strip() or text == found:
                continue
            if found:
                raise ValueProblemError(
                    f"differs from '{shorten(found)}' in row {number}, though both rows are one entity",
                    row.number, path, text,
                )  # fmt: skip
            found, number = text, row.number
    return found, number


class _InScope:
    """A step that also looks at the record."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step

    def __call__(self, text: str) -> Any:
        return self.step(text)


def _apply(steps: list[tuple[str, Step]], text: str, row: int, path: str, scope: Scope | None = None) -> Found:
    value: Any = text
    for _, step in steps:
        try:
            value = step.step(value, scope) if isinstance(step, _InScope) else step(value)
        except ValueError as error:
            raise ValueProblemError(str(error), row, path, text) from None
        if value == "":
            break
    return Found(value, row, path, text)


def as_json(value: Any) -> Any:
    """Return a value as it stands in an event: dates and times as text."""
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else value
