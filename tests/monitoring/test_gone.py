"""An incident whose check or asset is no longer defined is over; while that cannot be known it is not."""

from __future__ import annotations

import httpx
import pytest

from shop_platform.errors import ShopError
from shop_platform.monitoring import gone


@pytest.fixture
def failing(on_call):
    """Two checks and an asset that have failed for a quarter of an hour, all told."""
    on_call.check("marts/orders", "adds_up", False)
    on_call.check("marts/orders", "renamed", False)
    on_call.run("r1", failures={"marts/old": "no"})
    on_call.look()
    on_call.admin("update ops.check_states set checked_at = checked_at - interval '15 minutes'")
    on_call.admin("update ops.asset_failures set failed_at = failed_at - interval '15 minutes'")
    on_call.told()
    return on_call


def test_what_no_location_defines_is_over(failing, monkeypatch):
    monkeypatch.setattr(gone, "assets_defined", lambda url: {"marts/orders": frozenset({"adds_up"})})
    failing.look(8)
    still = failing.rows("select incident from ops.alerts where resolved_at is null")
    assert still == [("check:marts/orders:adds_up",)]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), ShopError("not loaded: warehouse")])
def test_while_dagster_cannot_say_nothing_is_over(failing, monkeypatch, error):
    def refuses(url):
        raise error

    monkeypatch.setattr(gone, "assets_defined", refuses)
    failing.look(8)
    assert failing.rows("select count(*) from ops.alerts where resolved_at is null") == [(3,)]


def test_a_failure_that_is_new_asks_nobody(on_call, monkeypatch):
    monkeypatch.setattr(gone, "assets_defined", lambda url: pytest.fail("asked"))
    on_call.check("marts/orders", "adds_up", False)
    on_call.look(8)
    assert on_call.told() == [("firing", "check:marts/orders:adds_up")]
