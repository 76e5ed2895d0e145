"""Starts and ends of processes are written down once, and kept while the warehouse is away."""

from __future__ import annotations

import pytest

from shop_platform.children import SUPERVISED_VARIABLE
from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.settings import Role
from shop_platform.warehouse import service_events
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.service_events import ENDED, FROZEN, STARTED, Events, ServiceEvent, Start


def written(warehouse):
    with connect(warehouse.settings, Role.ORCHESTRATOR) as connection:
        return connection.execute("select service, happened, detail from ops.service_events order by at").fetchall()


def test_what_happened_while_the_warehouse_was_away_is_written_down_when_it_is_back(fresh_warehouse, monkeypatch):
    events = Events(fresh_warehouse.settings, Role.ORCHESTRATOR)

    def away(*arguments):
        raise ShopError("PostgreSQL did not let 'shop_orchestrator' in")

    with monkeypatch.context() as patch:
        patch.setattr(service_events, "record", away)
        events.add(ServiceEvent("postgres", ENDED, "code 1"), ServiceEvent("ingest", FROZEN))
    assert written(fresh_warehouse) == []
    events.add(ServiceEvent("postgres", STARTED))
    events.add()
    assert written(fresh_warehouse) == [
        ("postgres", ENDED, "code 1"),
        ("ingest", FROZEN, ""),
        ("postgres", STARTED, ""),
    ]


@pytest.mark.parametrize("role", [Role.INGEST, Role.ORCHESTRATOR])
def test_a_process_writes_its_start_down_once_when_the_warehouse_is_there(fresh_warehouse, role):
    start = Start(fresh_warehouse.settings.model_copy(update={"pg_port": any_free()}), role, "ingest")
    with pytest.raises(ShopError):
        start.record()
    start = Start(fresh_warehouse.settings, role, "ingest")
    start.record()
    start.record()
    assert written(fresh_warehouse) == [("ingest", STARTED, "")]


def test_a_supervised_process_leaves_it_to_its_supervisor(fresh_warehouse, monkeypatch):
    monkeypatch.setenv(SUPERVISED_VARIABLE, "1")
    Start(fresh_warehouse.settings, Role.INGEST, "ingest").record()
    assert written(fresh_warehouse) == []
