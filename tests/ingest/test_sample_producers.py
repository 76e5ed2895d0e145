"""The sample producers of the documentation: what each sends lands, right to the cent, and nothing is a dead letter."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal

import pytest

from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect
from tests.support import languages

SAMPLES = PROJECT_ROOT / "docs" / "examples" / "producers"


@pytest.fixture(scope="module")
def producer_in_javascript():
    return languages.javascript(SAMPLES / "javascript", "producer.mjs")


@pytest.fixture(scope="module")
def producer_in_go():
    return languages.go(SAMPLES / "go")


def run(command, settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    environment["SHOP_KAFKA_BOOTSTRAP"] = settings.kafka_bootstrap
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def assert_that_all_lands(shop, command, prefix):
    for _ in range(2):  # a second order of the same producer has other ids
        done = run(command, shop.settings)
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
    assert_that_all_lands(shop, [sys.executable, str(SAMPLES / "python" / "producer.py")], "py")


def test_what_the_javascript_sample_sends_lands(shop, producer_in_javascript):
    assert_that_all_lands(shop, producer_in_javascript, "js")


def test_what_the_go_sample_sends_lands(shop, producer_in_go):
    assert_that_all_lands(shop, producer_in_go, "go")
