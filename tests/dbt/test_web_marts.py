"""Carts, funnel, touches and attribution: what they say, and that no order of arrival changes it."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt import events_web as w
from tests.dbt.project import Shop
from tests.dbt.random_shop import SEEDS, split

_WEB = ("fct_events", "fct_carts", "fct_abandoned_carts", "funnel_daily")
_MARKETING = ("fct_marketing_touches", "fct_attribution", "channel_performance", "dim_channels", "dim_geography")
_TOUCHES = "marts.fct_marketing_touches"
_MANY = 6000


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_stream_in_random_batches(shop: Shop, seed: int) -> None:
    stream = w.random_web_stream(seed)

    shop.dbt.run()
    for batch in split(stream, batches=3, seed=seed):
        e.write(shop.settings, batch)
        shop.dbt.refresh()
    shop.dbt.test("--select", *_WEB, *_MARKETING)

    assert {mart for mart in (*_WEB, *_MARKETING) if shop.rows(f"select count(*) from marts.{mart}") == [(0,)]} == set()
    assert shop.differences_from_a_full_refresh() == {}


def test_an_event_is_there_before_its_session_and_only_once(shop: Shop) -> None:
    seen = e.product_viewed("s1", "2026-03-01 23:30", "desk", currency="CHF")
    e.write(shop.settings, [seen])
    _build(shop, "fct_events")
    e.write(shop.settings, [seen, w.cart_holds("s1", "2026-03-01 23:31", "desk", 2, price="9.50")])
    e.write(shop.settings, [e.session_started("s1", "2026-03-01 23:29")])
    _build(shop, "fct_events")

    assert shop.rows(
        "select event_name, event_date::text, product_id, quantity_delta, cart_quantity, unit_price, currency"
        " from marts.fct_events order by occurred_at"
    ) == [
        ("session_started", "2026-03-02", None, None, None, None, None),
        ("product_viewed", "2026-03-02", "desk", None, None, Decimal("10.00"), "CHF"),
        ("cart_changed", "2026-03-02", "desk", 1, 2, Decimal("9.50"), "EUR"),
    ]


def test_a_cart_is_worth_what_it_held_last_and_an_order_takes_it_out_of_the_abandoned_ones(shop: Shop) -> None:
    shop.dbt.run()
    e.write(
        shop.settings,
        [
            *_visit("bought", w.cart_holds("bought", "2026-03-01 10:02", "desk", 1)),
            # The later state arrives first; the price changed meanwhile.
            *_visit("left", w.cart_holds("left", "2026-03-01 10:05", "desk", 3, price="11.00")),
            w.cart_holds("left", "2026-03-01 10:02", "desk", 1),
            w.cart_holds("left", "2026-03-01 10:03", "lamp", 2, price="0.50"),
            w.cart_holds("left", "2026-03-01 10:04", "chair", 0, delta=-1),
            *_visit("emptied", w.cart_holds("emptied", "2026-03-01 10:02", "desk", 1)),
            w.cart_holds("emptied", "2026-03-01 10:03", "desk", 0, delta=-1),
            *_visit("mixed", w.cart_holds("mixed", "2026-03-01 10:02", "desk", 1)),
            w.cart_holds("mixed", "2026-03-01 10:03", "lamp", 1, currency="CHF"),
            *_visit("only_looked"),
            *_visit("still_there", w.cart_holds("still_there", "2026-03-01 10:31", "desk", 1)),
        ],
    )
    shop.dbt.refresh()

    carts = "select session_id, outcome, products_count, units, cart_value, currency from marts.fct_carts order by 1"
    assert shop.rows(carts) == [
        ("bought", "left", 1, 1, Decimal("10.00"), "EUR"),
        ("emptied", "emptied", 0, 0, Decimal("0.00"), "EUR"),
        ("left", "left", 2, 5, Decimal("34.00"), "EUR"),
        ("mixed", "left", 2, 2, None, "CHF"),
        ("still_there", "left", 1, 1, Decimal("10.00"), "EUR"),
    ]
    abandoned = "select session_id from marts.fct_abandoned_carts order by 1"
    # The newest activity is of 10:31: whoever was seen after 10:01 may still be there.
    assert shop.rows(abandoned) == []

    e.write(
        shop.settings,
        [e.page_viewed("only_looked", "2026-03-01 10:03"), w.cart_holds("still_there", "2026-03-01 10:35", "desk", 2)],
    )
    shop.dbt.refresh()
    assert shop.rows(abandoned) == [("bought",), ("left",), ("mixed",)]

    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:06", session_id="bought")])
    shop.dbt.refresh()
    assert shop.rows(abandoned) == [("left",), ("mixed",)]
    assert shop.rows("select outcome, order_id from marts.fct_carts where session_id = 'bought'") == [("ordered", "o1")]
    assert shop.differences_from_a_full_refresh() == {}


def test_an_order_within_a_week_by_the_same_customer_or_browser_recovers_a_cart(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            *_visit("by_name", w.cart_holds("by_name", "2026-03-01 10:05", "desk", 1), customer_id="anna"),
            *_visit("by_browser", w.cart_holds("by_browser", "2026-03-01 10:05", "desk", 1), visitor_id="tablet"),
            *_visit("too_late", w.cart_holds("too_late", "2026-03-01 10:05", "desk", 1), customer_id="ben"),
            e.session_started("later", "2026-03-02 10:00", visitor_id="tablet"),
            e.order_placed("second", "2026-03-08 10:05", customer_id="anna", session_id="later"),
            e.order_placed("first", "2026-03-08 10:04", customer_id="anna"),
            e.order_placed("before", "2026-03-01 10:04", customer_id="anna"),
            e.order_placed("next_week", "2026-03-08 10:06", customer_id="ben"),
            *_visit("newest", w.cart_holds("newest", "2026-03-02 10:06", "desk", 1)),
        ],
    )
    _build(shop, "fct_abandoned_carts")

    assert shop.rows(
        "select session_id, is_recovered, recovered_by_order_id from marts.fct_abandoned_carts order by 1"
    ) == [("by_browser", True, "second"), ("by_name", True, "first"), ("too_late", False, None)]


def test_an_order_without_a_touch_is_credited_to_its_session_or_to_what_it_says_itself(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.order_placed("phone", "2026-03-01 10:00", channel="direct"),
            e.session_started("s1", "2026-03-01 09:00", channel="organic_search"),
            e.order_placed("web", "2026-03-01 10:00", session_id="s1", customer_id="ben"),
            e.order_placed("orphan", "2026-03-01 10:00", session_id="lost", customer_id="carla", campaign="spring"),
        ],
    )
    _build(shop, "fct_attribution")

    assert shop.rows(
        "select order_id, touch_kind, channel, campaign, count(*), sum(weight), sum(attributed_net_amount)"
        " from marts.fct_attribution group by 1, 2, 3, 4 order by 1"
    ) == [
        ("orphan", "order", "email", "spring", 4, 4, Decimal("40.00")),
        ("phone", "order", "direct", None, 4, 4, Decimal("40.00")),
        ("web", "session", "organic_search", None, 4, 4, Decimal("40.00")),
    ]


def test_touches_share_an_order_to_the_cent(shop: Shop) -> None:
    ordered = "2026-03-31 10:00"
    e.write(
        shop.settings,
        [
            e.session_started("s1", "2026-03-31 09:50", channel="organic_search", visitor_id="v1"),
            e.order_placed("o1", ordered, [("desk", 1, "10.01", "0.00", "0.00")], session_id="s1", customer_id="anna"),
            # Thirty days to the second across a clock change; a second more; after the order; of somebody else.
            w.touched("first", "v1", "2026-03-01 10:00", channel="affiliate"),
            w.touched("too_early", "v1", "2026-03-01 09:59:59"),
            w.touched("too_late", "v1", "2026-03-31 10:00:01"),
            w.touched("of_another", "v2", "2026-03-30 10:00", customer_id="ben"),
            # On another browser, but the customer is named; sent and never opened.
            w.touched("mail", "v3", "2026-03-20 10:00", customer_id="anna", kind="email_opened", channel="email"),
            w.touched("unread", "v3", "2026-03-21 10:00", customer_id="anna", kind="email_sent", channel="email"),
            # Names both browser and customer: still one touch.
            w.touched("both", "v1", "2026-03-25 10:00", customer_id="anna", channel="social"),
        ],
    )
    _build(shop, "fct_attribution")

    assert _credit(shop, "o1") == {
        "first_touch": [("first", "1", "10.01")],
        "last_touch": [(None, "1", "10.01")],
        "linear": [
            ("first", "0.25", "2.50"),
            ("mail", "0.25", "2.51"),
            ("both", "0.25", "2.50"),
            (None, "0.25", "2.50"),
        ],
        "position_based": [
            ("first", "0.4", "4.00"),
            ("mail", "0.1", "1.01"),
            ("both", "0.1", "1.00"),
            (None, "0.4", "4.00"),
        ],
    }


def test_the_click_into_the_session_is_not_counted_beside_the_session_and_direct_is_no_touch(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.session_started("s1", "2026-03-31 09:50", channel="paid_search", visitor_id="v1"),
            w.touched("click", "v1", "2026-03-31 09:50", session_id="s1"),
            e.order_placed("o1", "2026-03-31 10:00", session_id="s1"),
            e.session_started("s2", "2026-03-31 09:50", channel="direct", visitor_id="v2"),
            w.touched("shown", "v2", "2026-03-30 09:50", kind="impression"),
            w.touched("seen", "v2", "2026-03-30 09:51", kind="impression"),
            w.touched("noticed", "v2", "2026-03-30 09:52", kind="impression"),
            e.order_placed("o2", "2026-03-31 10:00", session_id="s2", customer_id="ben"),
        ],
    )
    _build(shop, "fct_attribution")

    assert _credit(shop, "o1")["linear"] == [("click", "1", "10.00")]
    # A third has no end: the weights still add up to one.
    assert _credit(shop, "o2")["linear"] == [
        ("shown", "0.333333", "3.33"),
        ("seen", "0.333334", "3.34"),
        ("noticed", "0.333333", "3.33"),
    ]


def test_whatever_lands_late_changes_the_credit_of_the_orders_it_concerns(shop: Shop) -> None:
    last = (
        "select order_id, coalesce(touch_id, channel) from marts.fct_attribution where attribution_model = 'last_touch'"
    )
    shop.dbt.run()
    e.write(
        shop.settings,
        [
            e.order_placed("o1", "2026-03-10 10:00", session_id="s1", customer_id="anna"),
            e.order_placed("o2", "2026-03-10 10:00", customer_id="ben"),
            e.order_placed("o3", "2026-03-10 10:00", customer_id="carla"),
        ],
    )
    shop.dbt.refresh()
    assert sorted(shop.rows(last)) == [("o1", "email"), ("o2", "email"), ("o3", "email")]

    e.write(shop.settings, [e.session_started("s1", "2026-03-10 09:00", channel="direct", visitor_id="v1")])
    shop.dbt.refresh()
    assert ("o1", "direct") in shop.rows(last)

    e.write(
        shop.settings,
        [w.touched("t1", "v1", "2026-03-09 10:00"), w.touched("t2", "v2", "2026-03-09 10:00", customer_id="ben")],
    )
    shop.dbt.refresh()
    assert sorted(shop.rows(last)) == [("o1", "t1"), ("o2", "t2"), ("o3", "email")]

    # Told again with an earlier time and another customer: the earlier telling stands, so ben loses the touch.
    e.write(shop.settings, [w.touched("t2", "v2", "2026-03-09 09:00", customer_id="carla")])
    shop.dbt.refresh()
    assert sorted(shop.rows(last)) == [("o1", "t1"), ("o2", "email"), ("o3", "t2")]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_channel_is_measured_by_what_it_cost_and_by_the_orders_that_count(shop: Shop) -> None:
    shop.dbt.run()
    e.write(
        shop.settings,
        [
            w.touched("t1", "v1", "2026-03-10 09:00", customer_id="anna", cost="4.00"),
            w.touched("t2", "v1", "2026-03-10 09:01", customer_id="anna", channel="carrier_pigeon", cost="0.00"),
            e.order_placed("o1", "2026-03-10 10:00"),
            e.order_placed("o2", "2026-03-10 11:00", country="XK"),
        ],
    )
    shop.dbt.refresh()
    e.write(shop.settings, [e.order_cancelled("o2", "2026-03-10 12:00")])
    shop.dbt.refresh()

    assert shop.rows(
        "select channel, touches_count, spend, first_touch_orders, first_touch_net_amount, first_touch_roas,"
        " linear_net_amount, linear_roas from marts.channel_performance order by 1"
    ) == [
        ("carrier_pigeon", 1, 0, 0, 0, None, Decimal("5.00"), None),
        ("paid_search", 1, 4, 1, 10, Decimal("2.5"), Decimal("5.00"), Decimal("1.25")),
    ]
    unlisted = "channel_group, is_paid, channel_name from marts.dim_channels where is_inferred"
    assert shop.rows(f"select channel, {unlisted}") == [("carrier_pigeon", "unknown", None, "carrier pigeon")]
    assert shop.rows("select country, is_eu from marts.dim_geography where is_inferred") == [("XK", None)]
    assert shop.differences_from_a_full_refresh() == {}


@pytest.mark.parametrize("statistics", ["analyzed", "not analyzed"])
def test_a_few_new_events_read_neither_all_of_raw_nor_all_of_the_facts(shop: Shop, statistics: str) -> None:
    e.write(
        shop.settings,
        [
            *_visit("s0", w.cart_holds("s0", "2026-03-01 10:01", "desk", 1), visitor_id="v0"),
            e.order_placed("o0", "2026-03-01 10:02", session_id="s0", customer_id="c0"),
            w.touched("t0", "v0", "2026-03-01 09:00", customer_id="c0", session_id="s0"),
        ],
    )
    _multiply(shop)
    if statistics == "analyzed":
        with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
            admin.execute("analyze raw.web, raw.orders, raw.marketing")
    shop.dbt.run()
    e.write(
        shop.settings,
        [
            w.touched("new", "v7", "2026-03-01 09:30"),
            w.touched("new", "stranger", "2026-03-01 09:30", customer_id="c8"),
            w.cart_holds("s9", "2026-03-01 10:03", "lamp", 2),
            e.order_placed("new", "2026-03-01 10:04", session_id="s10", customer_id="c10"),
            e.order_cancelled("o11", "2026-03-02 10:00"),
        ],
    )
    before = _rows_read(shop)

    shop.dbt.run("--select", "config.materialized:incremental", "--exclude", "fct_attribution")
    between = _rows_read(shop)
    shop.dbt.run("--select", "fct_attribution")

    after = _rows_read(shop)
    raw = {table: after[table] - before[table] for table in ("raw.web", "raw.orders", "raw.marketing")}
    facts = {mart: after[mart] - between[mart] for mart in ("marts.fct_orders", "marts.fct_sessions", _TOUCHES)}
    assert max(*raw.values(), *facts.values()) < 200, (raw, facts)
    shop.dbt.refresh()
    assert shop.rows("select count(*) from marts.fct_attribution") == [(4 * (_MANY + 1) + 2 * 2 + 4,)]
    assert shop.differences_from_a_full_refresh() == {}


def _multiply(shop: Shop) -> None:
    """Copy every event so far, whose names end in 0, under many other names."""
    with connect(shop.settings, Role.ADMIN) as admin:
        for table in ("web", "orders", "marketing"):
            admin.execute(
                f"insert into raw.{table} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                " kafka_offset) select gen_random_uuid(), event_type, source, replace(subject, '0', number::text),"
                " event_time, regexp_replace(data::text, '\"([scvot])0\"', '\"\\1' || number || '\"', 'g')::jsonb, 0, 0"
                f" from raw.{table}, generate_series(1, {_MANY}) as number"
            )


def _rows_read(shop: Shop) -> dict[str, int]:
    """Count rows and index entries read so far, per table that an incremental run could read whole."""
    shop.dbt.tell_statistics()
    with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
        found = admin.execute(
            "select t.schemaname || '.' || t.relname, t.seq_tup_read + sum(i.idx_tup_read)"
            " from pg_stat_user_tables t join pg_stat_user_indexes i using (relid)"
            " where t.schemaname in ('raw', 'marts') group by t.schemaname, t.relname, t.seq_tup_read"
        ).fetchall()
    read: Counter[str] = Counter()
    for table, count in found:
        read[re.sub(r"^((raw\.)?web)_(before|default|y\d+)$", r"\1", str(table))] += int(str(count))
    return read


def _build(shop: Shop, mart: str) -> None:
    shop.dbt.run("--select", f"+{mart}")


def _visit(session_id: str, *changes: e.Event, **data: Any) -> list[e.Event]:
    return [e.session_started(session_id, "2026-03-01 10:00", **data), *changes]


def _credit(shop: Shop, order_id: str) -> dict[str, list[tuple[str | None, str, str]]]:
    found: dict[str, list[tuple[str | None, str, str]]] = {}
    for model, touch, weight, amount in shop.rows(
        "select attribution_model, touch_id, trim_scale(weight)::text, attributed_net_amount::text"
        f" from marts.fct_attribution where order_id = '{order_id}' order by touch_position"
    ):
        found.setdefault(str(model), []).append((touch, weight, amount))
    return found
