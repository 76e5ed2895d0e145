"""The resident refresher: hot marts follow the events within seconds, beside Dagster, whatever breaks."""

from __future__ import annotations

import datetime as dt
import signal

from shop_platform.refresh.attempts import alive
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import transform_lock
from tests.dbt import events as e
from tests.refresh.conftest import refreshing
from tests.support.waiting import eventually

DAY = dt.date(2026, 3, 1)
ORDERS = "select date_day, orders_count from marts.kpi_daily order by date_day"
HOURS = "select sum(orders_count) from marts.kpi_hourly"


def order(number: int):
    return e.order_placed(f"ord_{number}", f"2026-03-01 10:{number:02d}")


def test_events_are_in_the_hot_marts_within_seconds_and_neither_others_nor_a_broken_model_stop_the_rest(
    settings, rows, tmp_path
):
    """The life of one refresher: events, another transformation, a model that breaks and is repaired, the end."""
    e.write(settings, [order(1)])
    with refreshing(settings, tmp_path / "log") as process:
        eventually(lambda: rows(ORDERS) == [(DAY, 1)])
        assert alive(settings)
        for number in range(2, 6):
            e.write(settings, [order(number)])
            eventually(lambda n=number: rows(ORDERS) == [(DAY, n)] and rows(HOURS) == [(n,)])
        # The tests of data run beside the builds, by themselves.
        eventually(lambda: rows("select 1 from ops.check_results where run_id = 'refresher' limit 1"))

        with transform_lock(settings, wait_seconds=60):
            e.write(settings, [order(6)])
            eventually(lambda: rows("select state from ops.refreshers") == [("waiting",)])
            assert rows(ORDERS) == [(DAY, 5)], "it never builds while another transformation runs"
        eventually(lambda: rows(ORDERS) == [(DAY, 6)])
        failed = rows("select check_name, description from ops.check_results where not passed and severity = 'error'")
        assert failed == []

        e.write(settings, [e.session_started("s1", "2026-03-01 10:00")])
        eventually(lambda: rows("select count(*) from marts.fct_sessions") == [(1,)])
        with connect(settings, Role.ADMIN) as admin:
            # A column more than the model has: its build fails on the contract, as after a change that went half-way.
            admin.execute("alter table marts.fct_refunds add column surprise integer not null default 0")
        e.write(
            settings, [order(7), e.session_started("s2", "2026-03-01 10:30"), e.refund_issued("ord_1", "2026-03-02")]
        )
        broken = "select model from ops.hot_models where failures > 0"
        eventually(lambda: rows(broken) == [("marts.fct_refunds",)])
        eventually(lambda: rows("select count(*) from marts.fct_orders") == [(7,)])
        assert rows("select count(*) from marts.fct_sessions") == [(2,)]
        assert rows(ORDERS) == [(DAY, 6)], "what reads the broken model must not mix old and new"
        with connect(settings, Role.ADMIN) as admin:
            admin.execute("alter table marts.fct_refunds drop column surprise")
        eventually(lambda: rows("select sum(orders_count) from marts.kpi_daily") == [(7,)])
        eventually(lambda: rows(broken) == [])

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not alive(settings)
    assert rows("select * from ops.refreshers") == []


def test_a_killed_refresher_leaves_no_half_built_mart_and_no_lock(settings, rows, tmp_path):
    e.write(settings, [order(1)])
    with refreshing(settings, tmp_path / "log") as process:
        eventually(lambda: rows(ORDERS) == [(DAY, 1)])
        e.write(settings, [order(number) for number in range(2, 50)])
        eventually(lambda: rows("select 1 from ops.refreshers where state = 'building'"))
        process.kill()
        process.wait()
    with transform_lock(settings, wait_seconds=10):
        pass
    with refreshing(settings, tmp_path / "log"):
        eventually(lambda: rows(ORDERS) == [(DAY, 49)] and rows(HOURS) == [(49,)])


def test_a_long_build_is_no_silence_and_a_refresher_that_is_frozen_in_it_blocks_nobody_and_goes_on_when_it_wakes(
    settings, rows, tmp_path
):
    e.write(settings, [order(1)])
    with refreshing(settings, tmp_path / "log") as process:
        eventually(lambda: rows(ORDERS) == [(DAY, 1)])
        with connect(settings, Role.ADMIN) as admin:
            admin.execute("lock table ops.transform_runs in exclusive mode")  # every build begins by writing there
            e.write(settings, [order(2)])
            eventually(lambda: rows("select 1 from ops.refreshers where state = 'building'"))
            beat = "select heartbeat_at from ops.refreshers"
            before = rows(beat)
            eventually(lambda: rows(beat) != before)
            assert rows("select state from ops.refreshers") == [("building",)]
            process.send_signal(signal.SIGSTOP)
        with connect(settings, Role.ADMIN) as admin:  # as if a minute had passed
            admin.execute("update ops.refreshers set heartbeat_at = heartbeat_at - interval '2 minutes'")
        assert not alive(settings)
        with transform_lock(settings, wait_seconds=60):
            pass
        process.send_signal(signal.SIGCONT)
        eventually(lambda: rows(ORDERS) == [(DAY, 2)])
        eventually(lambda: alive(settings))
