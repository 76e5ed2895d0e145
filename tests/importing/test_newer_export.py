"""What a newer export takes back, and no later event can tell, is told with what to do; nothing is lost in silence."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from shop_platform.events.personal import family
from shop_platform.events.urls import source_path
from shop_platform.importing.compare import judge
from shop_platform.importing.landed import Landed
from shop_platform.importing.plan import read_plan
from shop_platform.importing.report import ImportReport
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.landed_events.retract import retract
from shop_platform.landed_events.selection import select
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.importing.files import WOOCOMMERCE, built, write_lines

MAP = WOOCOMMERCE[1]


def woo(number, total="35.70", *, paid="2026-08-01T10:00:00", refunds=(), modified="2026-08-02T10:00:00", **more):
    """Return an order of WooCommerce of one line without tax."""
    return {
        "id": number, "status": "processing", "currency": "EUR", "date_created_gmt": "2026-08-01T09:59:00",
        "date_modified_gmt": modified, "date_paid_gmt": paid, "shipping_total": "0.00", "total": total,
        "total_tax": "0.00", "customer_id": 7, "billing": {"country": "DE", "email": "w@example.com", "phone": ""},
        "shipping": {"country": ""}, "payment_method": "stripe", "meta_data": [], "fee_lines": [], "coupon_lines": [],
        "line_items": [{"id": 1, "product_id": 93, "quantity": 1, "subtotal": total, "total": total,
                        "total_tax": "0.00", "sku": "W-1"}],
        "refunds": [{"id": id_, "reason": "", "total": amount} for id_, amount in refunds],
    } | more  # fmt: skip


def export(path, *orders):
    return write_lines(path, map(json.dumps, orders))


@pytest.fixture
def differences(tmp_path):
    """Return what an export says otherwise than an older one, of which everything has landed."""

    def told(older, newer):
        plan = read_plan(MAP)
        (before,) = built(export(tmp_path / "older.ndjson", older), MAP)
        (after,) = built(export(tmp_path / "newer.ndjson", newer), MAP)
        landed = [
            Landed(
                event.event_id, family(event.event_type), source_path(plan.source), event.key.decode(),
                dt.datetime.fromisoformat(event.event_time),
                json.loads(event.value)["data"], None,
            )
            for event in before.events
        ]  # fmt: skip
        return judge(plan, after, landed)

    return told


def test_a_cancelled_order_that_is_a_sale_again_is_told_with_the_cancellation_to_take_back(shop, tmp_path):
    """Three exports: a transfer is awaited, is given up, and comes after all; the shop's own cancellation likewise."""
    unpaid = {"paid": None, "status": "on-hold"}
    first = export(tmp_path / "w1.ndjson", woo(12, **unpaid), woo(13, paid=None, status="cancelled"), woo(14))
    second = export(
        tmp_path / "w2.ndjson",
        woo(12, paid=None, status="failed"), woo(13, paid=None, status="cancelled"),
        woo(14, "20.00", modified="2026-08-06T12:00:00"),
    )  # fmt: skip
    third = export(
        tmp_path / "w3.ndjson",
        *(woo(number, status="completed", paid="2026-08-07T10:00:00") for number in (12, 13)), woo(14, "20.00"),
    )  # fmt: skip
    run_import(shop.settings, ImportOptions(first, MAP))
    ingest_until_end(shop.settings)

    # What a payment has become less by is told with the amended order, not only by the import after it.
    refused = "\n".join(run_import(shop.settings, ImportOptions(second, MAP)).lines(20))
    for line in (
        "2 of 3 entities differ from what landed:",
        "row 3, woo-14: order.placed: total was 35.70, is 20.00",
        "1 of 3 entities differs in what no later event can tell; what landed stays:",
        "row 3, woo-payment-14: order.paid: amount was 35.70, is 20.00",
    ):
        assert line in refused
    assert run_import(shop.settings, ImportOptions(second, MAP, amend=True)).exit_code == 0
    ingest_until_end(shop.settings)

    report = run_import(shop.settings, ImportOptions(third, MAP))
    text = "\n".join(report.lines(20))
    assert (report.exit_code, report.staying, report.events["shop.order.paid.v1"]) == (0, 3, 2)
    assert "3 of 3 entities differ in what no later event can tell; what landed stays:" in text
    ids = []
    for row, order, reason in ((1, "woo-12", "no_sale"), (2, "woo-13", "unknown")):
        found = re.search(
            rf"  row {row}, {order}: is cancelled here \(reason {reason}\), and a sale in the file: take the"
            r' cancellation back with `shop events retract ([0-9a-f-]{36}) --topic shop\.orders --reason "\.\.\."`',
            text,
        )
        assert found, text
        ids.append(found[1])
    first_two = report.as_dict()["landed"]["first"][:2]
    assert [(each["id"], each["retract"], each["amendable"]) for each in first_two] == [
        ("woo-12", [ids[0]], False), ("woo-13", [ids[1]], False),
    ]  # fmt: skip
    ingest_until_end(shop.settings)
    retract(shop.settings, select(ids=ids, topic="shop.orders"), actor="me", because="paid after all")
    again = run_import(shop.settings, ImportOptions(third, MAP))
    assert (again.exit_code, again.staying) == (0, 1), "but for the payment of woo-14"
    with connect(shop.settings, Role.ADMIN) as connection:
        assert connection.execute("select count(*) from raw.orders where event_type like '%cancelled%'").fetchone() == (
            0,
        )


def test_an_order_that_is_given_up_again_after_its_cancellation_was_taken_back_is_cancelled_anew(differences):
    """The id of the cancellation that was taken back would never land again."""
    failed = woo(1, paid=None, status="failed")
    ids = {
        judged.changes[0].event("/woocommerce/orders", dt.datetime(2026, 8, 9, tzinfo=dt.UTC)).event_id
        for judged in (differences(woo(1, paid=None), failed), differences(woo(1), failed))
    }
    assert len(ids) == 2


def test_an_order_that_the_file_cancels_too_is_in_line(differences):
    cancelled = woo(1, paid=None, status="cancelled")
    assert differences(cancelled, cancelled | {"date_modified_gmt": "2026-08-09T10:00:00"}).differences == []


def test_a_refund_that_is_gone_is_told_with_the_event_to_take_back(differences):
    older = woo(1, refunds=[(101, "-5.00"), (102, "-7.00")])
    (gone,) = differences(older, woo(1, refunds=[(102, "-7.00")])).differences
    assert gone.changes == () and len(gone.retract) == 1
    assert gone.subject == "woo-refund-101" and gone.what == (
        "refund.issued: landed with 5.00, and is not in the file: take it back with"
        f' `shop events retract {gone.retract[0]} --topic shop.returns --reason "..."`'
    )


def test_a_payment_that_is_gone_is_told(differences):
    (gone,) = differences(woo(1), woo(1, paid=None)).differences
    assert gone.what.startswith("order.paid: landed with 35.70, and is not in the file: take it back with")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payment_method": "paypal"}, "order.paid: method was stripe, is paypal"),
        (
            {"paid": "2026-08-03T08:00:00"},
            "order.paid: time was 2026-08-01 10:00:00 UTC, is 2026-08-03T08:00:00Z",
        ),
    ],
)
def test_a_payment_by_other_means_or_at_another_time_is_told_and_not_sent(differences, change, said):
    judged = differences(woo(1), woo(1, **change))
    assert [(each.what.replace(".000000Z", "Z"), each.changes) for each in judged.differences] == [(said, ())]
    assert [event.event_type for event in judged.send] == ["shop.order.placed.v1"]


def test_a_refund_that_grew_for_another_reason_is_told_in_both(differences):
    older, newer = woo(1, refunds=[(101, "-5.00")]), woo(1, refunds=[(101, "-9.00")])
    newer["refunds"][0]["reason"] = "broken"
    grown, other = differences(older, newer).differences
    assert len(grown.changes) == 1 and "amount was 5.00, is 9.00" in grown.what
    assert other.what == "refund.issued: reason was unknown, is broken" and other.changes == ()


def test_what_can_be_told_and_what_cannot_are_both_counted(differences):
    report = ImportReport("f", "ndjson", "m", dry_run=True, compared=True, entities=1)
    report.differ(differences(woo(1), woo(1, "20.00")).differences)
    assert (report.differing, report.staying, report.others) == (1, 1, 0)
