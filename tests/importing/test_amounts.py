"""The laws of the arithmetic: nothing of an order is lost or invented, whatever its figures."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shop_platform.importing.amounts import (
    AmountsError,
    LineCharge,
    OrderAmounts,
    OrderCharge,
    order_amounts,
    split_refunds,
)
from shop_platform.importing.money import amounts_in, apportion, cents_of, format_money, parse_money
from shop_platform.importing.ndjson_source import NdjsonSource
from shop_platform.importing.records import text_of
from tests.importing.files import write_lines

CENTS = st.integers(0, 10**9)
WEIGHTS = st.lists(st.integers(0, 10**7), min_size=1, max_size=12)


@given(st.integers(-(10**12), 10**12), st.sampled_from([".", ","]), st.sampled_from(["", ".", ",", " ", "'"]))
def test_money_is_read_as_it_was_written_in_any_country(cents, decimal, thousands):
    assume(decimal != thousands)
    whole, rest = divmod(abs(cents), 100)
    text = f"{whole:,}".replace(",", thousands) + f"{decimal}{rest:02}"
    assert parse_money("-" * (cents < 0) + text, decimal=decimal, thousands=thousands) == cents


@given(st.integers(-(10**12), 10**12))
def test_the_contracts_text_of_money_is_read_back(cents):
    assert cents_of(format_money(cents)) == parse_money(format_money(cents)) == cents


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("1,234.50", {}, '`do: [{money: {thousands: ","}}]` reads it'),
        ("€1.234,50", {}, '`do: [{remove: "€"}, {money: {decimal: ",", thousands: "."}}]` reads it'),
        ("1,234", {}, '`do: [{money: {decimal: ","}}]` or `do: [{money: {thousands: ","}}]` reads it'),
        ("1.234", {}, "more than two decimals"),
        ("12.345,00", {"decimal": ",", "thousands": " "}, "is not an amount"),
        ("1.23.456,00", {"decimal": ",", "thousands": "."}, "three digits"),
        ("12,", {"decimal": ","}, "is not an amount"),
        ("1e3", {}, "is not an amount"),
        ("٣.٠٠", {}, "is not an amount"),
        ("", {}, "is not an amount"),
    ],
)
def test_what_is_no_amount_is_refused_and_never_guessed(text, options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_money(text, **options)


@pytest.mark.parametrize(
    ("text", "rounds", "cents"),
    [
        ("16.7", False, 1670),
        ("3", False, 300),
        ("2.500000", False, 250),
        ("0.125", True, 13),
        ("+1.50", False, 150),
        ("(1.50)", False, -150),
        ("1.50-", False, -150),
        ("\u22121.50", False, -150),
    ],
)
def test_signs_and_fewer_decimals_are_exact_and_more_are_rounded_only_on_request(text, rounds, cents):
    assert parse_money(text, rounds=rounds) == cents


@pytest.mark.parametrize(
    ("currency", "text", "in_cents", "told"),
    [
        ("EUR", "1250", True, "12.50"),
        ("EUR", "-5", True, "-0.05"),
        ("EUR", "1250.0", True, "12.50"),
        ("JPY", "1250", True, "1250.00"),
        ("JPY", "1250", False, "1250.00"),
        ("JPY", "1250.00", False, "1250.00"),
        ("KWD", "1250", True, "1.250"),
        ("KWD", "1.25", False, "1.250"),
        ("CLF", "12", True, "0.0012"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency_and_may_be_given_in_its_smallest_unit(
    currency, text, in_cents, told
):
    with amounts_in(currency):
        assert format_money(parse_money(text, in_cents=in_cents)) == told
        assert format_money(cents_of(told)) == told
    assert format_money(parse_money("1250", in_cents=True)) == "12.50", "the next entity is of another currency"


@pytest.mark.parametrize(
    ("currency", "text", "options", "said"),
    [
        ("EUR", "12.5", {"in_cents": True}, "has more than 0 decimals"),
        ("JPY", "12.50", {}, "has more than 0 decimals"),
        ("KWD", "1.2345", {}, "has more than 3 decimals"),
    ],
)
def test_decimals_that_a_currency_does_not_have_are_refused(currency, text, options, said):
    with amounts_in(currency), pytest.raises(ValueError, match=said):
        parse_money(text, **options)
    with amounts_in("JPY"), pytest.raises(ValueError, match="has more than 0 decimals"):
        cents_of("4.90")


@given(CENTS, WEIGHTS)
def test_shares_add_up_and_differ_by_less_than_a_cent_from_the_exact_ones(amount, weights):
    shares = apportion(amount, weights)
    assert sum(shares) == amount
    if sum(weights):
        assert all(abs(s * sum(weights) - amount * w) < sum(weights) for s, w in zip(shares, weights, strict=True))


@given(WEIGHTS, st.data())
def test_no_share_exceeds_its_weight_when_the_amount_does_not(weights, data):
    amount = data.draw(st.integers(0, sum(weights)))
    assert all(0 <= share <= weight for share, weight in zip(apportion(amount, weights), weights, strict=True))


@st.composite
def charges(draw):
    """An order as some shop might export it; its figures agree."""
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        quantity, price = draw(st.integers(1, 40)), draw(st.integers(0, 30_000))
        has_price = draw(st.booleans())
        gross = quantity * price if has_price else draw(st.integers(0, 500_000))
        discount = draw(st.integers(0, gross)) if draw(st.booleans()) else 0
        lines.append(LineCharge(quantity, gross, discount, price if has_price else None))
    shipping, gross, own = draw(st.integers(0, 5_000)), sum(x.gross for x in lines), sum(x.discount for x in lines)
    discount = draw(st.integers(own, gross))
    goods = gross - discount
    includes = draw(st.booleans())
    tax = draw(st.integers(0, (goods + shipping) * 2 // 10))
    total = goods + shipping + (0 if includes else tax)
    return OrderCharge(tuple(lines), shipping, discount, goods, tax, total, "yes" if includes else "no")


@given(charges())
def test_an_order_keeps_its_total_and_its_tax_to_the_cent_and_fits_the_contract(charge):
    order = order_amounts(charge)
    assert (order.total, order.tax, len(order.lines)) == (charge.total, charge.tax, len(charge.lines))
    assert order.total == order.subtotal - order.discount + order.shipping + order.tax
    for line, was in zip(order.lines, charge.lines, strict=True):
        assert line.quantity == was.quantity
        assert 0 <= line.discount <= line.quantity * line.unit_price
        assert min(line.unit_price, line.tax, line.net, order.shipping) >= 0


@given(charges())
def test_whether_prices_include_tax_is_told_by_the_total(charge):
    assume(charge.tax)
    by_total = OrderCharge(**{**charge.__dict__, "includes_tax": "by_total"})
    assert order_amounts(by_total) == order_amounts(charge)


@given(charges())
def test_prices_without_tax_and_with_a_unit_price_are_left_as_they_are(charge):
    assume(charge.includes_tax == "no")
    for line, was in zip(order_amounts(charge).lines, charge.lines, strict=True):
        if was.unit_price is not None:
            assert line.unit_price == was.unit_price and line.discount >= was.discount
        else:
            assert 0 <= line.quantity * line.unit_price - was.gross < line.quantity


@given(charges(), st.integers(1, 10_000))
def test_a_total_that_does_not_follow_is_refused(charge, difference):
    wrong = OrderCharge(**{**charge.__dict__, "total": charge.total + difference})
    with pytest.raises(AmountsError, match="do not come to the order's total"):
        order_amounts(wrong)


def test_a_discount_for_free_shipping_goes_off_the_shipping_and_not_off_the_goods():
    charge = OrderCharge((LineCharge(1, 9300, 0, 9300),), 1500, 1500, 9300, 0, 9300, "no")
    order = order_amounts(charge)
    assert (order.subtotal, order.discount, order.shipping, order.total) == (9300, 0, 0, 9300)


@pytest.mark.parametrize(
    ("charge", "said"),
    [
        (OrderCharge((LineCharge(1, 100, 30),), discount=20), "lines' discounts 0.30 are more"),
        (OrderCharge((LineCharge(1, 100),), discount=120), "discount 1.20 is more than the goods"),
        (OrderCharge((LineCharge(1, 100, 130),)), "a line of 1.00 has a discount of 1.30"),
        (OrderCharge((LineCharge(1, 100),), tax=150, includes_tax="yes"), "taxes 1.50 are more than the order"),
    ],
)
def test_figures_that_contradict_each_other_are_named(charge, said):
    with pytest.raises(AmountsError, match=said):
        order_amounts(charge)


@given(charges(), st.lists(st.integers(0, 100), max_size=5))
def test_refunds_give_back_what_was_paid_and_never_more_than_the_goods(charge, shares):
    order = order_amounts(charge)
    totals = [order.total * share // (sum(shares) + 1) for share in shares]
    refunds = split_refunds(order, totals)
    _fits(order, totals, refunds)


@given(charges(), st.data())
def test_refunds_of_everything_give_back_all_goods_and_all_tax(charge, data):
    order = order_amounts(charge)
    first = data.draw(st.integers(0, order.total))
    refunds = split_refunds(order, [first, order.total - first])
    _fits(order, [first, order.total - first], refunds)
    assert sum(refund.amount for refund in refunds) == sum(line.net for line in order.lines)
    assert sum(refund.tax for refund in refunds) == order.tax
    assert sum(refund.shipping for refund in refunds) == order.shipping


def _fits(order: OrderAmounts, totals, refunds):
    back = [0] * len(order.lines)
    for total, refund in zip(totals, refunds, strict=True):
        assert refund.amount >= 0 and refund.tax >= 0 and refund.shipping >= 0 and refund.lines
        assert refund.amount + refund.tax + refund.shipping == total
        for position, amount in refund.lines:
            back[position] += amount
    assert all(0 <= sent <= line.net for sent, line in zip(back, order.lines, strict=True))


def test_a_refund_of_more_than_the_order_is_refused():
    order = order_amounts(OrderCharge((LineCharge(1, 1000),), shipping=500))
    with pytest.raises(AmountsError, match=r"15\.01 are more than the order's total 15\.00"):
        split_refunds(order, [1000, 501])


def test_a_number_with_an_exponent_is_the_number_that_it_says(tmp_path):
    path = write_lines(
        tmp_path / "o.ndjson",
        ['{"a": 1e2, "b": 2.5E-1, "c": -1.25e+1, "d": 129.90, "e": 1e400000, "f": 1e' + "9" * 30 + "}"],
    )
    (row,) = NdjsonSource(path).rows()
    assert [text_of(value) for value in row.data.values()] == [
        "100",
        "0.25",
        "-12.5",
        "129.90",
        "1e400000",
        "1e" + "9" * 30,
    ]
    assert [text_of(number) for number in (1e16, 1e-5, 0.1)] == ["10000000000000000", "0.00001", "0.1"]
    with pytest.raises(ValueError, match="is not an amount"):
        parse_money("1e400000")
