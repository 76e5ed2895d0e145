"""What a dry run says, row by row, and what it does not let through."""

from __future__ import annotations

import json

import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.report import sentence
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.settings import load
from tests.importing.files import (
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
def check(tmp_path):
    """Dry-run rows of :data:`ORDERS` and return the report."""

    def run(*rows: str, text: str = ORDERS):
        file = write_lines(tmp_path / "orders.csv", [ORDER_COLUMNS, *rows])
        return run_import(load(), ImportOptions(file, write_map(tmp_path, text), dry_run=True))

    return run


@pytest.mark.parametrize(
    ("changes", "row", "column", "value", "reason", "field"),
    [
        ({"quantity": "two"}, 3, "quantity", "two", "is not a number", "lines[0].quantity"),
        ({"quantity": "1.5"}, 3, "quantity", "1.5", "is not a whole number; `part_units", "lines[0].quantity"),
        ({"quantity": "0"}, 3, "", "", "goods 0.00, shipping 0.00 and taxes 0.00 do not come to", "amounts"),
        ({"quantity": ""}, 3, "quantity", "", "is empty or not there", "lines[0].quantity"),
        ({"price": "1,5"}, 3, "price", "1,5", "is not an amount", "lines[0].unit_price"),
        (
            {"price": "-1.00"},
            3,
            "",
            "",
            "take something off come to 2.00, and the rest of the order to 0.00",
            "amounts",
        ),
        (
            {"quantity": "-2"},
            3,
            "",
            "",
            "the line of row 3 has the quantity '-2', so that it takes 20.00 off",
            "amounts",
        ),
        ({"quantity": "0"}, 3, "", "", "the line of row 3 has the quantity '0', so that it counts for", "amounts"),
        ({"price": ""}, 3, "price", "", "is empty or not there", "lines[0].unit_price"),
        ({"total": "21.00"}, 3, "", "", "goods 20.00, shipping 0.00 and taxes 0.00 do not come to", "amounts"),
        ({"product": "a mug"}, 3, "", "a mug", "must be an identifier", "lines[0].product_id"),
        ({"customer": "x" * 80}, 3, "customer", "x" * 59 + "…", "must be an identifier", "customer_id"),
        ({"customer": ""}, 3, "customer", "", "is empty or not there", "customer_id"),
        ({"placed": "soon"}, 3, "placed", "soon", "is not a time in ISO 8601", "time"),
        ({"placed": "1969-12-31T00:00Z"}, 3, "placed", "1969-12-31T00:00Z", "lies before 1970", "time"),
        ({"paid": "later"}, 3, "paid", "later", "is not a time in ISO 8601", "time"),
        ({"order": "#2"}, 3, "order", "#2", "must be an identifier", "order_id"),
    ],
)
def test_what_fails_is_told_with_row_column_value_and_reason(check, changes, row, column, value, reason, field):
    report = check(order_row(1), order_row(2, **changes), order_row(3))
    (problem,) = report.first_problems
    assert (problem.row, problem.column, problem.value, problem.field) == (row, column, value, field)
    assert reason in problem.reason
    assert (report.entities, report.failing_entities, report.events["shop.order.placed.v1"]) == (3, 1, 2)
    assert report.exit_code == 1


def test_a_row_without_an_order_may_belong_to_the_one_before_which_then_is_not_sent_either(check):
    report = check(order_row(1), order_row(2), order_row(3, order=""), order_row(4))
    (problem,) = report.first_problems
    assert problem.row == 4 and problem.reason == "has nothing in 'order', by which rows are grouped"
    assert (report.failing_rows, report.events.total()) == (2, 2)


def test_a_row_fails_with_all_its_reasons_and_an_order_with_all_its_rows(check):
    report = check(order_row(1, quantity="x", price="y"), order_row(1, placed="", customer="", total=""), order_row(2))
    assert {(p.row, p.column) for p in report.first_problems} == {(2, "quantity"), (2, "price")}
    assert (report.failing_entities, report.failing_rows, report.problems) == (1, 2, 2)


def test_an_order_of_which_one_event_does_not_fit_the_contract_has_no_events(tmp_path):
    number = "o" * 62  # fits as an order's id, not behind pay-
    file = write_lines(tmp_path / "o.csv", [ORDER_COLUMNS, order_row(1, order=number, paid="2026-03-02T00:00Z")])
    (result,) = built(file, write_map(tmp_path, ORDERS))
    assert [(each.event_type, each.field) for each in result.problems] == [("shop.order.paid.v1", "payment_id")]
    assert result.events == []


def test_rows_of_one_order_that_disagree_are_told(check):
    report = check(order_row(1, total="40.00"), order_row(1, total="40.00", customer="another"))
    (problem,) = report.first_problems
    assert (problem.row, problem.column, problem.value) == (3, "customer", "another")
    assert "differs from 'c-1' in row 2" in problem.reason


def test_an_order_whose_rows_stand_apart_is_not_sent_by_halves(check):
    report = check(order_row(1), order_row(2), order_row(1), order_row(3))
    (problem,) = report.first_problems
    assert problem.row == 4 and "other rows of 'o-1' begin at row 2" in problem.reason
    assert (report.failing_entities, report.failing_rows) == (2, 2)
    assert report.events == {"shop.order.placed.v1": 2}


def test_a_value_is_told_once_however_many_events_have_it_and_the_sentence_does_not_repeat_it(check):
    text = ORDERS.replace("currency: {value: EUR}", "currency: {from: product}")
    report = check(order_row(1, product="BTC", paid="2026-03-02T00:00:00Z"), text=text)
    (line,) = (line for line in report.lines(20) if line.startswith("  row"))
    assert line.startswith("  row 2, product: 'BTC' must be the code of a currency that ISO-4217 lists")
    assert line.endswith("coins of no country are none (order.placed currency)")
    assert "1 of 1 entity (1 row) fails, for 1 reason" in list(report.lines(20))


def test_a_time_that_nobody_would_believe_is_told_with_its_column(check):
    (problem,) = check(order_row(1, placed="2099-01-01T00:00:00Z")).first_problems
    told = sentence(problem)
    assert told.startswith("row 2, placed: '2099-01-01T00:00:00Z' lies after '20") and "clock" not in told


def test_one_is_told_as_one(check):
    said = "\n".join(check(order_row(1)).lines(20))
    assert "orders.csv: 1 row, 1 entity\n" in said and "nothing was sent; 1 event could be." in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"order": "a",}', "is not a JSON document: a comma stands before the closing brace (byte 14, near "),
        ('{"order": NaN}', "is not a JSON document: `order` is NaN (byte 10), which JSON does not know"),
        ('{"order": ', "is not a JSON document: it ends too early"),
        ("[1]", "is a list, not an object"),
        ("7", "is a number, not an object"),
        ('"x"', "is a text, not an object"),
        ('{"order": "a", "total": "1.00", "order": "b"}', "has 'order' twice; tell it once"),
        ('{"order": "a", "lines": [{"sku": 1}, {"sku": 1, "sku": 2}]}', "has 'lines[1].sku' twice; tell it once"),
    ],
)
def test_a_line_that_is_no_json_object_is_told_in_words(tmp_path, line, said):
    right = dict(zip(ORDER_COLUMNS.split(","), order_row(1).split(","), strict=True))
    file = write_lines(tmp_path / "o.ndjson", [json.dumps(right), line, json.dumps(right | {"order": "o-2"})])
    report = run_import(load(), ImportOptions(file, write_map(tmp_path, UNGROUPED), dry_run=True))
    (problem,) = report.first_problems
    assert problem.row == 2 and problem.reason.startswith(said)
    assert report.events.total() == 2


def test_a_broken_quotation_is_told_in_words(check):
    (problem,) = check(order_row(1).replace("mug", '"mu"g"')).first_problems
    assert problem.reason.startswith("has something behind a closing quotation mark")


UNGROUPED = ORDERS.replace("group_by: order", "")
PEOPLE = """
    version: 1
    source: /test/people
    events:
      - type: customer.created
        time: {from: at}
        data:
          customer_id: {from: id}
          email: {from: email}
          first_name: {value: Ada}
          last_name: {value: Byron}
          address: {street: {value: Weg 1}, postal_code: {value: "1"}, city: {value: Kiel}, country: {value: DE}}
          locale: {value: de}
          marketing_consent: {value: "no"}
          acquisition_channel: {value: direct}
"""
PRODUCTS = """
    version: 1
    source: /test/products
    events:
      - type: product.created
        time: {from: at}
        data:
          product_id: {from: id}
          sku: {from: id}
          name: {from: name}
          category: {value: mugs}
          subcategory: {value: mugs}
          brand: {value: acme}
          price: {value: "2.00"}
          cost: {value: "1.00"}
          currency: {value: EUR}
          active: {value: "yes"}
"""
REFUNDS = """
    version: 1
    source: /test/refunds
    events:
      - type: refund.issued
        time: {from: at}
        data:
          refund_id: {from: id}
          order_id: {from: order}
          amount: {from: amount}
          tax: {value: "0.00"}
          currency: {value: EUR}
          reason: {value: unknown}
          lines: {each: rows, fields: {line_number: {value: "1"}, product_id: {value: mug}, quantity: {value: "1"},
            amount: {from: amount}}}
"""


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"customer": "other"}, "`customer_id`"),
        ({"placed": "2026-04-01T10:00:00Z"}, "`time`"),
        (
            {"placed": "2026-04-01T10:00:00Z", "customer": "other", "product": "cup"},
            "`time`, `customer_id` and `lines`",
        ),
    ],
)
def test_two_different_orders_under_one_number_both_fail_and_name_each_other(check, changes, differs):
    report = check(order_row(1), order_row(2), order_row(1, **changes), text=UNGROUPED)
    assert [sentence(each) for each in report.first_problems] == [
        f"row {row}: order 'o-1' is in row {other} too, and differs there in {differs} (order.placed)"
        for row, other in ((2, 4), (4, 2))
    ]
    assert (report.exit_code, report.failing_entities, report.failing_rows) == (1, 2, 2)
    assert report.events == {"shop.order.placed.v1": 1}


@pytest.mark.parametrize("grouped", [True, False])
def test_only_orders_that_are_made_are_counted_in_the_notes(check, grouped):
    text = (ORDERS if grouped else UNGROUPED).replace("      total:", "      part_units: round_up\n      total:", 1)
    half, good = {"quantity": "1.5", "total": "15.00"}, order_row(2, quantity="0.5", total="5.00")
    other = {"quantity": "2.5", "total": "25.00"}
    report = check(order_row(1, **half), good, *(() if grouped else (good,)), order_row(1, **other), text=text)
    assert (report.failing_entities, report.events.total()) == (2, 1)
    assert list(report.notes.values()) == [1]


def test_neither_of_two_orders_that_contradict_each_other_is_sent_nor_a_repetition_of_one(check):
    first, other = order_row(1), order_row(1, total="30.00", price="15.00")
    report = check(first, other, first, order_row(2), text=UNGROUPED)
    assert (report.failing_entities, report.repeated, report.events.total()) == (3, 0, 1)
    assert report.first_problems[-1].reason.endswith("is in row 2 too, and is contradicted by a third row")


@pytest.mark.parametrize(
    ("text", "columns", "one", "other", "said"),
    [
        (PEOPLE, "at,id,email", "c-1,a@example.com", "c-1,b@example.com", "customer 'c-1' is in row 2 too"),
        (PRODUCTS, "at,id,name", "p-1,Mug", "p-1,Cup", "product 'p-1' is in row 2 too, and differs there in `name`"),
        (REFUNDS, "at,id,order,amount", "r-1,o-1,1.00", "r-1,o-2,2.00",
         "refund 'r-1' is in row 2 too, and differs there in `order_id`, `amount` and `lines`"),
    ],
    ids=["customer", "product", "refund"],
)  # fmt: skip
@pytest.mark.parametrize("later", ["2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"])
def test_no_business_id_tells_two_things_in_one_file(tmp_path, text, columns, one, other, said, later):
    rows = [f"2026-03-01T10:00:00Z,{one}", f"{later},{other}"]
    file = write_lines(tmp_path / "f.csv", [columns, *rows])
    report = run_import(load(), ImportOptions(file, write_map(tmp_path, text), dry_run=True))
    assert (report.exit_code, report.failing_entities, report.events.total()) == (1, 2, 0)
    if later.startswith("2026-03-01"):
        assert said in report.first_problems[1].reason


def test_one_payment_of_two_orders_is_told_with_both_rows(check):
    text = UNGROUPED.replace("{from: order, do: [{prefix: pay-}]}", "{value: pay-1}")
    paid = [order_row(n, paid="2026-03-02T00:00:00Z") for n in (1, 2)]
    report = check(*paid, text=text)
    assert report.first_problems[1].reason == "payment 'pay-1' is in row 2 too, and differs there in `order_id`"
    assert (report.failing_entities, report.events.total()) == (2, 0)


def test_a_price_may_change_often(tmp_path):
    text = """
        version: 1
        source: /test/prices
        events:
          - type: product.price_changed
            time: {from: at}
            data:
              product_id: {from: id}
              old_price: {value: "1.00"}
              price: {from: price}
              cost: {value: "1.00"}
              currency: {value: EUR}
              reason: {value: sale}
    """
    file = write_lines(tmp_path / "f.csv", ["at,id,price", "2026-03-01T10:00Z,p,2.00", "2026-03-02T10:00Z,p,3.00"])
    report = run_import(load(), ImportOptions(file, write_map(tmp_path, text), dry_run=True))
    assert (report.exit_code, report.events.total()) == (0, 2), report.first_problems


def test_a_record_that_is_there_twice_is_counted_and_is_no_mistake(check):
    report = check(order_row(1), order_row(2), order_row(1), text=ORDERS.replace("group_by: order", ""))
    assert (report.exit_code, report.repeated, report.events.total()) == (0, 1, 2)


def test_a_group_that_never_ends_is_taken_for_a_wrong_map(check):
    with pytest.raises(ShopError, match="have 'mug' in 'product'"):
        check(*(order_row(n) for n in range(10_001)), text=ORDERS.replace("group_by: order", "group_by: product"))


def test_an_entity_for_which_the_map_makes_nothing_is_told_unless_it_is_left_out(check):
    text = ORDERS.replace("type: order.placed", "type: order.placed\n        when: {none_of: {customer: [c-2]}}")
    (problem,) = check(order_row(1), order_row(2), text=text).first_problems
    assert problem.row == 3 and "no event of the map applies" in problem.reason
    report = check(
        order_row(1),
        order_row(2),
        text=ORDERS.replace("version: 1", "version: 1\n    leave_out: {one_of: {customer: [c-2]}}"),
    )
    assert (report.exit_code, report.left_out, report.events.total()) == (0, 1, 1)


def test_later_state_of_an_order_adds_events_and_changes_no_id(tmp_path):
    """The first export knows an unpaid order, the second its payment."""
    map_ = write_map(tmp_path, ORDERS)
    first = documents(built(write_lines(tmp_path / "1.csv", [ORDER_COLUMNS, order_row(1)]), map_))
    second = documents(
        built(write_lines(tmp_path / "2.csv", [ORDER_COLUMNS, order_row(1, paid="2026-03-02T08:00:00Z")]), map_)
    )
    assert [each["type"] for each in second] == ["shop.order.placed.v1", "shop.order.paid.v1"]
    assert second[0] == first[0]


def test_an_estimated_time_does_not_change_the_id_and_is_marked(tmp_path):
    file, map_ = WOOCOMMERCE
    later = tmp_path / "later.ndjson"
    text = file.read_text(encoding="utf-8")
    later.write_text(text.replace("2026-03-12T08:30:10", "2026-05-01T00:00:00"), encoding="utf-8")
    before, after = (
        {each["id"]: each for each in documents(built(path, map_)) if each["type"] == "shop.refund.issued.v1"}
        for path in (file, later)
    )
    assert before.keys() == after.keys() and all(each["data"]["time_estimated"] is True for each in before.values())
    moved = [id_ for id_ in before if before[id_]["time"] != after[id_]["time"]]
    assert len(moved) == 2


def test_the_shopify_example_says_what_the_shop_charged():
    by_type: dict[str, dict[str, dict]] = {}
    for each in documents(built(*SHOPIFY)):
        by_type.setdefault(each["type"], {})[each["subject"].removeprefix("shopify-")] = each["data"]
    placed = by_type["shop.order.placed.v1"]
    totals = {number: (data["total"], data["tax"], data["shipping"]) for number, data in placed.items()}
    assert totals == {
        "1001": ("77.20", "12.33", "4.12"),  # with tax: 4.90 shipping without it
        "1002": ("85.72", "13.69", "4.12"),
        "1003": ("78.09", "4.19", "14.00"),  # tax on top
        "1004": ("34.80", "5.56", "4.12"),
        "1005": ("84.80", "13.54", "0.00"),
        "1006": ("37.80", "5.56", "7.12"),  # a tip of 3.00 beside the shipping
        "1007": ("119.80", "19.13", "0.00"),  # free shipping
        "1008": ("46.10", "7.36", "4.12"),
        "1009": ("12.50", "2.00", "0.00"),
    }
    assert placed["1003"]["lines"][0]["unit_price"] == "59.90"
    assert [line["product_id"] for line in placed["1006"]["lines"]] == ["MUG-BLU"]
    assert placed["1001"]["customer_id"] == placed["1004"]["customer_id"] != placed["1002"]["customer_id"]
    assert "example.com" not in str(placed)
    assert set(by_type["shop.order.paid.v1"]) == {"1001", "1002", "1003", "1005", "1006", "1007", "1009"}
    assert by_type["shop.order.shipped.v1"]["1001"]["promised_on"] == "2026-02-06"
    assert set(by_type["shop.order.cancelled.v1"]) == {"1004"}
    refund = by_type["shop.refund.issued.v1"]["1005"]
    assert (refund["amount"], refund["tax"], len(refund["lines"])) == ("20.92", "3.98", 2)


def test_the_woocommerce_example_says_what_the_shop_charged():
    results = documents(built(*WOOCOMMERCE))
    placed = {each["subject"]: each["data"] for each in results if each["type"] == "shop.order.placed.v1"}
    assert not placed.keys() & {"woo-2007", "woo-2009"}, "one failed, the other is a draft"
    assert {number: data["total"] for number, data in placed.items()} == {
        "woo-2001": "77.20", "woo-2002": "85.74", "woo-2003": "64.40", "woo-2004": "132.31", "woo-2005": "34.80",
        "woo-2006": "29.90", "woo-2008": "64.80",
    }  # fmt: skip
    assert (placed["woo-2002"]["coupon"], placed["woo-2002"]["campaign"]) == ("welcome10", "spring_sale")
    assert placed["woo-2001"]["customer_id"] == "woo-12" and len(placed["woo-2003"]["customer_id"]) == len("woo-") + 32
    (line,) = placed["woo-2003"]["lines"]
    assert (line["quantity"], line["unit_price"], line["discount"]) == (3, "16.67", "0.01")
    refunds = [each["data"] for each in results if each["type"] == "shop.refund.issued.v1"]
    back = {each["refund_id"]: (each["amount"], each["tax"], each["reason"]) for each in refunds}
    assert back == {
        "woo-refund-2044": ("50.33", "9.57", "damaged_in_transit"),
        "woo-refund-2051": ("10.50", "2.00", "unknown"),
        "woo-refund-2046": ("25.13", "5.55", "changed_mind"),
    }
