"""What a map may say: the shape of the YAML file (docs/import.md is its reference)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from shop_platform.importing.charges import TaxMode

_Texts = dict[str, list[str]]
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: an unknown key is a mistake."""


class When(_Spec, frozen=True):
    """Conditions; all that are given must hold."""

    present: list[str] = []
    absent: list[str] = []
    one_of: _Texts = {}
    none_of: _Texts = {}
    contains: _Texts = {}
    begins: _Texts = {}
    positive: list[str] = []
    negative: list[str] = []


class LeaveOut(When, frozen=True):
    """Which entities are not imported, and why: the report counts them by reason."""

    because: NonEmpty = "as the map says"


class ValueSpec(_Spec, frozen=True):
    """Where one value comes from: exactly one of ``from``, ``value``, ``first_of``, ``sum``, ``computed``."""

    from_: str | list[str] | None = msgspec.field(default=None, name="from")
    value: str | None = None
    first_of: list[ValueSpec] | None = None
    sum: list[ValueSpec] | None = None
    computed: Literal["subtotal", "discount", "shipping", "tax", "total", "position"] | None = None
    do: list[str | dict[str, Any]] = []
    else_: str | None = msgspec.field(default=None, name="else")
    of: Literal["record", "item"] | None = None
    optional: bool = False


class LineSpec(_Spec, frozen=True):
    """One order line. ``unit_price`` or ``before_discount`` (of all units); ``discount`` or ``after_discount``."""

    product_id: ValueSpec
    sku: ValueSpec
    quantity: ValueSpec
    unit_price: ValueSpec | None = None
    before_discount: ValueSpec | None = None
    discount: ValueSpec | None = None
    discount_percent: ValueSpec | None = None
    after_discount: ValueSpec | None = None
    tax: ValueSpec | None = None


class OrderSpec(_Spec, frozen=True):
    """What an order consists of, as the shop exported it. Of a list of conditions one must hold."""

    line: LineSpec
    each: str = "rows"
    charge_lines: list[When] = []
    gift_card_lines: list[When] = []
    leave_out_lines: list[When] = []
    part_units: Literal["fail", "round_up"] = "fail"
    charges: list[ValueSpec] = []
    shipping: ValueSpec | None = None
    shipping_discount: ValueSpec | None = None
    discount: ValueSpec | None = None
    discount_percent: ValueSpec | None = None
    goods_after_discount: ValueSpec | None = None
    tax: ValueSpec | None = None
    total: ValueSpec | None = None
    paid_by_gift_card: ValueSpec | None = None
    tolerance: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    prices_include_tax: TaxMode = "no"


class RefundSpec(_Spec, frozen=True):
    """How much went back, with tax: amount, tax and lines of the event follow from the order."""

    total: ValueSpec


class EventSpec(_Spec, frozen=True):
    """One event type, when it is made and of what. ``data`` has the shape of the contract's payload."""

    type: str
    time: ValueSpec
    data: dict[str, Any]
    estimated_time: bool = False
    when: When = When()
    each: str | None = None
    where: When | None = None
    refund: RefundSpec | None = None


class CsvSpec(_Spec, frozen=True):
    """How a CSV file is written."""

    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = ","
    encoding: str = "utf-8"


class MapSpec(_Spec, frozen=True):
    """The whole file."""

    version: Literal["1"]
    source: NonEmpty
    events: Annotated[list[EventSpec], msgspec.Meta(min_length=1)]
    group_by: str | None = None
    csv: CsvSpec = CsvSpec()
    leave_out_rows: list[When] = []
    leave_out: list[LeaveOut] | LeaveOut | None = None
    store: NonEmpty | None = None
    shared: list[Literal["product_id", "customer_id"]] = []
    order: OrderSpec | None = None
