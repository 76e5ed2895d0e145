"""What breaks its freshness policy is written down for whoever tells, as long as it does and is defined."""

from __future__ import annotations

import time

import dagster as dg
import httpx
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from shop_platform.orchestration.defs.operations import freshness
from shop_platform.orchestration.defs.operations.freshness import build_freshness_sensor
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect


@dg.asset(key_prefix="marts")
def orders():
    return None


@dg.asset(key_prefix="marts")
def renamed_since():
    return None


@pytest.fixture
def sensor(fresh_warehouse, monkeypatch):
    """Return a call of the sensor that gives the assets written down as late; the web server knows one of two."""
    monkeypatch.setattr(freshness, "assets_defined", lambda url: {"marts/orders": frozenset()})
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([orders, renamed_since], instance=instance)
        made = build_freshness_sensor({"marts": "Marts follow the events."})

        def tick():
            made(dg.build_sensor_context(instance=instance), settings=fresh_warehouse.settings)
            with connect(fresh_warehouse.settings, Role.ORCHESTRATOR) as connection:
                return connection.execute("select asset, promise from ops.late_assets order by asset").fetchall()

        tick.instance = instance
        yield tick


def late(instance, key, state=FreshnessState.FAIL):
    """Say what the freshness daemon says when an asset's state changes."""
    instance._report_runless_asset_event(
        FreshnessStateChange(
            key=key, new_state=state, previous_state=FreshnessState.UNKNOWN, state_change_timestamp=time.time()
        )
    )


def test_an_asset_is_late_from_its_failure_until_it_is_renewed(sensor):
    assert sensor() == []
    late(sensor.instance, orders.key)
    assert sensor() == sensor() == [("marts/orders", "Marts follow the events.")]
    late(sensor.instance, orders.key, FreshnessState.WARN)
    assert sensor() == []


def test_an_asset_that_nobody_defines_any_more_is_late_only_while_that_cannot_be_known(sensor, monkeypatch):
    late(sensor.instance, renamed_since.key)
    assert sensor() == []

    def away(url):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(freshness, "assets_defined", away)
    assert [asset for asset, _ in sensor()] == ["marts/renamed_since"]
