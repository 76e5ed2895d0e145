"""What a person took back is in no mart after the next build, what it touched is told again; a restore undoes it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import pytest

from shop_platform.operations.rebuild import _common_ceiling
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import dose
from tests.dbt import events as e
from tests.dbt.project import Shop
from tests.dbt.random_worlds import random_worlds


def retract(settings: Settings, events: Iterable[e.Event]) -> None:
    """Take landed events back, as ``shop events retract`` does (its books are tests/landed_events)."""
    by_topic = defaultdict(list)
    for event in events:
        by_topic[event.topic].append(event.id)
    with connect(settings, Role.INGEST) as connection:
        for topic, ids in by_topic.items():
            connection.execute("select from ops.retract(%s, %s, 'test', 'a test')", [topic, ids])


def restore(settings: Settings, events: Iterable[e.Event]) -> None:
    events = list(events)
    with connect(settings, Role.INGEST) as connection:
        connection.execute(
            "update ops.retractions set restored_at = now(), restored_by = 'test' where event_id = any(%s)"
            " and restored_at is null",
            [[event.id for event in events]],
        )
    e.write(settings, events)


@pytest.mark.timeout(dose(600, 7200))
@pytest.mark.parametrize("seed", range(dose(1, 10)))
def test_any_retractions_and_restorations_end_in_the_marts_of_a_full_refresh(shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    first, second, third = random_worlds(seed, 40, 3)
    e.write(shop.settings, first)
    shop.dbt.run()
    e.write(shop.settings, second)
    gone = [event for event in _each_once(first + second) if rng.random() < 0.15]
    retract(shop.settings, gone)
    shop.dbt.refresh()
    _assert_none(shop)

    back = [event for event in gone if rng.random() < 0.3]
    restore(shop.settings, back)
    again = [event for event in back if rng.random() < 0.3]
    retract(shop.settings, again)
    e.write(shop.settings, [event for event in third if event.id not in {each.id for each in gone}])
    # Any selection may be run at any moment: what it leaves out is read again.
    shop.dbt.run("--select", *rng.sample(sorted(shop.dbt.marts()), 12))
    shop.dbt.refresh()
    _assert_none(shop)


def test_an_order_that_landed_wrong_is_corrected_by_a_retraction_and_an_event_with_an_id_of_its_own(shop: Shop) -> None:
    wrong = e.order_placed("o1", "2026-03-01 10:00", lines=[("desk", 10, "10.00", "0.00", "19.00")])
    others = [e.order_placed("o2", "2026-03-01 11:00"), e.order_paid("o1", "2026-03-01 10:01", amount="11.90")]
    e.write(shop.settings, [wrong, *others])
    shop.dbt.run()
    assert shop.rows("select gross_amount from marts.fct_orders where order_id = 'o1'") == [(Decimal("100.00"),)]

    # Told again, the first telling would stand: the wrong one goes, and the right one is the first.
    retract(shop.settings, [wrong])
    assert _common_ceiling(shop.settings) is None, "shop verify would compare with a raw that has lost the event"
    shop.dbt.refresh()
    assert shop.rows("select order_id from marts.fct_orders") == [("o2",)]
    assert shop.rows("select order_id from marts.fct_payments") == []
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00", telling=2)])
    shop.dbt.refresh()

    assert _common_ceiling(shop.settings) is not None
    assert shop.rows("select gross_amount, status from marts.fct_orders where order_id = 'o1'") == [
        (Decimal("10.00"), "paid")
    ]
    assert shop.rows("select orders_count, gross_amount from marts.kpi_daily") == [(2, Decimal("20.00"))]
    shop.dbt.test()
    _assert_none(shop)


LATE = "select date_day::text, event_type, events_count from marts.fct_late_events order by 1, 2"


def test_late_events_of_days_that_retention_took_stay_when_their_landing_is_computed_again(shop: Shop) -> None:
    """Everything landed in one transaction, as a history does: a retraction opens all of it again."""
    gone = e.order_placed("o1", "2024-03-02 10:00", session_id="s3")
    e.write(
        shop.settings,
        [
            e.session_started("s1", "2023-03-01 09:00"),
            e.session_started("s2", "2023-12-31 22:00"),
            e.session_started("s3", "2024-03-02 09:00"),
            e.order_placed("o0", "2023-03-01 09:30", session_id="s1"),
            e.order_cancelled("o0", "2023-03-02 09:30"),
            gone,
        ],
    )
    shop.dbt.run()
    before = shop.rows(LATE)
    assert ("2023-03-01", "web.session_started", 1) in before and ("2024-03-02", "order.placed", 1) in before
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("delete from raw.web where event_time < '2024-01-01'")
        admin.execute(
            "insert into ops.retention_runs (relation, older_than, rows_removed, actor)"
            " values ('raw.web', '2024-01-01 00:00+00', 2, 'test')"
        )

    retract(shop.settings, [gone])
    shop.dbt.run()
    assert shop.rows(LATE) == [row for row in before if row[:2] != ("2024-03-02", "order.placed")]
    restore(shop.settings, [gone])
    shop.dbt.run()
    assert [row[:2] for row in shop.rows(LATE)] == [row[:2] for row in before]


def _each_once(events: list[e.Event]) -> list[e.Event]:
    return list({event.id: event for event in events if event.name != "customer.erased"}.values())


def _assert_none(shop: Shop) -> None:
    differing = shop.differences_from_a_full_refresh()
    rows = {
        mart: shop.rows(f"(table marts.{mart} except all table verify__marts.{mart}) limit 2") for mart in differing
    }
    assert differing == {}, rows
