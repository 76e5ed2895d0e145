"""From a map file to the rules of an import; every mistake in the map is found here, before a row is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shop_platform.errors import ShopError
from shop_platform.events.envelope import SourceUri
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from shop_platform.importing.conditions import Condition, any_of, condition
from shop_platform.importing.contract import ObjectRule, object_rule
from shop_platform.importing.document import Document, near
from shop_platform.importing.ids import KEY_FIELDS
from shop_platform.importing.orders import MADE_FOR_ORDERS, MADE_FOR_REFUNDS, OrderRule, order_rule
from shop_platform.importing.records import ROWS, Entity, Row, Scope, items_of
from shop_platform.importing.scope import STORE, prefix_of, source_of
from shop_platform.importing.spec import CsvSpec, EventSpec, LeaveOut, MapSpec, When
from shop_platform.importing.values import Compiler, Use, Value

PLACED, REFUND = "shop.order.placed.v1", "shop.refund.issued.v1"
_A_STORE = "Up to 20 small letters, digits and hyphens, as in `kiel`."


@dataclass(frozen=True)
class EventRule:
    """When an event type is made, and of what. ``items``: one event for each, None: one for the entity."""

    type: str
    topic: str
    key_field: str
    subject_field: str
    field_names: tuple[str, ...]
    time: Value
    is_estimated: bool
    applies: Condition
    items: Callable[[Entity], list[Row]] | None
    where: Condition
    data: ObjectRule
    refund: Value | None


@dataclass(frozen=True)
class Plan:
    """Everything that an import knows before it opens its file."""

    document: Document
    source: str
    unscoped_source: str
    store: str | None
    shared: tuple[str, ...]
    group_by: str | None
    csv: CsvSpec
    left_out: tuple[tuple[str, Condition], ...]
    is_no_row: Condition | None
    order: OrderRule | None
    events: tuple[EventRule, ...]
    currency: Value | None
    uses: tuple[Use, ...]

    @property
    def prefix(self) -> str:
        """What stands before every id of the store."""
        return prefix_of(self.store)

    def reason_to_leave_out(self, scope: Scope) -> str | None:
        """Return why an entity is not imported, None when it is."""
        return next((reason for reason, applies in self.left_out if applies(scope)), None)


def read_plan(path: Path, store: str | None = None) -> Plan:
    """Return the rules of the map at ``path``; raise :class:`~shop_platform.errors.ShopError` naming what is wrong.

    ``store`` takes the place of the map's own.
    """
    document = Document(path)
    spec = document.convert(document.data, MapSpec, "")
    try:
        msgspec.convert(spec.source, SourceUri)
    except msgspec.ValidationError:
        raise document.mistake(
            ".source", f"'{spec.source}' is no URI reference", "Write it like /shopify/orders, without spaces."
        ) from None
    compiler = Compiler(document, has_order=spec.order is not None)
    if spec.group_by is not None:
        compiler.uses.append(Use(spec.group_by, ".group_by", optional=False))
    order = order_rule(compiler, spec.order, ".order") if spec.order else None
    if spec.order and spec.order.each != ROWS:
        compiler.uses.append(Use(spec.order.each, ".order.each", optional=False))
    if store is not None and not STORE.fullmatch(store):
        raise ShopError(f"--store: '{store}' is no name of a store", _A_STORE)
    if spec.store is not None and not STORE.fullmatch(spec.store):
        raise document.mistake(".store", f"'{spec.store}' is no name of a store", _A_STORE)
    store = store or spec.store
    events = tuple(_event(compiler, event, f".events[{index}]") for index, event in enumerate(spec.events))
    no_row = any_of(compiler, spec.leave_out_rows, ".leave_out_rows", ROWS) if spec.leave_out_rows else None
    return Plan(
        document, source_of(spec.source, store), spec.source, store,
        tuple(spec.shared), spec.group_by, spec.csv, _left_out(compiler, spec), no_row, order, events,
        _currency(events), tuple(compiler.uses),
    )  # fmt: skip


def _left_out(compiler: Compiler, spec: MapSpec) -> tuple[tuple[str, Condition], ...]:
    if isinstance(spec.leave_out, LeaveOut):
        return ((spec.leave_out.because, condition(compiler, spec.leave_out, ".leave_out")),)
    return tuple(
        (each.because, condition(compiler, each, f".leave_out[{index}]"))
        for index, each in enumerate(spec.leave_out or [])
    )


def _currency(events: Sequence[EventRule]) -> Value | None:
    """Return how the currency of an entity's amounts is found: that of the first event that has one for the entity."""
    found = [
        rule for event in events if event.items is None for name, _, rule in event.data.fields if name == "currency"
    ]
    return next((rule for rule in found if isinstance(rule, Value)), None)


def _event(compiler: Compiler, spec: EventSpec, at: str) -> EventRule:
    name = _type_name(compiler.document, spec.type, f"{at}.type")
    kind = EVENT_TYPES[name]
    made: tuple[str, ...] = ()
    if name == PLACED:
        if not compiler.has_order:
            raise compiler.document.mistake(f"{at}.type", "order.placed needs `order:` at the top of the map")
        if spec.each:
            raise compiler.document.mistake(f"{at}.each", "an order is placed once; leave `each` out")
        made = MADE_FOR_ORDERS
    if spec.refund:
        if name != REFUND or not compiler.has_order:
            raise compiler.document.mistake(f"{at}.refund", "`refund:` is for refund.issued in a map with `order:`")
        made = MADE_FOR_REFUNDS
    if spec.each and spec.each != ROWS:
        compiler.uses.append(Use(spec.each, f"{at}.each", optional=False))
    if spec.where and not spec.each:
        raise compiler.document.mistake(f"{at}.where", "`where` chooses items of `each`; for the whole record: `when`")
    return EventRule(
        type=name, topic=TOPIC_OF_TYPE[name].name, key_field=KEY_FIELDS[name], subject_field=kind.subject_field,
        field_names=tuple(kind.payload.__struct_fields__),
        time=compiler.value(spec.time, f"{at}.time", "time", items=spec.each), is_estimated=spec.estimated_time,
        applies=condition(compiler, spec.when, f"{at}.when"), items=items_of(spec.each) if spec.each else None,
        where=condition(compiler, spec.where or When(), f"{at}.where", spec.each),
        data=object_rule(compiler, kind.payload, spec.data, f"{at}.data", made_elsewhere=made, items=spec.each),
        refund=compiler.value(spec.refund.total, f"{at}.refund.total", "money", items=spec.each)
        if spec.refund else None,
    )  # fmt: skip


def _type_name(document: Document, given: str, at: str) -> str:
    name = given if re.fullmatch(r"shop\..+\.v[0-9]+", given) else f"shop.{given}.v1"
    if name in KEY_FIELDS:
        return name
    known = [each.removeprefix("shop.").removesuffix(".v1") for each in KEY_FIELDS]
    guesses = near(given, known)
    meant = f"Did you mean '{guesses[0]}'? " if guesses else ""
    what = "is not made by imports" if name in EVENT_TYPES else "is not in the contract"
    raise document.mistake(at, f"the event type '{given}' {what}", f"{meant}Allowed: {', '.join(known)}.")
