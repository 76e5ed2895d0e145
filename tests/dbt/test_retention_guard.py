"""A build from nothing that would lose the days retention has taken from raw does not happen by accident."""

from __future__ import annotations

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.project import Shop


@pytest.fixture
def shortened(shop: Shop) -> Shop:
    """A shop with sessions in marts and none in raw."""
    e.write(shop.settings, [e.session_started("s1", "2023-03-01 09:00"), e.order_placed("o1", "2023-03-01 10:00")])
    shop.dbt.run()
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("delete from raw.web")
        admin.execute(
            "insert into ops.retention_runs (relation, older_than, rows_removed, actor)"
            " values ('raw.web', '2024-01-01 00:00+00', 1, 'test'), ('ops.transform_runs', now(), 5, 'test')"
        )
    return shop


def test_a_full_refresh_that_would_lose_days_is_refused_until_it_is_asked_for(shortened: Shop) -> None:
    refused = shortened.dbt.invoke("run", "--full-refresh", "--select", "fct_events", "fct_orders", check=False)
    told = {result.node.name: (str(result.status), result.message) for result in refused.result.results}
    assert told["fct_orders"][0] == "success"
    status, message = told["fct_events"]
    assert status == "error" and "removed events from raw.web before 2024-01-01" in message
    assert "accept_lost_history: true" in message
    assert shortened.rows("select count(*) from marts.fct_events") == [(1,)]

    # What stands is only added to, and what is made of marts is made again whenever somebody likes.
    e.write(shortened.settings, [e.session_started("s2", "2024-03-01 09:00")])
    shortened.dbt.run()
    shortened.dbt.run("--full-refresh", "--select", "funnel_daily", "kpi_daily")
    assert shortened.rows("select session_id from marts.fct_sessions order by 1") == [("s1",), ("s2",)]
    assert shortened.rows("select sum(sessions_count) from marts.funnel_daily") == [(2,)]

    # In a schema where the marts do not stand yet they would begin without those days as well.
    beside = shortened.shadow.invoke("run", "--select", "stg_web_events", "fct_events", check=False)
    assert {r.node.name for r in beside.result.results if str(r.status) == "error"} == {"fct_events"}

    shortened.dbt.run("--full-refresh", "--select", "fct_events", "--vars", "{accept_lost_history: true}")
    assert shortened.rows("select session_id from marts.fct_events") == [("s2",)]


def test_days_of_which_raw_no_longer_holds_everything_are_not_built_again(shortened: Shop) -> None:
    days = "{reprocess_from: '2023-12-31', reprocess_to: '2024-01-05'}"
    refused = shortened.dbt.invoke("run", "--select", "fct_events", "fct_orders", "--vars", days, check=False)
    told = {result.node.name: (str(result.status), result.message) for result in refused.result.results}
    assert told["fct_orders"][0] == "success", "raw.orders is whole"
    assert told["fct_events"][0] == "error"
    assert "retention has removed events from raw.web before 2024-01-01. Begin later." in told["fct_events"][1]
    # By dbt: what a guard is told belongs to a plan, and plans were recorded where nothing is removed.
    shortened.dbt.invoke("run", "--select", "fct_events", "--vars", days.replace("2023-12-31", "2024-01-01"))
    assert shortened.rows("select count(*) from marts.fct_events") == [(1,)]
