"""Several stores, what is no sale, and by which clock days are counted: told before anything is sent."""

from __future__ import annotations

import json

import pytest

from shop_platform.errors import ShopError
from shop_platform.importing.build import build
from shop_platform.importing.days import Days
from shop_platform.importing.plan import read_plan
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.importing.sources import entities, open_source
from shop_platform.importing.times import parse_time
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect
from tests.importing.files import (
    ORDER_COLUMNS,
    ORDERS,
    SHOPIFY,
    WOOCOMMERCE,
    documents,
    order_row,
    write_lines,
    write_map,
)


def of_store(store, file, map_, kind="csv"):
    plan = read_plan(map_, store)
    source = open_source(file, kind, plan)
    return documents(build(plan, entity) for entity in entities(source.rows(), plan.group_by))


def ids(event):
    data = event["data"]
    found = {name: value for name, value in data.items() if name.endswith("_id")}
    return found | {f"line {line['line_number']}": line["product_id"] for line in data.get("lines", [])}


def test_every_id_of_a_store_is_its_own_and_so_is_its_source():
    kiel, bonn = (of_store(store, *WOOCOMMERCE, kind="ndjson") for store in ("kiel", "bonn"))
    assert len(kiel) == len(bonn) > 10
    for one, other in zip(kiel, bonn, strict=True):
        assert one["source"] == "/woocommerce/orders/kiel" and one["subject"].startswith("kiel:woo-")
        assert one["id"] != other["id"] and one["time"] == other["time"]
        for name, value in ids(one).items():
            assert value.startswith("kiel:") and ids(other)[name] == value.replace("kiel:", "bonn:")
    assert not {each["id"] for each in kiel} & {each["id"] for each in of_store(None, *WOOCOMMERCE, kind="ndjson")}


def test_what_stores_have_in_common_keeps_its_id():
    placed = of_store("kiel", *SHOPIFY)[0]
    assert placed["subject"] == "kiel:shopify-1001"
    assert placed["data"]["customer_id"].startswith("kiel:shopify-")
    assert not any(line["product_id"].startswith("kiel:") for line in placed["data"]["lines"])


def test_without_a_name_ids_stay_what_earlier_versions_made():
    placed = of_store(None, *SHOPIFY)[0]
    assert (placed["subject"], placed["source"]) == ("shopify-1001", "/shopify/orders")
    assert placed["id"] == "019c1d6a-8898-8eb1-840a-fb2ce522dcd5"


def test_the_map_can_name_the_store_and_the_command_another(tmp_path):
    map_ = write_map(tmp_path, ORDERS.replace("version: 1", "version: 1\n    store: kiel"))
    assert (read_plan(map_).source, read_plan(map_, "bonn").source) == ("/test/orders/kiel", "/test/orders/bonn")
    for wrong in ("Kiel", "a:b", "x" * 21, ""):
        with pytest.raises(ShopError, match="is no name of a store"):
            read_plan(map_, wrong)
    with pytest.raises(ShopError, match="line 3, store: 'Kiel Süd' is no name of a store"):
        read_plan(write_map(tmp_path, ORDERS.replace("version: 1", "version: 1\n    store: Kiel Süd")))


@pytest.fixture
def check(tmp_path):
    """Dry-run a file and return the report."""

    def run(file, map_):
        return run_import(load(data_dir=tmp_path), ImportOptions(file, map_, dry_run=True))

    return run


def woo(tmp_path, **changes):
    text = WOOCOMMERCE[0].read_text(encoding="utf-8").splitlines()[0]
    for name, (before, after) in changes.items():
        assert f'"{name}":{before}' in text
        text = text.replace(f'"{name}":{before}', f'"{name}":{after}')
    return text


@pytest.mark.parametrize("status", ["pending", "failed", "checkout-draft", "trash"])
def test_an_unpaid_order_of_woocommerce_is_no_sale_and_is_counted_with_the_reason(check, tmp_path, status):
    first = WOOCOMMERCE[0].read_text(encoding="utf-8").splitlines()[0]
    before = '"status":"' + first.partition('"status":"')[2].partition('"')[0] + '"'
    file = write_lines(tmp_path / "o.ndjson", [first, first.replace(before, f'"status":"{status}"')], encoding="utf-8")
    report = check(file, WOOCOMMERCE[1])
    assert (report.exit_code, report.left_out, report.events["shop.order.placed.v1"]) == (0, 1, 1)
    ((reason, count),) = report.left_out_because.items()
    assert count == 1 and f"          1  left out: {reason}" in list(report.lines(20))
    assert report.as_dict()["left_out_because"] == {reason: 1}


@pytest.mark.parametrize(
    "mark",
    [
        {"payment_method": "dummy"},
        {"meta_data": [{"id": 1, "key": "_wcpay_mode", "value": "test"}]},
        {"meta_data": [{"id": 1, "key": "_ppcp_paypal_payment_mode", "value": "sandbox"}]},
        {"meta_data": [{"id": 1, "key": "_mollie_payment_mode", "value": "test"}]},
    ],
    ids=str,
)
def test_an_order_of_a_test_mode_of_woocommerce_is_left_out_and_one_of_the_live_mode_is_not(check, tmp_path, mark):
    first = json.loads(WOOCOMMERCE[0].read_text(encoding="utf-8").splitlines()[0])
    live = first | {"meta_data": [each | {"value": "live"} for each in mark.get("meta_data", [])]}
    report = check(write_lines(tmp_path / "o.ndjson", map(json.dumps, (live, first | mark))), WOOCOMMERCE[1])
    assert (report.exit_code, report.left_out, report.events["shop.order.placed.v1"]) == (0, 1, 1)
    assert report.left_out_because == {"a test payment": 1}


@pytest.mark.parametrize("gateway", ["bogus", "(for testing) Bogus Gateway", "Shopify Payments + Bogus"])
def test_an_order_of_shopifys_test_gateway_is_left_out(check, tmp_path, gateway):
    header, row = SHOPIFY[0].read_text(encoding="utf-8").splitlines()[:2]
    columns = header.split(",")
    values = row.split(",")
    values[columns.index("Payment Method")] = gateway
    file = write_lines(tmp_path / "o.csv", [header, ",".join(values)])
    report = check(file, SHOPIFY[1])
    assert (report.left_out, report.events.total()) == (1, 0)
    assert list(report.left_out_because) == ["a test order (Shopify's bogus gateway)"]


def test_the_report_tells_which_orders_count_on_another_day_than_in_the_file(check, tmp_path):
    rows = [order_row(n, placed=f"2026-02-0{n}T{hour}:00:00-08:00") for n, hour in enumerate((20, 13, 16), 1)]
    report = check(write_lines(tmp_path / "o.csv", [ORDER_COLUMNS, *rows]), write_map(tmp_path, ORDERS))
    text = "\n".join(report.lines(20))
    assert "The file tells its times in -08:00: 2 of 3 orders (67%) count on another day than they have there." in text
    assert "shop rebuild --shop-tz America/Los_Angeles" in text
    assert report.as_dict()["days"] == {"orders": 3, "on_another_day": 2, "clocks": {"-08:00": 3}}


def test_of_a_warehouse_with_a_zone_the_report_says_only_how_to_rebuild(fresh_warehouse, tmp_path):
    """The setting is of no use there: the stored zone holds, and a service with another one refuses to start."""
    file = write_lines(tmp_path / "o.csv", [ORDER_COLUMNS, order_row(1, placed="2026-02-01T20:00:00-08:00")])
    options = ImportOptions(file, write_map(tmp_path, ORDERS), dry_run=True)
    told = "If that is not what your shop counts by"
    before = "\n".join(run_import(fresh_warehouse.settings, options).lines(20))
    assert f"{told}, set SHOP_SHOP_TZ to America/Los_Angeles (it fits the file) before the first build; after" in before
    with connect(fresh_warehouse.settings, Role.ADMIN, autocommit=True) as connection:
        connection.execute("insert into ops.warehouse_identity (shop_tz) values ('Europe/Paris')")
    built = "\n".join(run_import(fresh_warehouse.settings, options).lines(20))
    assert f"{told}: shop rebuild --shop-tz America/Los_Angeles (it fits the file)." in built
    assert "Business days begin at midnight of Europe/Paris, the zone of the warehouse." in built
    assert "SHOP_SHOP_TZ" not in built


@pytest.mark.parametrize(
    ("text", "zone", "elsewhere", "clock"),
    [
        ("2026-02-02 20:00:00 -0800", "America/Los_Angeles", 0, "-08:00"),
        ("2026-02-02T23:30:00Z", "Europe/Berlin", 1, "UTC"),
        ("2026-02-02T12:30:00+05:30", "Europe/Berlin", 0, "+05:30"),
    ],
)
def test_an_order_is_counted_by_the_clock_that_its_time_tells(text, zone, elsewhere, clock):
    days = Days(zone)
    days.add(parse_time(text))
    assert (days.elsewhere, dict(days.clocks)) == (elsewhere, {clock: 1})


def test_summer_and_winter_together_tell_the_zone():
    days = Days("Europe/Berlin")
    for text in ("2026-02-02T20:00:00-05:00", "2026-07-02T22:00:00-04:00"):
        days.add(parse_time(text))
    assert "SHOP_SHOP_TZ to America/New_York (it fits the file)" in "\n".join(days.lines())
