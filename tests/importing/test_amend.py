"""A file that contradicts what landed says so before anything is sent; ``--amend`` tells what changed."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal

import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect
from tests.dbt.project import DbtProject
from tests.importing.files import EXAMPLES, ORDER_COLUMNS, ORDERS, SHOPIFY, order_row, write_lines, write_map

COLUMNS = SHOPIFY[0].read_text(encoding="utf-8").splitlines()[0].split(",")
MARTS = ("fct_orders", "fct_refunds", "fct_payments", "kpi_daily", "fct_late_events")


def shopify_row(number, total, *, refunded="0.00", lines=(("Mug", None),), **more):
    """Return the rows of an order of Shopify's export; the first line costs what the others leave."""
    rest = sum((Decimal(price) for _, price in lines if price), Decimal("0.00"))
    rows = []
    for place, (name, price) in enumerate(lines):
        row = dict.fromkeys(COLUMNS, "") | {
            "Name": f"#{number}", "Created at": "2026-04-06 10:00:00 +0200", "Lineitem quantity": "1",
            "Lineitem name": name, "Lineitem price": price or str(Decimal(total) - rest), "Lineitem discount": "0.00",
        }  # fmt: skip
        if place == 0:
            row |= {
                "Email": f"{number}@example.com", "Financial Status": "paid", "Paid at": "2026-04-06 10:00:00 +0200",
                "Currency": "EUR", "Subtotal": total, "Shipping": "0.00", "Taxes": "0.00", "Total": total,
                "Discount Amount": "0.00", "Billing Country": "DE", "Refunded Amount": refunded,
                "Payment Method": "Shopify Payments", "Source": "web",
            }  # fmt: skip
        rows.append(row | more)
    return rows


def shopify_file(path, *orders):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for rows in orders:
            writer.writerows(rows)
    return path


def rows_of(shop, query):
    with connect(shop.settings, Role.ADMIN) as connection:
        return connection.execute(query).fetchall()


def raw_count(shop):
    return rows_of(shop, "select (select count(*) from raw.orders) + (select count(*) from raw.returns)")[0][0]


def dead(shop):
    return rows_of(shop, "select count(*) from ops.dead_letters")[0][0]


def test_a_grown_refund_an_edited_order_and_an_order_that_is_none_any_more(shop, tmp_path):
    """Two exports of one shop, a month apart."""
    march = shopify_file(
        tmp_path / "march.csv",
        shopify_row(1101, "100.00", refunded="20.00"),
        shopify_row(1102, "100.00", **{"Discount Code": "SPRING"}),
        shopify_row(1103, "30.00"),
        shopify_row(1104, "40.00", **{"Financial Status": "pending", "Paid at": ""}),
    )
    april = shopify_file(
        tmp_path / "april.csv",
        shopify_row(1101, "100.00", refunded="100.00"),
        shopify_row(1102, "150.00", lines=(("Mug", None), ("Lamp", "50.00")), **{"Discount Code": "SPRING"}),
        shopify_row(1103, "30.00"),
        shopify_row(1104, "40.00", **{"Financial Status": "voided", "Paid at": ""}),
        shopify_row(
            1105, "7.00", **{"Created at": "2026-04-30 09:00:00 +0200", "Paid at": "2026-04-30 09:00:00 +0200"}
        ),
    )
    assert run_import(shop.settings, ImportOptions(march, SHOPIFY[1])).sent == 8
    ingest_until_end(shop.settings)
    refused = run_import(shop.settings, ImportOptions(april, SHOPIFY[1]))
    text = "\n".join(refused.lines(20))
    assert (refused.exit_code, refused.sent, refused.differing, refused.others) == (1, 0, 3, 0)
    assert "3 of 5 entities differ from what landed:" in text
    assert "row 2, shopify-refund-1101: refund.issued: amount was 20.00, is 100.00" in text
    assert "row 3, shopify-1102: order.placed: total was 100.00, is 150.00" in text
    assert "order.paid: amount was 100.00, is 150.00" in text
    assert "row 6, shopify-1104: counts as an order, and is left out now: never paid (voided or expired)" in text
    assert text.endswith("Say --amend to send what changed as events of its own; --skip-failing leaves these out.")

    amended = run_import(shop.settings, ImportOptions(april, SHOPIFY[1], amend=True))
    assert amended.exit_code == 0 and dict(amended.amended) == {
        "shop.order.amended.v1": 1, "shop.order.cancelled.v1": 1, "shop.order.paid.v1": 1, "shop.refund.issued.v1": 1,
    }  # fmt: skip
    ingest_until_end(shop.settings)
    assert dead(shop) == 0 and reconcile(shop.settings).holds
    assert raw_count(shop) == 8 + 2 + 4
    (time,) = rows_of(shop, "select event_time from raw.returns where subject = 'shopify-1101' order by 1 desc limit 1")
    assert time[0] == dt.datetime(2026, 4, 30, 7, tzinfo=dt.UTC), "the newest time of the file"

    def told():
        orders = rows_of(
            shop, "select order_id, status, order_date::text, coupon, lines_count, total_amount, paid_amount,"
            " refunded_amount, has_contradicting_amounts from marts.fct_orders order by 1",
        )  # fmt: skip
        return orders, [
            rows_of(shop, f"select {columns} from marts.{mart} order by {order}")
            for mart, columns, order in (
                ("fct_order_lines", "order_id, product_id, net_amount", "1, 2"),
                ("fct_refunds", "order_id, refund_id, amount, refund_date::text", "1, 2"),
                ("fct_payments", "order_id, payment_id, amount", "1, 2"),
                ("kpi_daily", "date_day::text, orders_count, total_amount, refund_amount", "1"),
            )
        ]

    DbtProject(shop.settings, tmp_path / "target").run("--select", *(f"+{mart}" for mart in MARTS))
    orders, others = told()
    amounts = {row[0]: tuple(map(str, row[5:8])) for row in orders}
    assert amounts == {
        "shopify-1101": ("100.00", "100.00", "100.00"), "shopify-1102": ("150.00", "150.00", "0.00"),
        "shopify-1103": ("30.00", "30.00", "0.00"), "shopify-1104": ("40.00", "0.00", "0.00"),
        "shopify-1105": ("7.00", "7.00", "0.00"),
    }  # fmt: skip
    assert orders[1][:5] == ("shopify-1102", "paid", "2026-04-06", "SPRING", 2) and not any(row[8] for row in orders)
    assert orders[3][1] == "cancelled"
    assert [row[1] for row in others[0] if row[0] == "shopify-1102"] == ["Lamp", "Mug"]
    assert [(row[1], row[3]) for row in others[1]] == [
        ("shopify-refund-1101", "2026-04-06"), ("shopify-refund-1101-part2", "2026-04-30"),
    ]  # fmt: skip
    assert rows_of(shop, "select event_type from marts.fct_late_events where event_type = 'order.amended'")

    for amend in (False, True):  # nothing is told twice
        again = run_import(shop.settings, ImportOptions(april, SHOPIFY[1], amend=amend))
        assert (again.exit_code, again.differing, again.staying) == (0, 0, 0)
    ingest_until_end(shop.settings)
    assert dead(shop) == 0 and raw_count(shop) == 8 + 2 + 4


def test_the_second_store_is_noticed_and_named_before_anything_is_sent(shop, tmp_path):
    map_ = write_map(tmp_path, ORDERS)
    rows = [order_row(n, paid="2026-03-02T08:00:00Z") for n in range(20)]
    kiel = ImportOptions(write_lines(tmp_path / "kiel.csv", [ORDER_COLUMNS, *rows]), map_)
    run_import(shop.settings, kiel)
    ingest_until_end(shop.settings)
    others = [order_row(n, placed=f"2026-03-05T10:{n:02}:00Z", total="10.00", price="5.00") for n in range(25)]
    file = write_lines(tmp_path / "bonn.csv", [ORDER_COLUMNS, *others])
    other_source = tmp_path / "other"
    other_source.mkdir()
    for again in (map_, write_map(other_source, ORDERS.replace("/test/orders", "/bonn/orders"))):
        for amend in (False, True):
            report = run_import(shop.settings, ImportOptions(file, again, amend=amend))
            text = list(report.lines(20))
            assert (report.exit_code, report.sent, report.others) == (1, 0, 20)
            first = text.index("20 of 25 entities are not what landed under their id:")
            assert text[first + 1].startswith("  row 2, o-0: ") and text[first + 11] == "  and 10 more"
            assert "give each store a name, as --store kiel" in text[-1]
    report = run_import(shop.settings, ImportOptions(file, map_, store="bonn"))
    assert (report.exit_code, report.sent) == (0, 25)
    ingest_until_end(shop.settings)
    assert rows_of(shop, "select count(distinct subject), count(*) from raw.orders") == [(45, 65)]
    # The first store's history under a name would be there twice.
    report = run_import(shop.settings, ImportOptions(kiel.file, map_, store="kiel"))
    assert (report.exit_code, report.sent, report.others) == (1, 0, 20)
    assert "landed before, without the name of a store, from /test/orders" in "\n".join(report.lines(20))
    # Nor may the second store's history lose its name, or get another one.
    for store in (None, "hamburg"):
        report = run_import(shop.settings, ImportOptions(file, map_, store=store))
        assert (report.exit_code, report.sent, report.others) == (1, 0, 25)
        text = "\n".join(report.lines(20))
        assert "row 2, o-0: landed before, as that of store bonn, from /test/orders/bonn" in text
        assert "This file has landed as that of store bonn: say --store bonn" in text
    # What is new is sent, and what is not the same stays out.
    mixed = write_lines(tmp_path / "mixed.csv", [ORDER_COLUMNS, *others[:3], *(order_row(n) for n in range(40, 45))])
    report = run_import(shop.settings, ImportOptions(mixed, map_, skip_failing=True))
    assert (report.exit_code, report.sent) == (1, 5)


def test_customers_and_products_that_changed_are_told_by_their_own_events(shop, tmp_path):
    customers, products = (
        (EXAMPLES / f"{name}.{kind}", EXAMPLES / f"{name}.yml")
        for name, kind in (("woocommerce_customers", "ndjson"), ("products", "csv"))
    )
    for options in (customers, products):
        run_import(shop.settings, ImportOptions(*options))
    ingest_until_end(shop.settings)
    moved = tmp_path / "customers.ndjson"
    text = customers[0].read_text(encoding="utf-8")
    moved.write_text(text.replace("Wien", "Graz"), encoding="utf-8")
    dearer = tmp_path / "products.csv"
    listed = products[0].read_text(encoding="cp1252").splitlines()
    price = next(cell for cell in listed[1].split(";") if "," in cell)
    dearer.write_text("\n".join([listed[0], listed[1].replace(price, "99,90", 1), *listed[2:]]), encoding="cp1252")
    for file, map_, kind in ((moved, customers[1], "customer.updated"), (dearer, products[1], "product.price_changed")):
        assert run_import(shop.settings, ImportOptions(file, map_)).exit_code == 1
        report = run_import(shop.settings, ImportOptions(file, map_, amend=True))
        assert (report.exit_code, dict(report.amended)) == (0, {f"shop.{kind}.v1": 1})
        ingest_until_end(shop.settings)
        again = run_import(shop.settings, ImportOptions(file, map_))
        assert (again.exit_code, again.differing, again.staying) == (0, 0, 0)
    assert dead(shop) == 0


def test_without_a_warehouse_it_says_that_nothing_was_compared_and_amends_nothing(tmp_path):
    settings = load(data_dir=tmp_path, pg_port=1)
    report = run_import(settings, ImportOptions(*SHOPIFY, dry_run=True))
    assert (report.exit_code, report.compared) == (0, False)
    assert any(line.startswith("Not compared with what has landed: PostgreSQL at") for line in report.lines(20))
    with pytest.raises(ShopError, match="--amend tells what differs from what landed") as error:
        run_import(settings, ImportOptions(*SHOPIFY, dry_run=True, amend=True))
    assert error.value.exit_code == 2
