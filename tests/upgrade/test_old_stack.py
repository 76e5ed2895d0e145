"""A stack that older code made and left goes on under today's: nothing is lost, and both invariants hold.

``old_stack.tar.xz`` is what ``make demo`` of an older version left (README.md says which). Every later change keeps
this file: a change that an old stack does not survive is not finished. The steps are those of an upgrade: ``migrate``,
a full refresh of marts whose SQL has changed since (:data:`DEPLOYED`, as ``dbt_project/DECISIONS.md`` asks for), and on
with the ingestion and incremental builds.

What it shows: the migrations, the marts and watermarks, the ledger, the secrets and ports, the broker's log, the
generator's state and Dagster's history of the old code are read by the new code. What it does not show: PostgreSQL's
own folder, and restores. The server is a new one into which a dump was restored, and it was brought to the transaction
id of the old one first, as ``pg_upgrade`` does; without that, the rows of the dump lie above every watermark.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.generator import snapshot
from shop_platform.generator.history import STATE
from shop_platform.generator.runs import generator_dir
from shop_platform.ingest.topics import ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.dbt import run_dbt
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.verify import rebuild_and_compare
from shop_platform.orchestration.instance import environment, prepare_home
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import migrate
from tests.orchestration.shop_day import shop_day
from tests.support.events import LedgerProducer, event
from tests.upgrade.old_stack import OldStack, restored

pytestmark = pytest.mark.timeout(900)

DEPLOYED: tuple[str, ...] = (
    *("fct_order_lines", "fct_payments", "fct_refunds", "fct_discounts"),
    *("fct_marketing_touches", "dim_product_history"),
    *("fct_orders", "fct_refund_lines", "kpi_day_status", "dim_customers"),
    *("fct_sessions", "fct_order_status_history", "dim_products"),
)
"""Marts whose SQL has changed since the stack was made: an upgrade builds them, and what reads them, whole once."""

# What no recomputation could bring back: events, what came of each message, what readers were told.
_KEPT = (
    *(f"raw.{topic.subject}" for topic in TOPICS if topic.subject != "returns"),  # nothing came back on the first day
    *("pii.personal_data", "ops.ingest_batches", "ops.dead_letters", "ops.schema_migrations"),
    "marts.kpi_daily_versions",
)

_Table = tuple[list[str], Counter[tuple[Any, ...]]]


@dataclass(frozen=True)
class Upgraded:
    """The old stack after the upgrade, with what was there before."""

    stack: OldStack
    before: dict[str, _Table]
    orders_before: dict[str, str]
    counts_before: Any
    migrated_again: list[Any]
    cancelled: str

    @property
    def settings(self) -> Settings:
        return self.stack.settings


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Upgraded]:
    folder = Path(tempfile.mkdtemp(prefix="shop-tests-upgrade-"))
    folder.chmod(0o755)
    try:
        with restored(folder) as stack:
            yield _upgrade(stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _upgrade(stack: OldStack) -> Upgraded:
    settings = stack.settings
    for role in set(Role) - {Role.BI, Role.PRODUCER}:  # which that code did not know
        connect(settings, role).close()  # by the passwords that the old code made
    before = {table: _content(settings, table) for table in _KEPT}
    orders = dict(_rows(settings, _ORDERS))
    counts = reconcile(settings, record=False)

    migrate(settings)
    again = migrate(settings)
    ensure_topics(settings)
    cancelled = _land_more(settings)
    if DEPLOYED:
        # A mart may read a column that the old views lack.
        deployed = ["config.materialized:view", *(f"{mart}+" for mart in DEPLOYED)]
        run_dbt(settings, ["run", "--full-refresh", "--select", *deployed])
    run_dbt(settings, ["run"])
    return Upgraded(stack, before, orders, counts, again, cancelled)


def _land_more(settings: Settings) -> str:
    """Land a day of the shop, a change of an old order (returned), an old event once more, and something broken."""
    ((order,),) = _rows(
        settings,
        "select order_id from marts.fct_orders where status not in ('cancelled', 'refunded') order by 1 limit 1",
    )
    ((repeated,),) = _rows(
        settings,
        "select jsonb_build_object('specversion', '1.0', 'id', event_id, 'source', source, 'type', event_type, 'time',"
        " to_json(event_time), 'subject', subject, 'datacontenttype', 'application/json', 'data', data)"
        " from raw.orders order by event_id limit 1",
    )
    producer = LedgerProducer(settings, "after-the-upgrade")
    cancel = {"order_id": order, "reason": "changed_mind", "cancelled_by": "customer"}
    cancelled = event("shop.order.cancelled.v1", order, cancel, time=dt.datetime.now(dt.UTC))
    producer.send([*shop_day(1), cancelled, repeated])
    producer.send_raw("shop.web", b"{", str(uuid.uuid4()))
    producer.flush()
    ingest_until_end(settings)
    return str(order)


def test_a_second_migration_applies_nothing(upgraded):
    assert upgraded.migrated_again == []


def test_nothing_that_was_there_is_lost_or_altered(upgraded):
    assert all(rows for _, rows in upgraded.before.values()), "an empty table shows nothing"
    lost_columns, lost_rows = {}, {}
    for table, (columns, rows) in upgraded.before.items():
        now_columns, now_rows = _content(upgraded.settings, table, columns)
        lost_columns[table] = set(columns) - set(now_columns)
        lost_rows[table] = (rows - now_rows).total()
    assert not any(lost_columns.values()), lost_columns
    assert not any(lost_rows.values()), lost_rows


def test_new_events_land_behind_the_old_ones_and_an_old_one_does_not_land_again(upgraded):
    old, now = upgraded.counts_before, reconcile(upgraded.settings)
    assert old.holds and now.holds and now.hours.holds, now.as_dict()
    new = len(shop_day(1)) + 1
    assert (now.landed - old.landed, now.dead_lettered - old.dead_lettered) == (new, 1)
    assert (now.produced - old.produced, now.duplicates - old.duplicates) == (new + 1, 1)


def test_marts_go_on_from_where_they_stood_and_equal_their_recomputation(upgraded):
    ((status,),) = _rows(
        upgraded.settings, f"select status from marts.fct_orders where order_id = '{upgraded.cancelled}'"
    )
    assert status == "cancelled"
    orders = dict(_rows(upgraded.settings, _ORDERS))
    assert orders.keys() == upgraded.orders_before.keys() | {"ord_1"}
    if not {"fct_orders", "fct_order_lines"} & set(DEPLOYED):
        # Not built anew: only what the events touched was written again.
        written = {order for order, by in upgraded.orders_before.items() if orders[order] != by}
        assert upgraded.cancelled in written and written < upgraded.orders_before.keys()
    proof = rebuild_and_compare(upgraded.settings)
    assert proof.holds, {name: mart for name, mart in proof.marts.items() if not mart.equal}


def test_the_simulated_shop_is_where_it_stopped(upgraded):
    found = snapshot.load(generator_dir(upgraded.settings) / STATE)
    assert found is not None
    line, _ = found
    assert line.shop.clock > line.shop.origin + line.shop.opening_ms
    history = json.loads((upgraded.settings.ledger_dir / "history.json").read_text())
    assert history["completed"]


def test_dagster_finds_its_runs_again(upgraded, monkeypatch):
    home = prepare_home(upgraded.settings, code_ports=upgraded.stack.ports.code)
    for name, value in environment(upgraded.settings).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert ("full_pipeline", dg.DagsterRunStatus.SUCCESS) in {
            (run.job_name, run.status) for run in instance.get_runs()
        }
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            stands, wanted = storage.alembic_version()
            assert stands == wanted, "its tables must be migrated: `dagster instance migrate`"


# Who wrote a row last tells whether it was built anew.
_ORDERS = "select order_id, xmin::text from marts.fct_orders"


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings, Role.ADMIN) as admin:
        return admin.execute(query.encode()).fetchall()


def _content(settings: Settings, table: str, wanted: list[str] | None = None) -> _Table:
    """Return the rows of a table as text, with the columns it has, or those ``wanted`` that are still there."""
    schema, name = table.split(".")
    with connect(settings, Role.ADMIN) as admin:
        found = admin.execute(
            "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
            " order by ordinal_position",
            [schema, name],
        ).fetchall()
        columns = [column for (column,) in found if wanted is None or column in wanted]
        listed = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)
        rows = admin.execute(sql.SQL("select {} from {}").format(listed, sql.Identifier(schema, name)))
        return columns, Counter(rows.fetchall())
