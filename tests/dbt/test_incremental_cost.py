"""An incremental run reads the new events and their entities, not the whole of raw."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.project import Shop

_SESSIONS = 6000


@pytest.mark.parametrize("statistics", ["analyzed", "not analyzed"])
def test_a_few_new_events_do_not_make_a_run_read_all_of_raw(shop: Shop, statistics: str) -> None:
    e.write(shop.settings, [e.session_started("s0", "2026-03-01 09:00"), e.order_placed("o0", "2026-03-01 10:00")])
    _multiply(shop)
    if statistics == "analyzed":
        with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
            admin.execute("analyze raw.web, raw.orders")
    shop.dbt.run()
    e.write(
        shop.settings,
        [
            e.page_viewed("s7", "2026-03-01 10:00"),
            e.order_paid("o7", "2026-03-01 10:01"),
            e.order_placed("new", "2026-03-01 10:02", session_id="s8"),
            e.refund_issued("o9", "2026-03-02 10:00"),
        ],
    )
    before = _rows_read(shop)

    shop.dbt.refresh()

    read = {table: count - before[table] for table, count in _rows_read(shop).items()}
    # Each new event leads to a handful of rows, read once per CTE of a model.
    assert read["web"] < 200, read
    assert read["orders"] < 200, read
    assert shop.rows("select count(*) from marts.fct_orders") == [(_SESSIONS + 2,)]
    assert shop.differences_from_a_full_refresh() == {}


def _multiply(shop: Shop) -> None:
    """Copy the one session and the one order that are there, each under its own name."""
    with connect(shop.settings, Role.ADMIN) as admin:
        for table, letter, field in (("web", "s", "session_id"), ("orders", "o", "order_id")):
            admin.execute(
                f"insert into raw.{table} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                f" kafka_offset) select gen_random_uuid(), event_type, source, '{letter}' || number, event_time,"
                f" data || jsonb_build_object('{field}', '{letter}' || number), 0, 0"
                f" from raw.{table}, generate_series(1, {_SESSIONS}) as number"
            )


def _rows_read(shop: Shop) -> dict[str, int]:
    """Count rows and index entries read so far, per raw table."""
    shop.dbt.tell_statistics()
    with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
        found = admin.execute(
            "select t.relname, t.seq_tup_read + sum(i.idx_tup_read)"
            " from pg_stat_user_tables t join pg_stat_user_indexes i using (relid)"
            " where t.schemaname = 'raw' group by t.relname, t.seq_tup_read"
        ).fetchall()
    read: Counter[str] = Counter()
    for table, count in found:
        read[re.sub(r"^((raw\.)?web)_(before|default|y\d+)$", r"\1", str(table))] += int(str(count))
    return read
