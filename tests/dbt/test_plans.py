"""An incremental run finds what it needs through indexes: no large table is read from end to end, raw or mart."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.plans import Read, explained
from tests.dbt.project import Shop

_STORIES, _PRODUCTS, _DAYS = 12_000, 120, 240
# A day of the shop has fifty stories, a product a hundred; a run may read a few of both, and no more however old the
# shop is.
_LARGE, _FEW = 10_000, 2_000
# Rebuilt whole, so they read their facts whole: marts whose rows depend on all others (shares, ranks, "the newest"), or
# that sum up over more than a day. None of them is among the hot ones but `data_freshness`.
_WHOLE = frozenset(
    {
        *("dim_customers", "dim_products", "dim_channels", "dim_geography"),
        *("cohort_retention", "product_performance", "basket_affinity", "channel_performance", "funnel_daily"),
        *("fct_abandoned_carts", "data_quality_scorecard", "data_freshness"),
    }
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("statistics", ["analyzed", "not analyzed"])
def test_no_incremental_run_reads_a_large_table_from_end_to_end(
    shop: Shop, postgres_server: EmbeddedPostgres, statistics: str
) -> None:
    log = postgres_server.data_dir.with_name("postgres.log")
    e.write(shop.settings, _story())
    if statistics == "analyzed":
        _multiply(shop)
        _analyze(shop)
        shop.dbt.run()
    else:
        # As a shop begins: the tables were analyzed when there was next to nothing in them.
        shop.dbt.run()
        _multiply(shop)
        shop.dbt.refresh()
        # What was noted while other models were still at work is built twice, once in the run after.
        shop.dbt.run("--selector", "hot")
    large = _large_tables(shop)
    assert large >= {
        *("web", "orders", "returns", "inventory", "customers", "marketing"),
        *("fct_orders", "fct_order_lines", "fct_sessions", "fct_payments", "fct_refunds", "fct_refund_lines"),
        *("fct_events", "fct_carts", "fct_customer_orders", "fct_attribution", "fct_order_status_history"),
    }

    e.write(shop.settings, _news("a", 1))
    with explained(shop.settings, log) as hot:
        shop.dbt.run("--selector", "hot")
    e.write(shop.settings, _news("b", 2))
    with explained(shop.settings, log) as daily:
        shop.dbt.run("--selector", "daily")

    assert {read.model for read in hot} >= {"fct_orders", "fct_sessions", "kpi_daily", "kpi_daily_by_device"}
    assert _too_much(hot, large) == {}
    assert _too_much(daily, large) == {}
    whole = {read.model for read in daily if read.relation in large and read.node == "Seq Scan" and read.rows > _FEW}
    assert whole <= _WHOLE, whole - _WHOLE
    assert shop.rows("select count(*) from marts.fct_orders") == [(_STORIES + 3,)]


def _too_much(reads: list[Read], large: set[str]) -> dict[str, list[tuple[str, str, int]]]:
    """Per model that may not: scans of a large table, and nodes that read many rows of one through an index."""
    found = defaultdict(list)
    for read in reads:
        many = read.rows > _FEW or (read.node == "Seq Scan" and read.rows > 0)
        if many and read.relation in large and read.model not in _WHOLE:
            found[read.model].append((read.relation, read.node, int(read.rows)))
    return dict(found)


def _story() -> list[e.Event]:
    """Everything that happens once, with `-N-` where its number goes and `-P-` where a product's goes."""
    day = "2026-09-01"
    return [
        e.product_created("p-P-", f"{day} 00:00"),
        e.stock_changed("p-P-", f"{day} 00:01", 5, 5),
        e.customer_created("c-N-", f"{day} 08:00"),
        e.marketing_touched("visitor-of-s-N-", f"{day} 08:59"),
        e.session_started("s-N-", f"{day} 09:00"),
        e.product_viewed("s-N-", f"{day} 09:01", "p-P-"),
        e.cart_changed("s-N-", f"{day} 09:02", "p-P-"),
        e.order_placed(
            "o-N-", f"{day} 10:00", [("p-P-", 1, "10.00", "0.50", "1.90")], customer_id="c-N-", session_id="s-N-"
        ),
        e.order_paid("o-N-", f"{day} 10:01", "11.40"),
        e.order_shipped("o-N-", f"{day} 15:00"),
        o.return_requested("o-N-", f"{day} 16:00", "r-N-"),
        e.refund_issued("o-N-", f"{day} 17:00", [(1, "p-P-", "2.00")]),
    ]


def _news(letter: str, number: int) -> list[e.Event]:
    """What a moment brings: a new visit that orders, news of old orders, a touch, and news of products."""
    day = "2026-09-02"
    order, session = f"new-{letter}", f"new-{letter}"
    return [
        e.session_started(session, f"{day} 09:00"),
        e.cart_changed(session, f"{day} 09:01", "p7"),
        e.order_placed(order, f"{day} 10:00", [("p7", 1, "10.00", "0.00", "1.90")], session_id=session),
        e.page_viewed(f"s{number}", f"{day} 10:00"),
        e.marketing_touched(f"visitor-of-s{10 + number}", f"{day} 10:00"),
        e.order_paid(f"o{20 + number}", f"{day} 10:01", payment_id="second"),
        e.order_cancelled(f"o{30 + number}", f"{day} 10:02"),
        e.refund_issued(f"o{40 + number}", f"{day} 10:03", [(1, "p8", "1.00")], refund_id="second"),
        e.order_placed(f"o{50 + number}", f"{day} 10:04", customer_id="somebody-else", telling=2),
        e.customer_updated(f"c{60 + number}", f"{day} 10:05"),
        e.stock_changed("p9", f"{day} 10:06", -number, 3),
        o.cost_changed(f"p{10 + number}", f"{day} 10:07", "3.00"),
        e.product_updated(f"p{20 + number}", f"{day} 10:08", category="home"),
    ]


def _multiply(shop: Shop) -> None:
    """Copy the story, each time under its own number, fifty a day."""
    with connect(shop.settings, Role.ADMIN) as admin:
        for table in ("web", "orders", "returns", "inventory", "customers", "marketing", "products"):
            copies = _PRODUCTS if table == "products" else _STORIES
            admin.execute(
                f"insert into raw.{table} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                " kafka_offset) select gen_random_uuid(), event_type, source,"
                f" replace(replace(subject, '-N-', number::text), '-P-', (number % {_PRODUCTS})::text),"
                f" event_time - make_interval(days => number % {_DAYS}),"
                f" replace(replace(data::text, '-N-', number::text), '-P-', (number % {_PRODUCTS})::text)::jsonb,"
                f" kafka_partition, 0 from raw.{table}, generate_series(1, {copies}) as number"
            )


def _analyze(shop: Shop) -> None:
    with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("analyze raw.web, raw.orders, raw.returns, raw.inventory, raw.customers, raw.marketing")


def _large_tables(shop: Shop) -> set[str]:
    tables = shop.rows(
        "select schemaname, tablename from pg_tables where schemaname = 'raw'"
        " or (schemaname = 'marts' and tablename ~ '^(fct|kpi)_')"
    )
    return {
        table
        for schema, table in tables
        if shop.rows(f"select count(*) from {schema}.{table}", Role.ADMIN)[0][0] >= _LARGE
    }


def test_a_plan_that_reads_a_table_whole_is_seen(shop: Shop, postgres_server: EmbeddedPostgres) -> None:
    log: Path = postgres_server.data_dir.with_name("postgres.log")
    e.write(shop.settings, [e.order_placed(f"o{number}", "2026-03-01 10:00") for number in range(3)])

    with explained(shop.settings, log) as reads:
        shop.rows("select count(*) from raw.orders where subject <> 'o1'")

    assert [(read.relation, read.node, read.rows) for read in reads if read.relation == "orders"] == [
        ("orders", "Seq Scan", 3)
    ]
