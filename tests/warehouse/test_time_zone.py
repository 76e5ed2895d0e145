"""The zone of the business days is stored by the first build; another one is refused wherever something begins."""

from __future__ import annotations

import threading

import psycopg
import pytest

from shop_platform.errors import ShopError
from shop_platform.refresh.service import run_refresher
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import transform_lock
from shop_platform.warehouse.migrate import migrate
from shop_platform.warehouse.time_zone import begin_change, end_change, require_shop_tz, stored_shop_tz


def test_the_first_build_stores_the_zone_and_another_one_is_refused_with_the_command_that_changes_it(fresh_warehouse):
    berlin = fresh_warehouse.settings
    london = berlin.model_copy(update={"shop_tz": "Europe/London"})
    with connect(berlin, Role.TRANSFORM, autocommit=True) as connection:
        require_shop_tz(connection, "Europe/London")  # nothing was built: any will do
        claim = "select ops.claim_shop_tz(%s, %s)"
        connection.execute(claim, ["Europe/Berlin", False])
        connection.execute(claim, ["Europe/Berlin", False])
        with pytest.raises(
            psycopg.errors.RaiseException, match=r"Europe/London.*`shop rebuild --shop-tz Europe/London`"
        ):
            connection.execute(claim, ["Europe/London", False])
        with pytest.raises(psycopg.errors.RaiseException):
            connection.execute(claim, ["Europe/London", True])  # not what is being rebuilt
        assert stored_shop_tz(connection) == "Europe/Berlin"

        # Whoever builds, and whatever starts.
        for refused in (
            lambda: migrate(london),
            lambda: transform_lock(london).__enter__(),
            lambda: run_refresher(london, threading.Event()),
        ):
            with pytest.raises(ShopError, match=r"begin at midnight of Europe/Berlin") as error:
                refused()
            assert "shop rebuild --shop-tz Europe/London" in error.value.hint
        assert migrate(berlin) == []
        with transform_lock(berlin), pytest.raises(ShopError, match=r"has been running"):
            transform_lock(london, wait_seconds=0, changes_zone=True).__enter__()

        # Half-way it is of neither zone: only the rebuild itself may go on.
        begin_change(connection, "Europe/London")
        for zone in ("Europe/Berlin", "Europe/London"):
            with pytest.raises(ShopError, match=r"is being rebuilt.*Europe/London"):
                require_shop_tz(connection, zone)
        connection.execute(claim, ["Europe/London", True])
        end_change(connection, "Europe/London")
        require_shop_tz(connection, "Europe/London")
        assert stored_shop_tz(connection) == "Europe/London"
