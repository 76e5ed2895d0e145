"""What stands in an order beside its goods: tips, fees, duties, gift cards, half units, lines of nothing, roundings."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.errors import ShopError
from shop_platform.events.decode import CONTRACT
from shop_platform.importing.amounts import order_amounts
from shop_platform.importing.charges import AmountsError, BesideCharge, LineCharge, OrderCharge
from shop_platform.importing.plan import read_plan
from tests.importing.files import (
    EXAMPLES,
    ORDER_COLUMNS,
    ORDERS,
    SHOPIFY,
    WOOCOMMERCE,
    built,
    documents,
    order_row,
    write_lines,
    write_map,
)


@pytest.fixture
def shopify(tmp_path):
    """Return what the stock map makes of one order: changes of its lines, the whole order's in the first one."""
    with SHOPIFY[0].open(encoding="utf-8", newline="") as file:
        sample = next(csv.DictReader(file))

    def run(*lines: dict[str, str]):
        whole = {"Discount Amount": "0.00", "Shipping": "0.00", "Taxes": "0.00", "Lineitem quantity": "1"}
        rows = [sample | whole | lines[0]]
        rows += [dict.fromkeys(sample, "") | {"Name": sample["Name"], "Lineitem quantity": "1"} | x for x in lines[1:]]
        path = tmp_path / "orders.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*sample])
            writer.writeheader()
            writer.writerows(rows)
        (result,) = built(path, SHOPIFY[1])
        return result

    return run


@pytest.fixture
def woocommerce(tmp_path):
    """Return what the stock map makes of one order of WooCommerce with these changes."""
    sample = json.loads(WOOCOMMERCE[0].read_text(encoding="utf-8").splitlines()[0])
    plain = {"total_tax": "0.00", "shipping_total": "0.00", "fee_lines": [], "refunds": []}

    def run(**changes: object):
        path = write_lines(tmp_path / "o.ndjson", [json.dumps(sample | plain | changes)])
        (result,) = built(path, WOOCOMMERCE[1])
        return result

    return run


@pytest.fixture
def mapped(tmp_path):
    """Return what :data:`ORDERS` with more lines below ``order:`` makes of the first order of these rows."""

    def run(more: str, *rows: str, columns: str = ORDER_COLUMNS, line: str = ""):
        text = ORDERS.replace("      total: {from: total}", f"      total: {{from: total}}\n      {more}")
        text = text.replace("        unit_price", f"        {line}\n        unit_price") if line else text
        return built(write_lines(tmp_path / "o.csv", [columns, *rows]), write_map(tmp_path, text))[0]

    return run


def placed(result):
    assert result.problems == []
    for event in result.events:
        CONTRACT.decode(event.value, event.topic)
    data = documents([result])[0]["data"]
    return data | {"net": f"{float(data['subtotal']) - float(data['discount']):.2f}", "units": [
        (line["product_id"], line["quantity"]) for line in data["lines"]
    ]}  # fmt: skip


def item(subtotal="10.00", total=None, quantity=1, **more):
    return {"id": 1, "product_id": 101, "sku": "X", "quantity": quantity, "subtotal": subtotal,
            "total": total or subtotal, "total_tax": "0.00"} | more  # fmt: skip


def test_a_tip_is_no_goods_and_takes_no_part_in_a_discount(shopify):
    mug = {"Subtotal": "90.00", "Total": "100.00", "Discount Amount": "10.00", "Lineitem sku": "MUG"}
    result = shopify(mug | {"Lineitem price": "100.00"}, {"Lineitem name": "Tip", "Lineitem price": "10.00"})
    order = placed(result)
    assert (order["net"], order["shipping"], order["total"], order["units"]) == (
        "90.00",
        "10.00",
        "100.00",
        [("MUG", 1)],
    )
    assert ["tips" in note for note in result.notes] == [True]


def test_lines_that_contradict_the_shops_own_sum_of_goods_are_named(shopify):
    mug = {"Subtotal": "90.00", "Total": "100.00", "Discount Amount": "10.00", "Lineitem price": "100.00"}
    result = shopify(mug, {"Lineitem name": "Drinkgeld", "Lineitem price": "10.00"})
    assert "goods of 100.00, but Subtotal says 90.00: is a line no goods (`charge_lines` in the map)?" in (
        result.problems[0].reason
    )


def test_two_copies_of_an_order_are_told_as_lines_that_stand_twice(shopify):
    whole = {"Subtotal": "35.00", "Total": "35.00", "Discount Amount": "5.00", "Lineitem discount": "0.00"}
    lines = [{"Lineitem name": "Mug", "Lineitem price": "30.00"}, {"Lineitem name": "Lamp", "Lineitem price": "10.00"}]
    (problem,) = shopify(whole | lines[0], lines[1], *lines).problems
    assert problem.reason == (
        "the lines come to goods of 75.00, but Subtotal says 35.00: every line stands twice; leave one copy of the"
        " order in the file"
    )


def test_a_gift_card_that_is_sold_is_no_revenue_and_one_that_pays_is_a_payment(shopify):
    sold = {"Lineitem name": "Gift Card - $50", "Lineitem price": "50.00", "Lineitem requires shipping": "false"}
    order = placed(shopify({"Subtotal": "57.00", "Shipping": "4.90", "Discount Amount": "3.00", "Total": "61.90",
                            "Lineitem sku": "MUG", "Lineitem price": "10.00"}, sold))  # fmt: skip
    assert (order["net"], order["shipping"], order["units"]) == ("7.00", "54.90", [("MUG", 1)])
    alone = placed(shopify({"Subtotal": "50.00", "Total": "50.00", "Lineitem sku": "", **sold}))
    assert (alone["net"], alone["shipping"], [n for _, n in alone["units"]]) == ("0.00", "50.00", [1])
    assert alone["lines"][0]["unit_price"] == "0.00" and alone["units"][0][0].startswith("Gift-Card")


def test_a_holder_for_gift_cards_that_is_sent_is_goods(shopify):
    holder = {"Lineitem name": "Gift Card Holder", "Lineitem price": "5.00", "Lineitem requires shipping": "true"}
    assert placed(shopify({"Subtotal": "5.00", "Total": "5.00", **holder}))["net"] == "5.00"


def test_duties_are_no_goods_and_a_removed_line_is_none(shopify):
    mug = {"Lineitem sku": "MUG", "Lineitem price": "10.00", "Subtotal": "10.00", "Total": "12.50", "Duties": "2.50"}
    result = shopify(mug, {"Lineitem name": "Removed", "Lineitem price": "7.00", "Lineitem quantity": "0"})
    order = placed(result)
    assert (order["net"], order["shipping"], order["units"]) == ("10.00", "2.50", [("MUG", 1)])
    assert any("no units for nothing" in note for note in result.notes)


@pytest.mark.parametrize(
    ("order", "net", "shipping", "units"),
    [
        ({"line_items": [item("20.00")], "fee_lines": [{"total": "-5.00"}], "total": "15.00"}, "15.00", "0.00", 1),
        ({"line_items": [item()], "fee_lines": [{"total": "2.00"}, {"total": "1.50"}], "total": "13.50"},
         "10.00", "3.50", 1),
        ({"line_items": [item()], "fee_lines": [{"total": "3.00"}, {"total": "-1.00"}], "total": "12.00"},
         "9.00", "3.00", 1),
        ({"line_items": [item("3.00")], "fee_lines": [{"total": "-5.00"}], "shipping_total": "4.00", "total": "2.00"},
         "0.00", "2.00", 1),
        ({"line_items": [item(), item("-3.00")], "total": "7.00"}, "7.00", "0.00", 1),
        ({"line_items": [item(), item("-10.00", quantity=-1)], "total": "0.00"}, "0.00", "0.00", 1),
        ({"line_items": [item("10.00", "12.00")], "total": "12.00"}, "12.00", "0.00", 1),
        ({"line_items": [], "fee_lines": [{"total": "22.00"}], "total": "22.00"}, "0.00", "22.00", 1),
        ({"line_items": [item(quantity=0.5)], "total": "10.00"}, "10.00", "0.00", 1),
        ({"line_items": [item(quantity="1.5")], "total": "10.00"}, "10.00", "0.00", 2),
        ({"line_items": [item()], "total": "0.00", "gift_cards": [{"id": 1, "amount": 10}]}, "10.00", "0.00", 1),
        ({"line_items": [item("0.00")], "total": "0.00"}, "0.00", "0.00", 1),
    ],
)  # fmt: skip
def test_what_woocommerce_puts_beside_goods(woocommerce, order, net, shipping, units):
    found = placed(woocommerce(**order))
    assert (found["net"], found["shipping"], sum(n for _, n in found["units"])) == (net, shipping, units)


def test_an_order_of_nothing_is_named_and_can_be_left_out(woocommerce, tmp_path):
    (problem,) = woocommerce(line_items=[], total="0.00").problems
    assert "has no lines; `leave_out: {absent:" in problem.reason
    text = WOOCOMMERCE[1].read_text(encoding="utf-8")
    text = text.replace("\norder:\n", "  - {because: of nothing, absent: [line_items.0.id]}\n\norder:\n", 1)
    (result,) = built(tmp_path / "o.ndjson", write_map(tmp_path, text))
    assert result.left_out == "of nothing"


def test_a_part_of_a_unit_fails_unless_the_map_counts_it_and_is_paid_exactly(mapped):
    row = order_row(1, quantity="1.5", total="15.00")
    assert "`part_units: round_up` counts a part as a unit" in mapped("part_units: fail", row).problems[0].reason
    (line,) = placed(mapped("part_units: round_up", row))["lines"]
    assert (line["quantity"], line["unit_price"], line["discount"]) == (2, "7.50", "0.00")
    (line,) = placed(mapped("part_units: round_up", order_row(1, quantity="0.333", price="9.99", total="3.33")))[
        "lines"
    ]
    assert (line["quantity"], line["unit_price"]) == (1, "3.33")


@pytest.mark.parametrize(("total", "shipping", "discount"), [("20.02", "0.02", "0.00"), ("19.98", "0.00", "0.02")])
def test_a_rounding_within_the_tolerance_touches_neither_tax_nor_a_price(mapped, total, shipping, discount):
    result = mapped("tolerance: 2", order_row(1, total=total))
    order = placed(result)
    assert (order["total"], order["shipping"], order["discount"], order["tax"]) == (total, shipping, discount, "0.00")
    assert order["lines"][0]["unit_price"] == "10.00" and any("rounding" in note for note in result.notes)


def test_a_rounding_beyond_the_tolerance_is_named_with_the_line_that_allows_for_it(mapped):
    (problem,) = mapped("tolerance: 1", order_row(1, total="20.02")).problems
    assert "total 20.02; `tolerance: 2` would allow for rounding" in problem.reason


def test_discounts_in_percent_and_on_the_shipping(mapped):
    columns = f"{ORDER_COLUMNS},off,shipping,free"
    more = "discount_percent: {from: off}\n      shipping: {from: shipping}\n      shipping_discount: {from: free}"
    order = placed(mapped(more, order_row(1, total="18.90") + ",10 %,4.90,4.00", columns=columns))
    assert (order["net"], order["shipping"]) == ("18.00", "0.90")
    line = "discount_percent: {from: off}"
    order = placed(mapped("tolerance: 0", order_row(1, total="17.50") + ',"12,5"', columns=columns[:-14], line=line))
    assert order["net"] == "17.50"
    (problem,) = mapped("tolerance: 0", order_row(1) + ",much", columns=columns[:-14], line=line).problems
    assert problem.reason == "is no percentage from 0 to 100" and problem.column == "off"


def test_a_negative_discount_is_named_with_the_step_that_reads_it(mapped):
    (problem,) = mapped("discount: {from: off}", order_row(1) + ",-2.00", columns=f"{ORDER_COLUMNS},off").problems
    assert problem.reason == "is negative; the step `absolute` takes the sign away"
    order = placed(mapped("discount: {from: off, do: [absolute]}", order_row(1, total="18.00") + ",-2.00",
                          columns=f"{ORDER_COLUMNS},off"))  # fmt: skip
    assert order["net"] == "18.00"


def test_lines_are_left_out_by_what_stands_on_them(mapped):
    rows = order_row(1), order_row(1, product="sample", quantity="1", price="0.00")
    assert placed(mapped("leave_out_lines: [{one_of: {product: [sample]}}]", *rows))["units"] == [("mug", 2)]
    rows = order_row(1, total="23.00"), order_row(1, total="23.00", product="wrap", quantity="1", price="3.00")
    order = placed(mapped("charge_lines: [{begins: {product: [wra]}}]", *rows))
    assert (order["net"], order["shipping"], order["units"]) == ("20.00", "3.00", [("mug", 2)])


@pytest.mark.parametrize(
    "changes", [{"quantity": "9" * 30}, {"price": "9" * 30}, {"quantity": "9" * 9, "price": "9" * 15}]
)
def test_absurd_numbers_are_named_and_crash_nothing(mapped, changes):
    assert mapped("tolerance: 2", order_row(1, **changes)).problems


def test_an_order_with_a_negative_total_is_named_with_the_line_that_leaves_it_out(mapped):
    (problem,) = mapped("tolerance: 2", order_row(1, quantity="-2", total="-20.00")).problems
    assert "`leave_out: {negative: [total]}` leaves credit notes out" in problem.reason


def test_keys_that_exclude_each_other_are_named(tmp_path):
    text = ORDERS.replace("      total: {from: total}", "      tolerance: 2")
    with pytest.raises(ShopError, match="tolerance needs `total`"):
        read_plan(write_map(tmp_path, text))
    text = ORDERS.replace("type: order.placed", "type: order.placed\n        where: {present: [order]}")
    with pytest.raises(ShopError, match="`where` chooses items of `each`"):
        read_plan(write_map(tmp_path, text))


def test_rows_of_an_image_alone_are_no_products():
    (mug, towel) = built(EXAMPLES / "shopify_products.csv", EXAMPLES / "shopify_products.yml")
    assert [each["data"]["product_id"] for each in documents([mug, towel])] == ["MUG-BLU", "MUG-RED", "TOWEL-1"]
    assert {each["data"]["name"] for each in documents([mug])} == {"Enamel Mug"}


def test_credit_notes_are_refunds_of_the_orders_that_they_name(tmp_path):
    file, map_ = EXAMPLES / "credit_notes.csv", EXAMPLES / "credit_notes.yml"
    (order, note) = built(file, map_)
    assert order.left_out
    (refund,) = documents([note])
    assert refund["type"] == "shop.refund.issued.v1" and refund["data"]["order_id"] == "inv-7001"
    assert (refund["data"]["amount"], refund["data"]["tax"]) == ("10.00", "1.90")


CENTS = st.integers(0, 50_000)


@given(
    st.lists(st.tuples(st.integers(1, 9), CENTS), min_size=1, max_size=4),
    st.lists(st.integers(-3_000, 3_000), max_size=4),
    st.lists(st.integers(-3_000, -1), max_size=2),
    CENTS, st.integers(-2, 2), st.booleans(), st.integers(0, 20),
)  # fmt: skip
def test_whatever_stands_beside_goods_the_sums_are_those_of_the_contract(
    lines, fees, taking, shipping, off, is_included, rate
):
    goods = [LineCharge(n, n * price, 0, price) for n, price in lines]
    minus = [LineCharge(0, amount) for amount in taking]
    everything = sum(n * price for n, price in lines) + shipping
    tax = everything * rate // 100
    total = everything + sum(fees) + sum(taking) + (0 if is_included else tax) + off
    charge = OrderCharge(
        (*goods, *minus), shipping, tax=tax, total=total, includes_tax="yes" if is_included else "no",
        beside=tuple(map(BesideCharge, fees)), tolerance=2,
    )  # fmt: skip
    try:
        order = order_amounts(charge)
    except AmountsError:
        return  # more is taken off than there is, or more tax is due than is left
    assert (order.total, order.tax, len(order.lines)) == (total, tax, len(goods))
    assert order.total == order.subtotal - order.discount + order.shipping + order.tax
    assert order.shipping >= 0 and all(
        0 <= line.discount <= line.quantity * line.unit_price and line.tax >= 0 for line in order.lines
    )
