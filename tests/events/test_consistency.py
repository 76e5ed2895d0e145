"""An event whose own amounts contradict each other is refused with the place and both figures."""

from __future__ import annotations

import json
import typing
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.consistency import contradiction_of
from shop_platform.events.currencies import MINOR_UNITS, minor_units
from shop_platform.events.decode import CONTRACT, ContractViolation, ErrorClass
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.events.vocabulary import Amount
from tests.support.events import event, refund

CENT = Decimal("0.01")


def money(amount: Decimal | int, decimals: int) -> str:
    return f"{Decimal(amount):.{decimals}f}"


def order(lines=((2, "10.00", "1.00", "3.61"),), *, currency="EUR", shipping="4.90", **changes):
    """Return an order that adds up; a line is quantity, unit price, discount, tax."""
    decimals = minor_units(currency)
    told = [(quantity, *map(Decimal, amounts)) for quantity, *amounts in lines]
    subtotal = sum(quantity * price for quantity, price, _, _ in told)
    discount, tax = sum(each[2] for each in told), sum(each[3] for each in told)
    return event(
        "shop.order.placed.v1",
        "ord_1",
        {
            "order_id": "ord_1", "customer_id": "cus_1", "channel": "web", "device": "mobile", "country": "DE",
            "currency": currency,
            "lines": [
                {"line_number": number, "product_id": "p", "sku": "p", "quantity": quantity}
                | dict(zip(("unit_price", "discount", "tax"), (money(each, decimals) for each in amounts), strict=True))
                for number, (quantity, *amounts) in enumerate(told, 1)
            ],
            "subtotal": money(subtotal, decimals), "discount": money(discount, decimals), "shipping": shipping,
            "tax": money(tax, decimals), "total": money(subtotal - discount + Decimal(shipping) + tax, decimals),
        }
        | changes,
    )  # fmt: skip


def outcomes(sent, topic="shop.orders"):
    """Return what both ways of reading say: ``None`` for an event, else the violation's class, place and sentence."""
    value, said = json.dumps(sent).encode(), []
    for decode in (CONTRACT.decode, CONTRACT._decode_strictly):
        try:
            decode(value, topic)
            said.append(None)
        except ContractViolation as violation:
            said.append((violation.error_class, violation.path, str(violation)))
    assert said[0] == said[1]
    return said[0]


AMOUNTS = st.integers(0, 5_000_00).map(lambda cents: str(cents * CENT))
LINES = st.lists(
    st.tuples(st.integers(1, 9), AMOUNTS, st.integers(0, 100), AMOUNTS).map(
        lambda line: (line[0], line[1], str((line[0] * Decimal(line[1]) * line[2] / 100).quantize(CENT)), line[3])
    ),
    min_size=1,
    max_size=4,
)


@given(lines=LINES, shipping=AMOUNTS, data=st.data())
def test_an_order_that_adds_up_is_read_and_one_that_is_a_cent_off_is_not(lines, shipping, data):
    sent = order(lines, shipping=shipping)
    assert outcomes(sent) is None
    field = data.draw(st.sampled_from(["subtotal", "discount", "tax", "total"]))
    off = Decimal(sent["data"][field]) + CENT
    sent["data"][field] = str(off)
    said = outcomes(sent)
    assert said[:2] == (ErrorClass.DATA_INVALID, f"$.data.{field}")
    assert f"`{field}` is '{off}', but " in said[2]
    assert said[2].count("'") == 4, "a list masks what stands between apostrophes"


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"total": "999.00"}, "$.data.total", "but subtotal - discount + shipping + tax is '27.51'"),
        ({"subtotal": "500.00"}, "$.data.subtotal", "but quantity x unit price of all lines is '20.00'"),
    ],
)
def test_both_figures_are_told(changes, path, sentence):
    said = outcomes(order(**changes))
    assert said[:2] == (ErrorClass.DATA_INVALID, path)
    assert sentence in said[2]


def test_a_discount_above_its_line_and_a_line_number_that_stands_twice():
    said = outcomes(order([(1, "10.00", "50.00", "1.90")], total="0.00"))
    assert said[1:] == (
        "$.data.lines[0].discount",
        "`lines[0].discount` is '50.00', more than its quantity x unit price '10.00'",
    )
    twice = order([(1, "10.00", "0.00", "1.90"), (1, "5.00", "0.00", "0.95")])
    twice["data"]["lines"][1]["line_number"] = 1
    assert outcomes(twice)[1:] == (
        "$.data.lines[1].line_number",
        "`lines[1].line_number` is '1', as that of an earlier line; number each line once",
    )


@pytest.mark.parametrize(
    ("version", "changes", "path"),
    [
        (1, {"amount": "10.01"}, "$.data.amount"),
        (2, {"refunded": {"net": "10.01", "tax": "1.90"}}, "$.data.refunded.net"),
        (2, {"refunded": {"net": "10.00", "tax": "1.91"}}, "$.data.refunded.tax"),
        (1, {"shipping": "4.905"}, "$.data.shipping"),
        (2, {"shipping": "4.905"}, "$.data.shipping"),
    ],
)
def test_a_refund_is_the_sum_of_its_lines(version, changes, path):
    assert outcomes(refund(version), "shop.returns") is None
    assert outcomes(refund(version, **changes), "shop.returns")[:2] == (ErrorClass.DATA_INVALID, path)


@pytest.mark.parametrize(
    ("currency", "price", "read"),
    [
        ("JPY", "1000", True), ("JPY", "1000.00", True), ("JPY", "1000.50", False), ("JPY", "1000.0000", False),
        ("KWD", "1.500", True), ("KWD", "1.50", True), ("KWD", "1", False), ("CLF", "1.2345", True),
        ("EUR", "1.50", True), ("EUR", "1.500", False), ("EUR", "1", False), ("SEK", "1.50", True),
    ],
)  # fmt: skip
def test_an_amount_has_the_decimals_of_its_currency(currency, price, read):
    seen = {"session_id": "ses_1", "visitor_id": "vis_1", "product_id": "p", "price": price, "currency": currency}
    said = outcomes(event("shop.web.product_viewed.v1", "ses_1", seen), "shop.web")
    assert (said is None) == read
    if not read:
        assert said[:2] == (ErrorClass.DATA_INVALID, "$.data.price")
        assert f"'{price}', but {currency} has" in said[2]


def test_orders_of_every_kind_of_currency_add_up():
    assert outcomes(order([(2, "1000", "100", "190")], currency="JPY", shipping="500")) is None
    assert outcomes(order([(3, "1.505", "0.500", "0.750")], currency="KWD", shipping="1.500")) is None
    said = outcomes(order([(3, "1.505", "0.500", "0.750")], currency="KWD", shipping="1.500", total="6.266"))
    assert "`total` is '6.266', but subtotal - discount + shipping + tax is '6.265'" in said[2]
    line = {"line_number": 1, "product_id": "p", "sku": "p", "quantity": 1, "unit_price": "1.005", "discount": "0.00"}
    said = outcomes(
        order(lines=[(1, "1.00", "0.00", "0.00")]) | {"data": order()["data"] | {"lines": [line | {"tax": "0.00"}]}}
    )
    assert said[1:] == ("$.data.lines[0].unit_price", "`lines[0].unit_price` is '1.005', but EUR has two decimals")


def test_every_amount_of_the_contract_stands_beside_a_currency():
    for kind in EVENT_TYPES.values():
        hints = typing.get_type_hints(kind.payload, include_extras=True)
        amounts = [f.name for f in msgspec.structs.fields(kind.payload) if hints[f.name] == Amount]
        assert not amounts or "currency" in hints, kind.name
        assert not amounts or contradiction_of(kind.payload) is not None, kind.name
    assert max(MINOR_UNITS.values()) <= 4


@pytest.mark.parametrize(
    ("placed_at", "error_class", "words"),
    [
        ("1970-01-01T00:00:00Z", ErrorClass.TIME_IMPLAUSIBLE, "is '1970-01-01T00:00:00+00:00', before '2000-01-01'"),
        ("0001-01-01T00:00:00+14:00", ErrorClass.TIME_IMPLAUSIBLE, "before '2000-01-01'"),
        ("2099-01-01T00:00:00Z", ErrorClass.TIME_IMPLAUSIBLE, "the latest that is taken"),
        ("9999-12-31T23:59:59-14:00", ErrorClass.TIME_IMPLAUSIBLE, "the latest that is taken"),
        ("2026-03-01T09:00:01Z", ErrorClass.DATA_INVALID, "after `time`"),
    ],
)
def test_an_amendment_says_plausibly_when_its_order_was_placed(placed_at, error_class, words):
    amended = order() | {"type": "shop.order.amended.v1", "time": "2026-03-01T09:00:00Z"}
    amended["data"] = amended["data"] | {"placed_at": amended["time"]}
    CONTRACT.decode(json.dumps(amended).encode(), "shop.orders")
    amended["data"]["placed_at"] = placed_at
    with pytest.raises(ContractViolation) as found:
        CONTRACT.decode(json.dumps(amended).encode(), "shop.orders")
    assert (found.value.error_class, found.value.path) == (error_class, "$.data.placed_at")
    assert str(found.value).startswith("`placed_at` is '") and words in str(found.value)
