"""The sample producers of the documentation: what each sends lands, right to the cent, and nothing is a dead letter."""

from __future__ import annotations

from decimal import Decimal

from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.samples import PYTHON, run


def assert_that_all_lands(shop, command, prefix):
    for _ in range(2):  # a second order of the same producer has other ids
        done = run(command, {"SHOP_KAFKA_BOOTSTRAP": shop.settings.kafka_bootstrap})
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"acknowledged {prefix}-")
    ingest_until_end(shop.settings)
    with connect(shop.settings, Role.ADMIN) as connection:
        assert connection.execute("select error from ops.dead_letters").fetchall() == []
        landed = connection.execute("select event_type, subject, data, kafka_partition from raw.orders").fetchall()
    assert len(landed) == 4
    assert len({subject for _, subject, _, _ in landed}) == 2
    for subject in {each[1] for each in landed}:
        told = {kind: (data, partition) for kind, about, data, partition in landed if about == subject}
        (order, one), (payment, other) = told["shop.order.placed.v1"], told["shop.order.paid.v1"]
        assert one == other, "both have the same key"
        assert Decimal(order["total"]) == Decimal(payment["amount"]) == Decimal("254.68")
        assert [line["quantity"] * Decimal(line["unit_price"]) for line in order["lines"]] == [200, Decimal("19.90")]


def test_what_the_python_sample_sends_lands(shop):
    assert_that_all_lands(shop, PYTHON, "py")


def test_what_the_javascript_sample_sends_lands(shop, producer_in_javascript):
    assert_that_all_lands(shop, producer_in_javascript, "js")


def test_what_the_go_sample_sends_lands(shop, producer_in_go):
    assert_that_all_lands(shop, producer_in_go, "go")
