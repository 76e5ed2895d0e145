"""What the marts of orders say beyond the order itself: its steps, discounts, refunds, costs and currencies."""

from __future__ import annotations

import itertools
from decimal import ROUND_HALF_UP, Decimal

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.project import Shop
from tests.dbt.random_shop import SEEDS, random_stream, split

_MARTS = (
    *("fct_orders", "fct_order_lines", "fct_refunds", "fct_order_status_history", "fct_refund_lines"),
    *("fct_discounts", "dim_product_history", "dim_exchange_rates"),
)
# Everything that these need, and nothing else: a build of the whole project takes much longer.
_OURS = ("--select", *(f"+{mart}" for mart in _MARTS))
# What the data tests compare them with.
_PEERS = ("fct_payments", "dim_products", "dim_customers", "dim_date")


def _run(shop: Shop) -> None:
    shop.dbt.run(*_OURS)


def _arrive(shop: Shop, *batches: list[e.Event]) -> None:
    """Land each batch and build after it."""
    for batch in batches:
        e.write(shop.settings, batch)
        _run(shop)


def _differences(shop: Shop) -> dict[str, int]:
    """Compare our marts with a full refresh at the same ceiling."""
    found = shop.rows(f"select distinct ceiling::text from ops.model_watermarks where model in {_names('marts.')}")
    assert len(found) == 1, found
    shop.shadow.run("--full-refresh", *_OURS, "--vars", f'{{ceiling: "{found[0][0]}"}}')
    there_and_back = (
        "select count(*) from ((table marts.{0} except all table verify__marts.{0})"
        " union all (table verify__marts.{0} except all table marts.{0})) as differing"
    )
    rows = {mart: shop.rows(there_and_back.format(mart))[0][0] for mart in _MARTS}
    return {mart: differing for mart, differing in rows.items() if differing}


def _names(prefix: str) -> str:
    return "(" + ", ".join(f"'{prefix}{mart}'" for mart in _MARTS) + ")"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_stream_in_batches_ends_in_the_marts_of_a_full_refresh(shop: Shop, seed: int) -> None:
    stream = o.with_money_and_returns(random_stream(seed), seed)

    _run(shop)
    _arrive(shop, *split(stream, batches=3, seed=seed))

    assert _differences(shop) == {}
    for mart in _MARTS:
        assert shop.rows(f"select count(*) > 0 from marts.{mart}") == [(True,)], mart
    shop.dbt.run("--select", *(f"+{mart}" for mart in _PEERS))
    tests = ("--exclude-resource-type", "unit_test", "--indirect-selection", "cautious")
    shop.dbt.test("--select", *_MARTS, *_PEERS, *tests)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


_LIFE = [
    e.order_placed("o1", "2026-03-01 10:00"),
    e.order_paid("o1", "2026-03-01 10:00"),
    e.order_shipped("o1", "2026-03-02 10:00"),
    e.order_delivered("o1", "2026-03-03 10:00"),
    o.return_requested("o1", "2026-03-04 10:00", "r1"),
    o.return_received("o1", "2026-03-06 10:00", "r1"),
    e.refund_issued("o1", "2026-03-06 10:00"),
]
_STATUSES = ["placed", "paid", "shipped", "delivered", "return_requested", "return_received", "refunded"]


def test_the_steps_of_an_order_stand_in_the_order_of_events_whatever_the_arrival(shop: Shop) -> None:
    _run(shop)
    _arrive(shop, _LIFE[:0:-2], [*_LIFE[-2::-2], _LIFE[0], o.told_again(_LIFE[2]), o.told_again(_LIFE[6])])

    steps = shop.rows(
        "select sequence_number, from_status, to_status, is_legal, is_latest from marts.fct_order_status_history"
        " order by order_id, sequence_number"
    )
    assert steps == [
        (number, before, after, True, number == len(_STATUSES))
        for number, (before, after) in enumerate(itertools.pairwise([None, *_STATUSES]), 1)
    ]
    hours = shop.rows("select hours_since_previous from marts.fct_order_status_history order by sequence_number")
    assert [hour for (hour,) in hours] == [None, 0, 24, 24, 24, 48, 0]
    assert _differences(shop) == {}


def test_an_illegal_step_is_flagged_and_a_late_event_clears_the_flag(shop: Shop) -> None:
    _run(shop)
    _arrive(shop, [_LIFE[0], _LIFE[2], e.order_paid("never_placed", "2026-03-01 10:00")])
    query = "select order_id, to_status, is_legal from marts.fct_order_status_history order by sequence_number"
    assert shop.rows(query) == [("o1", "placed", True), ("o1", "shipped", False)]

    _arrive(shop, [_LIFE[1]])

    assert shop.rows(query) == [("o1", "placed", True), ("o1", "paid", True), ("o1", "shipped", True)]


def test_a_refund_line_knows_what_was_sold_and_follows_a_late_description(shop: Shop) -> None:
    lines = [("desk", 2, "10.00", "0.00", "0.00"), ("lamp", 1, "5.00", "0.00", "0.00")]
    refund = e.refund_issued("o1", "2026-03-05 10:00", [(2, "lamp", "5.00"), (1, "desk", "10.00"), (7, "desk", "1.00")])
    _run(shop)
    _arrive(shop, [refund, e.product_created("desk", "2026-01-01 10:00", category="office")])
    assert shop.rows("select * from marts.fct_refund_lines") == []
    _arrive(shop, [e.order_placed("o1", "2026-03-01 10:00", lines), o.told_again(refund)])
    # Nothing of the order is new.
    _arrive(
        shop,
        [
            e.product_created("lamp", "2026-03-04 10:00", category="lighting"),
            e.product_updated("desk", "2026-03-04 10:00", category="home"),
        ],
    )

    found = shop.rows(
        "select line_position, product_id, category, amount, currency, refund_date::text, order_date::text,"
        " order_line_id is not null from marts.fct_refund_lines order by 1"
    )
    days = ("EUR", "2026-03-05", "2026-03-01")
    assert found == [
        (1, "lamp", "lighting", Decimal("5.00"), *days, True),
        (2, "desk", "office", Decimal("10.00"), *days, True),
        (3, "desk", "office", Decimal("1.00"), *days, True),
    ]
    assert _differences(shop) == {}


def test_a_discount_that_an_earlier_telling_takes_away_leaves_a_row_without_money(shop: Shop) -> None:
    reduced = [("desk", 2, "10.00", "5.00", "0.00")]
    _run(shop)
    _arrive(
        shop,
        [
            e.order_placed("o1", "2026-03-01 10:00", reduced, coupon="SPRING", campaign="spring"),
            e.order_placed("o2", "2026-03-01 10:00", reduced),
            e.order_placed("o3", "2026-03-01 10:00"),
        ],
    )
    query = "select order_id, coupon, discount_amount, discount_rate, net_amount from marts.fct_discounts order by 1"
    half = (Decimal("5.00"), Decimal("0.250000"), Decimal("15.00"))
    assert shop.rows(query) == [("o1", "SPRING", *half), ("o2", None, *half)]

    _arrive(shop, [e.order_placed("o1", "2026-03-01 09:00")])

    nothing = (Decimal("0.00"), Decimal("0.000000"), Decimal("10.00"))
    assert shop.rows(query) == [("o1", None, *nothing), ("o2", None, *half)]
    assert shop.rows("select sum(discount_amount) from marts.fct_orders") == [(Decimal("5.00"),)]
    assert _differences(shop) == {}


def test_a_price_that_lands_late_restates_the_margin_of_what_was_sold_under_it(shop: Shop) -> None:
    lines = [("desk", 2, "10.00", "5.00", "0.00")]
    _run(shop)
    _arrive(
        shop,
        [
            e.order_placed("first", "2026-03-01 10:00", lines),
            e.order_placed("second", "2026-03-03 10:00", lines),
            e.order_placed("third", "2026-03-05 10:00", lines),
        ],
    )
    query = "select order_id, cost_amount, margin_amount, has_complete_cost from marts.fct_orders order by ordered_at"
    names = ["first", "second", "third"]
    assert shop.rows(query) == [(name, None, None, False) for name in names]

    # The first price known also holds for what was sold before it.
    _arrive(shop, [o.cost_changed("desk", "2026-03-04 10:00", "3.00")])
    assert shop.rows(query) == [(name, Decimal("6.00"), Decimal("9.00"), True) for name in names]

    _arrive(shop, [o.cost_changed("desk", "2026-03-02 10:00", "1.00")])
    _arrive(shop, [o.cost_changed("desk", "2026-03-04 20:00", "7.00")])

    assert shop.rows(query) == [
        ("first", Decimal("2.00"), Decimal("13.00"), True),
        ("second", Decimal("2.00"), Decimal("13.00"), True),
        ("third", Decimal("14.00"), Decimal("1.00"), True),
    ]
    line = "select unit_cost, cost_amount, margin_amount, margin_rate from marts.fct_order_lines order by ordered_at"
    assert shop.rows(line)[2] == (Decimal("7.00"), Decimal("14.00"), Decimal("1.00"), Decimal("0.066667"))
    assert _differences(shop) == {}


def test_a_price_of_now_touches_no_line_that_was_sold_before(shop: Shop) -> None:
    _run(shop)
    _arrive(shop, [e.product_created("desk", "2026-01-01 10:00")], [e.order_placed("old", "2026-03-01 10:00")])
    written = shop.rows(
        "select xmin::text from marts.fct_orders union all select xmin::text from marts.fct_order_lines"
    )

    _arrive(shop, [o.cost_changed("desk", "2026-03-02 10:00", "1.00")], [e.order_placed("new", "2026-03-03 10:00")])

    after = "select xmin::text from marts.{} where order_id = 'old'"
    assert shop.rows(after.format("fct_orders") + " union all " + after.format("fct_order_lines")) == written
    costs = shop.rows("select order_id, cost_amount from marts.fct_orders order by 1")
    assert costs == [("new", Decimal("1.00")), ("old", Decimal("4.00"))]
    assert _differences(shop) == {}


def test_a_price_of_now_reads_neither_the_old_orders_nor_their_lines(shop: Shop) -> None:
    _run(shop)
    e.write(shop.settings, [e.product_created("desk", "2026-01-01 10:00"), e.order_placed("o", "2026-03-01 10:00")])
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into raw.orders (event_id, event_type, source, subject, event_time, data, kafka_partition,"
            " kafka_offset) select gen_random_uuid(), event_type, source, subject || number, event_time,"
            " data || jsonb_build_object('order_id', subject || number), 0, 0"
            " from raw.orders, generate_series(1, 6000) as number"
        )
    _run(shop)
    e.write(shop.settings, [o.cost_changed("desk", "2026-03-02 10:00", "1.00")])
    before = _rows_read(shop)

    _run(shop)

    read = {table: rows - before[table] for table, rows in _rows_read(shop).items()}
    assert {table for table, rows in read.items() if rows > 200} == set(), read


def _rows_read(shop: Shop) -> dict[str, int]:
    """Count rows and index entries read so far of what grows with the orders."""
    shop.dbt.tell_statistics()
    with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
        found = admin.execute(
            "select t.relname, t.seq_tup_read + sum(i.idx_tup_read) from pg_stat_user_tables t"
            " join pg_stat_user_indexes i using (relid) where t.schemaname || '.' || t.relname in"
            " ('raw.orders', 'raw.returns', 'marts.fct_orders', 'marts.fct_order_lines') group by 1, t.seq_tup_read"
        ).fetchall()
    return {str(table): int(str(rows)) for table, rows in found}


def test_the_cost_of_a_part_of_an_order_is_no_cost_of_the_order(shop: Shop) -> None:
    lines = [("desk", 1, "10.00", "0.00", "0.00"), ("ghost", 1, "10.00", "0.00", "0.00")]
    _run(shop)
    _arrive(shop, [e.product_created("desk", "2026-01-01 10:00"), e.order_placed("o1", "2026-03-01 10:00", lines)])

    order = shop.one("select cost_amount, margin_amount, has_complete_cost from marts.fct_orders")
    assert order == {"cost_amount": None, "margin_amount": None, "has_complete_cost": False}
    costs = shop.rows("select product_id, cost_amount from marts.fct_order_lines order by 1")
    assert costs == [("desk", Decimal("4.00")), ("ghost", None)]


def test_the_states_of_a_product_follow_one_another_without_gap(shop: Shop) -> None:
    _run(shop)
    _arrive(
        shop,
        [
            e.product_updated("desk", "2026-03-03 10:00", category="home"),
            o.cost_changed("desk", "2026-03-02 10:00", "5.00", price="11.00"),
        ],
    )
    # The first description and the first price also hold for what happened before them.
    assert shop.rows("select count(*) from marts.dim_product_history") == [(1,)]
    _arrive(
        shop,
        [
            e.product_created("desk", "2026-03-01 10:00", category="office"),
            # Says what holds already.
            e.product_updated("desk", "2026-03-04 10:00", category="home"),
            e.product_updated("desk", "2026-03-05 10:00", category="home", active=False),
        ],
    )
    _arrive(shop, [o.cost_changed("desk", "2026-03-05 10:00", "5.00", price="12.00")])

    states = shop.rows(
        "select version_number, to_char(valid_from at time zone 'UTC', 'DD'),"
        " to_char(valid_to at time zone 'UTC', 'DD'), category, is_active, price, unit_cost,"
        " change_kind, is_current from marts.dim_product_history order by 1"
    )
    assert states == [
        (1, None, "02", "office", True, Decimal("10.00"), Decimal("4.00"), "first", False),
        (2, "02", "03", "office", True, Decimal("11.00"), Decimal("5.00"), "price", False),
        (3, "03", "05", "home", True, Decimal("11.00"), Decimal("5.00"), "description", False),
        (4, "05", None, "home", False, Decimal("12.00"), Decimal("5.00"), "description_and_price", True),
    ]
    assert _differences(shop) == {}


def test_amounts_are_summed_up_in_one_currency_at_the_rate_of_the_order(shop: Shop) -> None:
    lines = [("desk", 1, "100.00", "0.00", "19.00")]
    _run(shop)
    _arrive(
        shop,
        [
            e.product_created("desk", "2020-01-01 10:00", cost="40.00"),
            e.order_placed("euro", "2024-01-15 10:00", lines),
            # Half past midnight in Berlin: the rate of February.
            e.order_placed("franc", "2024-01-31 23:30", lines, currency="CHF"),
            e.order_placed("nowhere", "2024-01-15 10:00", lines, currency="KES"),
            o.refund_in("CHF", e.refund_issued("franc", "2024-06-15 10:00", [(1, "desk", "50.00")])),
        ],
    )
    rate = Decimal(
        str(
            shop.rows(
                "select rate_to_base from marts.dim_exchange_rates where currency = 'CHF' and rate_date = '2024-02-01'"
            )[0][0]
        )
    )

    found = shop.rows(
        "select order_id, exchange_rate, net_amount_base, total_amount_base from marts.fct_orders order by 1"
    )
    assert found == [
        ("euro", Decimal(1), Decimal("100.00"), Decimal("119.00")),
        ("franc", rate, _cents(rate * 100), _cents(rate * 119)),
        ("nowhere", None, None, None),
    ]
    assert shop.rows("select amount_base from marts.fct_refunds") == [(_cents(rate * 50),)]
    # What the shop pays in euro is deducted in francs from what it is paid in francs.
    cost = {"franc": _cents(40 / rate), "euro": Decimal("40.00"), "nowhere": None}
    assert dict(shop.rows("select order_id, unit_cost from marts.fct_order_lines")) == cost
    assert _differences(shop) == {}
    tests = shop.dbt.test("--select", "orders_in_a_currency_without_a_rate", "orders_use_the_listed_exchange_rates")
    assert {done.name: done.status for done in tests} == {
        "orders_in_a_currency_without_a_rate": "warn",
        "orders_use_the_listed_exchange_rates": "pass",
    }
