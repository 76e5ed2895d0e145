"""Whatever way the events arrive, the incremental marts are the marts of a full refresh."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.project import Shop
from tests.dbt.random_shop import SEEDS, random_stream, split


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_stream_in_random_batches(shop: Shop, seed: int) -> None:
    stream = random_stream(seed)

    shop.dbt.run()
    for batch in split(stream, batches=3, seed=seed):
        e.write(shop.settings, batch)
        shop.dbt.refresh()
    shop.dbt.test()

    assert shop.rows("select count(*) from marts.fct_orders")[0][0] > 0
    assert shop.differences_from_a_full_refresh() == {}


def test_every_order_of_arrival_ends_in_the_same_rows(shop: Shop) -> None:
    arrivals = list(itertools.permutations(range(5)))

    shop.dbt.run()
    for turn in range(5):
        e.write(shop.settings, [_story(number)[order[turn]] for number, order in enumerate(arrivals)])
        shop.dbt.refresh()

    orders = shop.rows("select status, paid_amount, refunded_amount, count(*) from marts.fct_orders group by 1, 2, 3")
    assert orders == [("cancelled", Decimal("11.90"), Decimal("10.00"), len(arrivals))]
    sessions = shop.rows("select has_order, right(order_id, -1) = right(session_id, -1) from marts.fct_sessions")
    assert sessions == [(True, True)] * len(arrivals)
    assert shop.rows("select count(*) from marts.fct_order_lines where is_cancelled") == [(len(arrivals),)]
    assert shop.differences_from_a_full_refresh() == {}


def _story(number: int) -> list[e.Event]:
    order, session = f"o{number}", f"s{number}"
    return [
        e.session_started(session, "2026-03-01 09:00"),
        e.order_placed(order, "2026-03-01 10:00", session_id=session),
        e.order_paid(order, "2026-03-01 10:01"),
        e.order_cancelled(order, "2026-03-02 10:00"),
        e.refund_issued(order, "2026-03-03 10:00"),
    ]


def test_a_session_loses_the_order_that_turns_out_to_be_another_sessions(shop: Shop) -> None:
    visits = [e.session_started(session, "2026-03-01 09:00") for session in ("seemed", "was")]
    carts = [e.cart_changed(session, "2026-03-01 09:10", "desk") for session in ("seemed", "was")]
    e.write(shop.settings, [*visits, *carts, e.order_placed("o1", "2026-03-01 11:00", session_id="seemed")])
    shop.dbt.run()
    assert shop.rows("select session_id from marts.fct_sessions where has_order") == [("seemed",)]

    # The first telling arrives last, and it stands.
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00", session_id="was")])
    shop.dbt.refresh()

    assert shop.rows("select session_id from marts.fct_sessions where has_order") == [("was",)]
    assert shop.rows("select session_id from marts.fct_carts where has_order") == [("was",)]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_transaction_that_stays_open_while_a_later_one_commits_is_not_lost(shop: Shop) -> None:
    shop.dbt.run()
    with connect(shop.settings, Role.INGEST) as slow:
        e.land(slow, [e.order_placed("slow", "2026-03-01 10:00")], partition=1)
        e.write(shop.settings, [e.order_placed("fast", "2026-03-01 11:00")])

        shop.dbt.refresh()
        # The fast one began later, so it may not be read yet: reading it would move the watermark past the slow one.
        assert shop.rows("select order_id from marts.fct_orders") == []

        slow.commit()
    shop.dbt.refresh()

    assert shop.rows("select order_id from marts.fct_orders order by 1") == [("fast",), ("slow",)]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_full_refresh_at_an_earlier_ceiling_shows_the_marts_of_that_moment(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00")])
    shop.dbt.run()
    ceiling = shop.ceiling()
    e.write(shop.settings, [e.order_placed("o2", "2026-03-01 10:00"), e.order_cancelled("o1", "2026-03-01 11:00")])

    shop.shadow.run("--full-refresh", "--vars", f'{{ceiling: "{ceiling}"}}')

    assert shop.rows("select order_id, status from verify__marts.fct_orders") == [("o1", "placed")]
    assert shop.differences_from_a_full_refresh() == {}
