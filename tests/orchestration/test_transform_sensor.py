"""Transformation starts when committed raw rows lie beyond the marts, and never twice for the same rows."""

from __future__ import annotations

import uuid
from contextlib import contextmanager

import dagster as dg
import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration.defs.transformation.sensors import (
    INTERVAL_VARIABLE,
    build_transform_sensor,
    interval_seconds,
    run_key,
)
from shop_platform.orchestration.run_requests import RETRY_SECONDS
from shop_platform.orchestration.watermark import Watermark, read_watermark
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect

MARTS = ["marts.one", "marts.two"]


def land(connection, area="orders"):
    connection.execute(
        f"insert into raw.{area} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
        " kafka_offset) values (%s, 't', '/s', 's', now(), '{}', 0, 0)",
        [uuid.uuid4()],
    )


@contextmanager
def committed(settings, role=Role.INGEST):
    with connect(settings, role) as connection:
        yield connection


def build_marts(settings, marts=MARTS):
    """Do what dbt does: read below the safe ceiling, then remember it."""
    with committed(settings, Role.TRANSFORM) as connection:
        for mart in marts:
            connection.execute(
                "insert into ops.model_watermarks (model, ceiling, invocation_id)"
                " values (%s, pg_snapshot_xmin(pg_current_snapshot()), 'i') on conflict (model) do update"
                " set ceiling = excluded.ceiling",
                [mart],
            )


def test_by_day_a_run_leaves_out_what_waits_for_the_night_once_that_was_built(fresh_warehouse):
    settings = fresh_warehouse.settings
    day = [dg.AssetKey(["marts", "one"])]
    sensor = build_transform_sensor(MARTS[:1], interval_seconds=30, nightly=MARTS[1:], by_day=day)
    with committed(settings) as connection:
        land(connection)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert sensor(context, settings=settings).asset_selection is None, "nobody waits for the first night"
        build_marts(settings, MARTS)
        with committed(settings) as connection:
            land(connection)
        assert sensor(context, settings=settings).asset_selection == day
        build_marts(settings, MARTS[:1])
        assert isinstance(sensor(context, settings=settings), dg.SkipReason), "a nightly mart is behind, and may be"


def test_checks_that_a_cancelled_run_left_are_judged_though_no_rows_come_and_a_refresher_builds(
    fresh_warehouse, monkeypatch
):
    settings = fresh_warehouse.settings

    @dg.multi_asset(
        specs=[dg.AssetSpec(["marts", name]) for name in ("one", "two")],
        check_specs=[dg.AssetCheckSpec("adds_up", asset=["marts", name]) for name in ("one", "two")],
        can_subset=True,
    )
    def both():
        return ()

    day, checks = [dg.AssetKey(["marts", "one"])], list(both.check_keys)
    sensor = build_transform_sensor(MARTS[:1], interval_seconds=30, nightly=MARTS[1:], by_day=day, checks=checks)
    job = dg.define_asset_job("transform", [both])
    monkeypatch.setattr("shop_platform.orchestration.check_states.PEACE_SECONDS", -60)
    with committed(settings) as connection:
        land(connection)
    build_marts(settings)
    with dg.DagsterInstance.ephemeral() as instance:

        def broken_off(selection):
            made = dg.Definitions(assets=[both], jobs=[job]).resolve_job_def("transform")
            instance.report_run_canceled(instance.create_run_for_job(made.get_subset(asset_selection=selection)))
            return sensor(dg.build_sensor_context(instance=instance), settings=settings)

        assert isinstance(sensor(dg.build_sensor_context(instance=instance), settings=settings), dg.SkipReason)
        assert broken_off(set(day)).asset_selection == day
        assert broken_off(None).asset_selection is None, "what waits for the night was in the run too"


def test_what_a_person_took_back_or_landed_again_is_built_whole_at_once_even_beside_a_refresher(
    fresh_warehouse, monkeypatch
):
    settings = fresh_warehouse.settings
    day = [dg.AssetKey(["marts", "one"])]
    sensor = build_transform_sensor(MARTS[:1], interval_seconds=30, nightly=MARTS[1:], by_day=day)
    monkeypatch.setattr("shop_platform.orchestration.defs.transformation.sensors.alive", lambda _: True)
    with committed(settings) as connection:
        land(connection)
        land(connection)
    build_marts(settings)
    with dg.DagsterInstance.ephemeral() as instance:

        def look():
            context = dg.build_sensor_context(instance, look.cursor, resources={"settings": settings})
            tick = sensor.evaluate_tick(context)
            look.cursor = tick.cursor
            return tick.run_requests[0] if tick.run_requests else None

        look.cursor = None
        assert look() is None
        with committed(settings) as connection:
            (first, *_) = connection.execute("select event_id from raw.orders").fetchall()
            connection.execute("select from ops.retract('orders', %s, 'me', 'a test')", [list(first)])
        asked = look()
        assert asked and asked.asset_selection is None, "those of the night too"
        assert look() is None, "asked for; if it failed, the refresher's peace is kept until later"
        build_marts(settings, MARTS[:1])
        look.cursor = None
        assert look().run_key == asked.run_key, "the nightly mart still tells the old figures"
        build_marts(settings)
        assert look() is None

        with committed(settings) as connection:
            connection.execute(
                "update ops.retractions set restored_at = now(), restored_by = 'me',"
                " restored_xid = pg_current_xact_id()"
            )
        again = look()
        assert again.asset_selection is None and again.run_key != asked.run_key
        build_marts(settings)
        assert look() is None


@pytest.fixture
def evaluate(fresh_warehouse):
    sensor = build_transform_sensor(MARTS, interval_seconds=30)
    with dg.DagsterInstance.ephemeral() as instance:

        def call(cursor=None):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            return sensor(context, settings=fresh_warehouse.settings)

        call.instance = instance
        yield call


def test_an_empty_warehouse_asks_for_nothing(evaluate):
    assert isinstance(evaluate(), dg.SkipReason)


def test_new_rows_ask_for_a_run_until_every_mart_contains_them(fresh_warehouse, evaluate):
    settings = fresh_warehouse.settings
    with committed(settings) as connection:
        land(connection, "returns")
    assert isinstance(evaluate(), dg.RunRequest)
    build_marts(settings, MARTS[:1])
    assert isinstance(evaluate(), dg.RunRequest), "one mart was never built"
    build_marts(settings)
    assert isinstance(evaluate(), dg.SkipReason)
    with committed(settings) as connection:
        land(connection, "web")
    assert isinstance(evaluate(), dg.RunRequest)
    build_marts(settings, MARTS[:1])
    assert isinstance(evaluate(), dg.RunRequest), "one mart stayed behind"


def test_the_watermark_of_a_mart_that_no_longer_exists_does_not_matter(fresh_warehouse, evaluate):
    settings = fresh_warehouse.settings
    build_marts(settings, ["marts.gone", "verify__marts.one"])
    with committed(settings) as connection:
        land(connection)
    build_marts(settings)
    assert isinstance(evaluate(), dg.SkipReason)


def test_a_lost_cursor_asks_for_the_same_run_key_so_nothing_starts_twice(fresh_warehouse, evaluate):
    with committed(fresh_warehouse.settings) as connection:
        land(connection)
    assert evaluate("anything").run_key == evaluate(None).run_key


def test_rows_above_an_open_transaction_wait_for_it(fresh_warehouse, evaluate):
    """dbt could not read them yet: a run would build nothing, be done, and be asked for again at once."""
    settings = fresh_warehouse.settings
    with connect(settings, Role.INGEST) as slow:
        land(slow, "orders")
        with committed(settings) as fast:
            land(fast, "web")
        assert isinstance(evaluate(), dg.SkipReason)
        slow.commit()
        assert isinstance(evaluate(), dg.RunRequest)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_no_run_is_asked_for_while_one_is_under_way(fresh_warehouse, evaluate, status):
    with committed(fresh_warehouse.settings) as connection:
        land(connection)
    run = evaluate.instance.create_run_for_job(noop, status=status)
    assert isinstance(evaluate(), dg.SkipReason)
    evaluate.instance.delete_run(run.run_id)
    assert isinstance(evaluate(), dg.RunRequest)


def test_failed_work_is_asked_for_again_in_the_next_window_only():
    mark, now = Watermark(7, 3), float(RETRY_SECONDS * 1000)
    assert run_key(mark, now) == run_key(mark, now + RETRY_SECONDS - 1) != run_key(mark, now + RETRY_SECONDS)
    assert run_key(mark, now) != run_key(Watermark(8, 3), now)


def test_the_watermark_is_found_by_index(fresh_warehouse):
    """One step per raw table: the plan must not read the tables, however large they are."""
    settings = fresh_warehouse.settings
    with committed(settings) as connection:
        connection.execute(
            "insert into raw.web (event_id, event_type, source, subject, event_time, data, kafka_partition,"
            " kafka_offset) select gen_random_uuid(), 't', '/s', 's', now(), '{}', 0, n"
            " from generate_series(1, 20000) as n"
        )
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("analyze raw.web")
        admin.execute("select pg_stat_reset()")
    assert read_watermark(settings, MARTS).behind
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("select pg_stat_force_next_flush()")
        scanned = admin.execute(
            "select coalesce(sum(seq_tup_read), 0) from pg_stat_all_tables where schemaname = 'raw'"
        ).fetchone()
    assert scanned is not None and int(scanned[0]) < 20000


def test_an_interval_that_is_no_number_is_refused_by_name(monkeypatch):
    monkeypatch.setenv(INTERVAL_VARIABLE, "soon")
    with pytest.raises(ShopError, match=INTERVAL_VARIABLE):
        interval_seconds()


@dg.job(name="transform")
def noop():
    pass
