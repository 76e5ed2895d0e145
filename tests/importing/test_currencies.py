"""Orders in any currency, and in exports that count its smallest unit."""

from __future__ import annotations

import pytest

from tests.importing.files import ORDERS, built, documents, order_row, write_lines, write_map

# As a payment provider exports: whole numbers, and a column with the currency.
IN_CENTS = (
    ORDERS.replace("{value: EUR}", "{from: currency, do: [upper]}")
    .replace("{from: price}", "{from: price, do: [{money: {unit: cents}}]}")
    .replace("total: {from: total}", "total: {from: total, do: [{money: {unit: cents}}]}")
    .replace("unit_price:", "tax: {from: tax, do: [{money: {unit: cents}}], else: '0'}\n        unit_price:")
)
COLUMNS = "order,customer,placed,paid,total,product,quantity,price,currency,tax"


@pytest.mark.parametrize(
    ("currency", "price", "tax", "total"),
    [
        ("EUR", "12.50", "4.75", "29.75"),
        ("jpy", "1250.00", "475.00", "2975.00"),
        ("KWD", "1.250", "0.475", "2.975"),
    ],
)
def test_amounts_in_the_smallest_unit_become_amounts_of_the_currency(tmp_path, currency, price, tax, total):
    row = order_row(1, total="2975", price="1250", paid="2026-03-01T11:00:00Z") + f",{currency},475"
    file = write_lines(tmp_path / "orders.csv", [COLUMNS, row])
    results = built(file, write_map(tmp_path, IN_CENTS))
    assert [each.problems for each in results] == [[]]
    placed, paid = (event["data"] for event in documents(results))
    assert placed["currency"] == paid["currency"] == currency.upper()
    assert (placed["lines"][0]["unit_price"], placed["tax"], placed["total"]) == (price, tax, total)
    assert paid["amount"] == total


def test_a_tax_on_several_lines_is_shared_out_in_whole_yen(tmp_path):
    """A third of 100 yen is no amount: the shares are 34, 33 and 33."""
    rows = [order_row(1, total="1000", quantity="1", price="300", product=name) for name in ("a", "b", "c")]
    shared = IN_CENTS.replace("tax: {from: tax, do: [{money: {unit: cents}}], else: '0'}\n", "\n").replace(
        "total: {from: total, do", "tax: {from: tax, do: [{money: {unit: cents}}]}\n      total: {from: total, do"
    )
    file = write_lines(tmp_path / "orders.csv", [COLUMNS, *(f"{row},JPY,100" for row in rows)])
    (order,) = documents(built(file, write_map(tmp_path, shared)))
    assert [line["tax"] for line in order["data"]["lines"]] == ["34.00", "33.00", "33.00"]
    assert order["data"]["total"] == "1000.00"


def test_cents_with_decimals_are_a_reason_to_fail(tmp_path):
    file = write_lines(tmp_path / "orders.csv", [COLUMNS, order_row(1, total="20.5", price="1000") + ",EUR,0"])
    (result,) = built(file, write_map(tmp_path, IN_CENTS))
    assert ["has more than 0 decimals" in each.reason for each in result.problems] == [True]
