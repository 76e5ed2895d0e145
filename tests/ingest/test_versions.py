"""Schema evolution on the road: versions land beside each other, a new optional field passes, an unknown one waits."""

from __future__ import annotations

import dataclasses
import json

import pytest

from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.events.decode import CONTRACT, Contract
from shop_platform.events.registry import TOPICS, EventType
from shop_platform.events.types import RefundIssuedV2, Taxed
from shop_platform.events.vocabulary import Code
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support import people as p
from tests.support.events import LedgerProducer, page_view, refund


class RefundWithField(RefundIssuedV2, frozen=True):
    """Version 2 of a later release: one more optional field."""

    paid_back_by: Code | None = None


class RefundV3(RefundIssuedV2, frozen=True, kw_only=True):
    """A version of a later release."""

    duties: Taxed


def contract_with(payload, version):
    """Return the contract with the refund's ``version`` as ``payload``."""
    kind = EventType(f"shop.refund.issued.v{version}", payload, "order_id")

    def of(topic):
        others = tuple(each for each in topic.event_types if each.name != kind.name)
        return dataclasses.replace(topic, event_types=(*others, kind)) if topic.subject == "returns" else topic

    return Contract([of(topic) for topic in TOPICS])


@pytest.fixture
def road(fresh_warehouse):
    road = p.Road(fresh_warehouse.settings)
    yield road
    road.close()


def landed(settings):
    with connect(settings, Role.ADMIN) as connection:
        return {
            str(event_id): (kind, data)
            for event_id, kind, data in connection.execute(
                "select event_id, event_type, data from raw.returns union all"
                " select event_id, event_type, data from raw.web"
            )
        }


def as_sent(events):
    return {each["id"]: (each["type"], each["data"]) for each in events}


def test_both_versions_and_fields_that_nobody_announced_land_whole_and_nothing_stops(shop):
    sent = [refund(1), refund(2), refund(1), refund(2), page_view(1)]
    for each in sent[2:]:
        each["data"]["paid_back_by"] = {"kind": "voucher", "codes": ["ä", 1.50, None]}
    sent[3]["data"]["lines"] = [line | {"restocking_fee": "1.00"} for line in sent[3]["data"]["lines"]]
    LedgerProducer(shop.settings).send(sent)
    report = ingest_until_end(shop.settings)
    assert (report.by_subject["returns"].landed, report.by_subject["returns"].dead) == (4, 0)
    assert (report.by_subject["web"].landed, report.by_subject["web"].dead) == (1, 0)
    assert landed(shop.settings) == as_sent(sent)
    assert reconcile(shop.settings).holds


def test_an_unknown_version_waits_while_its_neighbours_land_and_lands_once_it_is_registered(shop):
    third = refund(2, duties={"net": "4.90", "tax": "0.93"})
    third["type"] = "shop.refund.issued.v3"
    sent = [refund(1), third, refund(2)]
    producer = LedgerProducer(shop.settings)
    for each in sent:
        producer.send_raw("shop.returns", json.dumps(each).encode(), each["id"], key="ord_1", time=each["time"])
    producer.flush()
    report = ingest_until_end(shop.settings).by_subject["returns"]
    assert (report.landed, report.dead) == (2, 1)
    assert replay(shop.settings, select(), actor="test", contract=CONTRACT).still_invalid == 1
    assert landed(shop.settings) == as_sent([sent[0], sent[2]])

    assert replay(shop.settings, select(), actor="test", contract=contract_with(RefundV3, 3)).landed == 1
    assert landed(shop.settings) == as_sent(sent)
    assert reconcile(shop.settings).holds


def test_an_optional_field_is_free_until_it_is_registered_and_checked_from_then_on(road):
    before = [refund(2), refund(2, paid_back_by="voucher"), refund(2, paid_back_by=7)]
    (written,) = road.land(*before)
    assert (written.landed, written.dead) == (3, 0)

    after = [refund(2), refund(1, paid_back_by="voucher"), refund(2, paid_back_by="voucher")]
    wrong = refund(2, paid_back_by=7)
    upgraded = contract_with(RefundWithField, 2)
    for _ in range(2):  # the second time the quick way knows the source
        (written,) = road.land(*after, wrong, contract=upgraded)
        assert written.dead == 1
    assert landed(road.settings) == as_sent([*before, *after])
    letters = p.rows(road.settings, "select error_class, schema_path, event_id::text from ops.dead_letters")
    assert letters == [("data_invalid", "$.data.paid_back_by", wrong["id"])] * 2
    assert p.rows(road.settings, "select count(*) from pii.personal_data") == [(0,)]
