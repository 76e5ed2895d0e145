"""From the contract's payload types and a map's ``data`` to functions that build an event's data."""

from __future__ import annotations

import datetime as dt
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from shop_platform.errors import ShopError
from shop_platform.events.vocabulary import Amount
from shop_platform.importing.document import near
from shop_platform.importing.records import Problem, Row, Scope, ValueProblemError, items_of
from shop_platform.importing.spec import ValueSpec
from shop_platform.importing.values import Compiler, Found, Value, as_json

_LAST_STEPS: dict[Any, str] = {int: "integer", bool: "boolean", dt.date: "date"}


@dataclass
class Building:
    """One attempt to build an event's data: what went wrong, and on request where each value came from."""

    event_type: str
    problems: list[Problem]
    trace: dict[str, Found] | None = None


@dataclass(frozen=True)
class ObjectRule:
    """How the fields of one object are found; the order is the contract's."""

    fields: tuple[tuple[str, bool, Value | ObjectRule | ListRule], ...]

    def build(self, scope: Scope, building: Building, where: str = "") -> dict[str, Any]:
        """Return the object; what is missing or wrong is noted in ``building``."""
        made: dict[str, Any] = {}
        for name, required, rule in self.fields:
            at = f"{where}.{name}".lstrip(".")
            try:
                if isinstance(rule, Value):
                    found = rule.find(scope)
                    if found is not None:
                        made[name] = as_json(found.value)
                        if building.trace is not None:
                            building.trace[at] = found
                    elif required:
                        building.problems.append(
                            Problem(scope.row, "is empty or not there", rule.columns, "", building.event_type, at)
                        )
                else:
                    made[name] = rule.build(scope, building, at)
            except ValueProblemError as error:
                building.problems.append(error.problem(building.event_type, at))
        return made


@dataclass(frozen=True)
class ListRule:
    """How the objects of a list are built: one for each item."""

    items: Callable[[Any], list[Row]]
    item: ObjectRule

    def build(self, scope: Scope, building: Building, where: str) -> list[dict[str, Any]]:
        """Return the list of objects."""
        return [
            self.item.build(
                Scope(scope.entity, row, {**scope.computed, "position": index + 1}), building, f"{where}[{index}]"
            )
            for index, row in enumerate(self.items(scope.entity))
        ]


def object_rule(
    compiler: Compiler,
    struct: Any,
    raw: Any,
    at: str,
    *,
    made_elsewhere: tuple[str, ...] = (),
    items: str | None = None,
) -> ObjectRule:
    """Return the rule for an object of the contract's type ``struct`` from its part of a map.

    Raises :class:`ShopError` for a field that the contract does not know, a required one that is not mapped, and one
    of ``made_elsewhere``.
    """
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    if not isinstance(raw, dict):
        raise compiler.document.mistake(at, "keys with values are expected", f"Fields: {', '.join(fields)}.")
    for name in raw:
        if name in made_elsewhere:
            raise compiler.document.mistake(f"{at}.{name}", "this field follows from the amounts", "Leave it out here.")
        if name not in fields:
            raise _unknown_field(compiler, name, fields, at)
    rules = []
    for name, field in fields.items():
        if name in raw:
            rules.append((name, field.required, _rule(compiler, field.type, raw[name], f"{at}.{name}", items)))
        elif field.required and name not in made_elsewhere:
            raise compiler.document.mistake(
                at, f"the contract requires the field '{name}', and the map has no rule for it"
            )
    return ObjectRule(tuple(rules))


def _unknown_field(compiler: Compiler, name: str, fields: dict[str, Any], at: str) -> ShopError:
    guesses = near(name, fields)
    meant = f"Did you mean '{guesses[0]}'? " if guesses else ""
    return compiler.document.mistake(
        f"{at}.{name}", f"the contract has no field '{name}' here", f"{meant}Fields: {', '.join(fields)}."
    )


def _rule(compiler: Compiler, kind: Any, raw: Any, at: str, items: str | None) -> Value | ObjectRule | ListRule:
    kind = _without_none(kind)
    inner = _element(kind)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        if inner is _bare(kind):
            return object_rule(compiler, inner, raw, at, items=items)
        if not isinstance(raw, dict) or set(raw) != {"each", "fields"} or not isinstance(raw["each"], str):
            raise compiler.document.mistake(at, "a list is written as `each: rows` (or a path) and `fields: {...}`")
        rule = object_rule(compiler, inner, raw["fields"], f"{at}.fields", items=raw["each"])
        return ListRule(items_of(raw["each"]), rule)
    return compiler.value(compiler.document.convert(raw, ValueSpec, at), at, last_step(kind), items=items)


def last_step(kind: Any) -> str | None:
    """Return the step that makes text fit a field of type ``kind``, None where text is what it takes."""
    kind = _without_none(kind)
    return "money" if kind == Amount else _LAST_STEPS.get(_bare(kind))


def _without_none(kind: Any) -> Any:
    options = typing.get_args(kind)
    return next(option for option in options if option is not type(None)) if type(None) in options else kind


def _bare(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _element(kind: Any) -> Any:
    """Return the type of a tuple's elements, or the type itself."""
    bare = _bare(kind)
    return typing.get_args(bare)[0] if typing.get_origin(bare) is tuple else bare
