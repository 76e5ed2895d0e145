"""What a person took back is in no mart after the next build, what it touched is told again, and a restoration undoes it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

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


def _each_once(events: list[e.Event]) -> list[e.Event]:
    return list({event.id: event for event in events if event.name != "customer.erased"}.values())


def _assert_none(shop: Shop) -> None:
    differing = shop.differences_from_a_full_refresh()
    rows = {
        mart: shop.rows(f"(table marts.{mart} except all table verify__marts.{mart}) limit 2") for mart in differing
    }
    assert differing == {}, rows
