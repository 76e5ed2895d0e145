"""I2 proves every mart against its recomputation, also while events keep coming, and sees a single altered figure."""

from __future__ import annotations

import pytest

from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.landed_events.restore import restore
from shop_platform.landed_events.retract import retract
from shop_platform.landed_events.selection import select
from shop_platform.operations import rebuild
from shop_platform.operations.rebuild import rebuild_and_compare
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.telling import short_i2, tell_i2
from shop_platform.settings import PROJECT_ROOT, Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import transform_lock
from tests.support.events import LedgerProducer, page_view
from tests.support.planned import run_by_plan

# Every mart there is, not a sample: the names are the files'.
MARTS = {path.stem for path in (PROJECT_ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")}


def test_without_marts_there_is_nothing_to_prove(fresh_warehouse):
    with pytest.raises(ShopError, match="no marts yet"):
        rebuild_and_compare(fresh_warehouse.settings)


def test_marts_equal_their_recomputation_until_somebody_alters_one(shop, monkeypatch):
    run_history(shop.settings, days=6, orders_per_day=12, seed=3)
    ingest_until_end(shop.settings)
    run_by_plan(shop.settings, ["run"])
    assert reconcile(shop.settings).holds

    # Raw moves on: the marts must be compared at their own watermark, not with what came later.
    LedgerProducer(shop.settings).send(page_view(n) for n in range(30))
    ingest_until_end(shop.settings)
    whole = rebuild_and_compare(shop.settings)
    assert whole.holds and set(whole.marts) == MARTS and whole.kept == {}
    assert whole.marts["fct_orders"].rows > 10 and whole.marts["kpi_daily"].rows >= 6
    # That dbt recomputes has been seen; what is compared from here on is another matter.
    monkeypatch.setattr(rebuild, "run_dbt", run_by_plan)

    with connect(shop.settings, Role.TRANSFORM) as connection:
        connection.execute(
            "update marts.kpi_daily set units = units + 1 where date_day = (select max(date_day) from marts.kpi_daily)"
        )
        ((day, units),) = connection.execute(
            "select date_day::text, units from marts.kpi_daily order by date_day desc limit 1"
        ).fetchall()
    broken = rebuild_and_compare(shop.settings)
    assert not broken.holds
    assert [name for name, mart in broken.marts.items() if not mart.equal] == ["kpi_daily"]
    mart = broken.marts["kpi_daily"]
    assert (mart.only_in_mart, mart.only_in_rebuild, mart.changed) == (1, 1, 1)
    (example,) = mart.examples
    assert example.key == {"date_day": day, "currency": "EUR"} and example.columns == {"units": (units, units - 1)}
    told = tell_i2(broken)
    assert (
        told[0].startswith("I2 IS BROKEN: ") and told[1] == f"  kpi_daily: 1 row differs (of {mart.rows} in the mart)"
    )
    assert told[2] == f"    date_day {day}, currency EUR: units is {units} in the mart, {units - 1} recomputed"
    assert "What to do: docs/runbooks/invariant-broken.md." in told[-1] and short_i2(broken).startswith(
        "kpi_daily: 1 row differs"
    )
    with connect(shop.settings, Role.TRANSFORM) as connection:
        leftovers = connection.execute("select count(*) from pg_namespace where nspname like 'verify%'").fetchone()
    assert leftovers == (0,)

    # A partial run leaves the marts at two watermarks: they are brought to one before they are compared.
    run_by_plan(shop.settings, ["run", "--select", "data_freshness"])
    run_by_plan(shop.settings, ["run", "--full-refresh", "--select", "kpi_daily"])
    assert rebuild_and_compare(shop.settings).holds

    # What a person took back has left raw at once: the marts are built without it before they are compared.
    orders = whole.marts["fct_orders"].rows
    with connect(shop.settings, Role.INGEST) as connection:
        half = connection.execute(
            "select percentile_disc(0.5) within group (order by event_time)::text from raw.orders"
            " where event_type = 'shop.order.placed.v1'"
        ).fetchone()
    taken = retract(shop.settings, select(event_type="order.placed", since=str(half[0])), actor="me", because="a test")
    assert 0 < taken.retracted < orders
    without = rebuild_and_compare(shop.settings)
    assert without.holds and without.marts["fct_orders"].rows == orders - taken.retracted
    one = reconcile(shop.settings)
    assert one.holds and one.hours.holds and one.dead_lettered >= taken.retracted
    with connect(shop.settings, Role.INGEST) as connection:
        ids = [str(row[0]) for row in connection.execute("select event_id from ops.retractions").fetchall()]
    assert restore(shop.settings, select(ids=ids), actor="me", because="a test").restored == taken.retracted
    run_by_plan(shop.settings, ["run"])
    again = rebuild_and_compare(shop.settings)
    assert again.holds and again.marts["fct_orders"].rows == orders
    assert reconcile(shop.settings).holds


def test_verification_waits_for_a_running_transformation_and_gives_up_with_a_reason(fresh_warehouse):
    with transform_lock(fresh_warehouse.settings), pytest.raises(ShopError, match="has been running for more than"):
        rebuild_and_compare(fresh_warehouse.settings, wait_seconds=0.5)
