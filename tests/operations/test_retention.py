"""Retention takes whole years that every mart has read, accounts for each event of them, and refuses what would lie."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
from typer.testing import CliRunner

from shop_platform.cli import app
from shop_platform.errors import ShopError
from shop_platform.operations.kept import marts_below, only
from shop_platform.operations.rebuild import rebuild_and_compare
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.retention import apply_retention
from shop_platform.operations.retention_ops import RULES
from shop_platform.operations.retention_raw import _months_before
from shop_platform.settings import Role, get_settings, load
from shop_platform.warehouse.connect import connect
from tests.support.events import page_view
from tests.support.people import Road, ordered, rows, searched, session_started
from tests.support.planned import run_by_plan
from tests.support.raw_web import at, id_at, partitions, random_id


@pytest.fixture
def year() -> int:
    """The year of the clock (UTC): everything before the year before it is due when twelve months are kept.

    Asked for in each test, as the suite may run over New Year.
    """
    return dt.datetime.now(dt.UTC).year


@pytest.fixture
def road(fresh_warehouse):
    settings = fresh_warehouse.settings.model_copy(update={"retention": "web=12"})
    made = Road(settings)
    yield made
    made.close()


def timed(make, *names, time: dt.datetime, **more):
    """Return an event whose id was made at its time."""
    return make(*names, time=time, id=str(id_at(time)), **more)


def shop_events(year: int):
    """Three sessions: two years ago, in the last minute before what is due ends and after it, and this year."""
    old, edge, new = at(year - 2, 3), at(year - 1) - dt.timedelta(minutes=1), at(year, 1, 9)
    return [
        timed(session_started, "old", time=old),
        timed(searched, "old", time=old + dt.timedelta(minutes=1)),
        timed(page_view, 1, time=at(year - 3)),
        timed(session_started, "edge", time=edge),
        timed(searched, "edge", time=at(year - 1) + dt.timedelta(minutes=1)),
        timed(session_started, "new", time=new),
        timed(searched, "new", time=new + dt.timedelta(minutes=1)),
        timed(ordered, "o1", "cus_1", "old", time=old + dt.timedelta(minutes=5)),
        timed(ordered, "o2", "cus_1", "new", time=new + dt.timedelta(minutes=5)),
        # Ids without a time in them are never taken for old.
        page_view(2, time=old, id=str(random_id())),
    ]


def all_read(settings):
    """Say that a mart has read everything, without building any."""
    with connect(settings, Role.TRANSFORM) as connection:
        connection.execute(
            "insert into ops.model_watermarks (model, ceiling, invocation_id)"
            " values ('marts.fct_events', pg_snapshot_xmax(pg_current_snapshot()), 'test')"
            " on conflict (model) do update set ceiling = excluded.ceiling"
        )


def web_sessions(settings) -> list[str]:
    return [row[0] for row in rows(settings, "select subject from raw.web order by event_time, subject")]


def of(report, relation):
    (found,) = [removal for removal in report.removals if removal.relation == relation]
    return found


def test_old_years_go_and_every_event_stays_accounted_for(road, year):
    events = shop_events(year)
    road.land(*events)
    with connect(road.settings, Role.ADMIN) as admin:
        before = partitions(admin)
    assert reconcile(road.settings).holds
    all_read(road.settings)

    dry = apply_retention(road.settings, actor="anna", dry_run=True)
    with connect(road.settings, Role.ADMIN) as admin:
        assert partitions(admin) == before
    assert of(dry, "raw.web").rows == 4
    assert rows(road.settings, "select count(*) from ops.retention_runs") == [(0,)]
    assert len(web_sessions(road.settings)) == 8

    report = apply_retention(road.settings, actor="anna")
    assert of(report, "raw.web") == of(dry, "raw.web")
    assert web_sessions(road.settings) == ["ses_000002", "edge", "new", "new"]
    with connect(road.settings, Role.ADMIN) as admin:
        assert list(partitions(admin)) == ["web_before", *(f"web_y{year + n}" for n in (-1, 0, 1)), "web_default"]
        assert partitions(admin)["web_before"] == (None, at(year - 1))
    ((relation, older_than, removed, detail, actor),) = rows(
        road.settings, "select relation, older_than, rows_removed, detail, actor from ops.retention_runs"
    )
    assert (relation, older_than, removed, actor) == ("raw.web", at(year - 1), 4, "anna")
    assert detail["partitions"] == ["web_before", f"web_y{year - 2}"] and detail["bytes"] > 0
    # Search words go with their events.
    assert detail["personal_data"] == 1
    assert {row[0] for row in rows(road.settings, "select subject from pii.personal_data")} == {"edge", "new"}

    verdict = reconcile(road.settings)
    assert verdict.holds and verdict.hours.holds
    assert (verdict.produced, verdict.landed, verdict.expired) == (10, 6, 4)
    assert rows(road.settings, "select expired from ops.reconciliations order by checked_at desc limit 1") == [(4,)]
    again = apply_retention(road.settings, actor="anna")
    assert (of(again, "raw.web").rows, of(again, "raw.web").note) == (0, "removed before")


def test_an_event_from_before_the_horizon_is_a_dead_letter_and_the_rest_of_its_batch_lands(road, year):
    events = shop_events(year)
    road.land(*events)
    all_read(road.settings)
    apply_retention(road.settings, actor="anna")

    repeated, late = events[0], timed(page_view, 9, time=at(year - 2, 6))
    by_random_id = page_view(10, time=at(year - 2, 6), id=str(random_id()))
    (written,) = road.land(repeated, late, by_random_id, timed(page_view, 11, time=at(year, 2)))
    assert (written.landed, written.dead, written.duplicates) == (2, 2, 0)
    letters = rows(road.settings, "select event_id::text, error_class, error from ops.dead_letters order by 1")
    assert {letter[0] for letter in letters} == {repeated["id"], late["id"]}
    assert all(kind == "database_rejected" and f"not_before_{year - 1}" in error for _, kind, error in letters)
    verdict = reconcile(road.settings)
    assert verdict.holds and verdict.hours.holds, verdict


def test_what_was_lost_before_is_still_missing_after_retention(road, year):
    events = shop_events(year)
    road.land(*events)
    all_read(road.settings)
    rows(road.settings, "delete from raw.web where event_id = %s returning 1", events[0]["id"])
    apply_retention(road.settings, actor="anna")
    verdict = reconcile(road.settings)
    assert (verdict.missing, verdict.expired) == (1, 3) and not verdict.holds


def test_a_row_goes_only_when_its_id_and_its_time_are_old(road, year):
    new = dict(timed(page_view, 5, time=at(year - 2, 2)), time=at(year, 3).isoformat())
    # A random id (version 4) that happens to lie among those of an old year tells no time.
    random = page_view(6, time=at(year - 2, 2), id=str(uuid.UUID(int=id_at(at(year - 2, 2)).int ^ 0b11 << 76)))
    road.land(*shop_events(year), new, random)
    all_read(road.settings)
    report = apply_retention(road.settings, actor="anna")
    assert of(report, "raw.web").detail["rows_kept"] == 2
    assert {"ses_000005", "ses_000006"} <= set(web_sessions(road.settings))
    assert reconcile(road.settings).holds


def test_nothing_goes_that_some_mart_has_not_read(road, year):
    road.land(*shop_events(year))
    unbuilt = of(apply_retention(road.settings, actor="anna"), "raw.web")
    assert unbuilt.blocked and "no mart has read it" in unbuilt.note
    with connect(road.settings, Role.TRANSFORM) as connection:
        connection.execute(
            "insert into ops.model_watermarks (model, ceiling, invocation_id)"
            " select 'marts.fct_slow', min(_xid), 'test' from raw.web"
        )
    all_read(road.settings)
    behind = of(apply_retention(road.settings, actor="anna"), "raw.web")
    assert behind.blocked and "marts.fct_slow has not read all of it" in behind.note
    assert len(web_sessions(road.settings)) == 8


def test_without_a_rule_raw_is_kept_for_ever(road, year):
    road.land(*shop_events(year))
    all_read(road.settings)
    settings = road.settings.model_copy(update={"retention": ""})
    report = apply_retention(settings, actor="anna", now=at(year + 50))
    assert {removal.relation for removal in report.removals} == {rule.relation for rule in RULES}
    assert len(web_sessions(road.settings)) == 8


def test_a_busy_table_is_left_with_a_reason(road, monkeypatch, year):
    monkeypatch.setattr("shop_platform.operations.retention._LOCK_TIMEOUT", "300ms")
    road.land(*shop_events(year))
    all_read(road.settings)
    with connect(road.settings, Role.TRANSFORM) as reader:
        reader.execute("select count(*) from raw.web")
        with pytest.raises(ShopError, match=r"raw\.web was busy"):
            apply_retention(road.settings, actor="anna")
        reader.rollback()
    assert len(web_sessions(road.settings)) == 8
    assert apply_retention(road.settings, actor="anna").removals[0].rows == 4


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("orders=25", "raw.orders is kept for life: an order"),
        ("customers=25", "raw.customers is kept for life"),
        ("products=25", "raw.products is kept for life"),
        ("returns=25", "raw.returns is kept for life"),
        ("web=25,marketing=25", "raw.marketing is kept for life"),
        ("web=2", "keep at least 3 months"),
        ("web=25 months", "write for example web=25"),
        ("clicks=25", "there is no raw table 'clicks'"),
        ("web=25,web=30", "stands twice"),
    ],
)
def test_an_impossible_rule_is_refused_with_its_reason(rule, reason):
    with pytest.raises(ShopError, match=f"SHOP_RETENTION: .*{reason}"):
        load(retention=rule)


def test_months_are_whole_and_counted_back_over_years():
    assert _months_before(at(2026, 11, 24), 25) == at(2024, 10)
    assert _months_before(at(2026, 1, 1), 12) == at(2025, 1)
    assert _months_before(at(2026, 3, 31), 3) == at(2025, 12)


def test_ops_tables_forget_their_age_and_keep_what_is_still_asked_for(fresh_warehouse):
    settings = fresh_warehouse.settings
    with connect(settings, Role.ADMIN) as admin:
        for name, days in (("old", 15), ("builder", 15), ("new", 13)):
            admin.execute(
                "insert into ops.transform_runs (invocation_id, ceiling, started_at)"
                " values (%s, '1', now() - %s * interval '1 day')",
                [name, days],
            )
            admin.execute(
                "insert into ops.check_results (run_id, asset, check_name, passed, severity, checked_at)"
                " values (%s, 'marts/a', 'unique', true, 'ERROR', now() - %s * interval '10 days')",
                [name, days],
            )
        admin.execute(
            "insert into ops.model_watermarks (model, ceiling, invocation_id) values ('marts.a', '1', 'builder')"
        )
        admin.execute(
            "insert into ops.pipeline_runs (run_id, job, status, updated_at)"
            " values ('old', 'daily', 'SUCCESS', now() - interval '401 days'), ('new', 'daily', 'SUCCESS', now())"
        )
        for days in (31, 29):
            admin.execute(
                "insert into ops.refreshers (refresher, state, heartbeat_at)"
                " values (%s, 'idle', now() - %s * interval '1 day')",
                [f"r{days}", days],
            )
            admin.execute(
                "insert into ops.asset_materializations (asset, source, seconds, materialized_at)"
                " values ('marts/a', 'refresher', 1, now() - %s * interval '1 day')",
                [days],
            )
        for days in (500, 450):
            admin.execute(
                "insert into ops.reconciliations (holds, landed, dead_lettered, duplicates, missing, unexpected,"
                " checked_at) values (true, 1, 0, 0, 0, 0, now() - %s * interval '1 day')",
                [days],
            )
    report = apply_retention(settings, actor="anna")
    assert {r.relation: r.rows for r in report.removals if r.rows} == {
        "ops.transform_runs": 1,
        "ops.asset_materializations": 1,
        "ops.check_results": 2,
        "ops.pipeline_runs": 1,
        "ops.reconciliations": 1,
        "ops.refreshers": 1,
    }
    assert rows(settings, "select invocation_id from ops.transform_runs order by 1") == [("builder",), ("new",)]
    assert rows(settings, "select run_id from ops.check_results") == [("new",)]
    assert rows(settings, "select relation, rows_removed, actor from ops.retention_runs order by 1") == [
        ("ops.asset_materializations", 1, "anna"),
        ("ops.check_results", 2, "anna"),
        ("ops.pipeline_runs", 1, "anna"),
        ("ops.reconciliations", 1, "anna"),
        ("ops.refreshers", 1, "anna"),
        ("ops.transform_runs", 1, "anna"),
    ]


def test_the_command_speaks_to_people_and_programs_and_tells_by_its_exit_code(road, monkeypatch, year):
    for name, value in road.settings.process_environment().items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        road.land(*shop_events(year))
        blocked = CliRunner().invoke(app, ["retention"])
        assert blocked.exit_code == 1 and "NOT REMOVED" in blocked.output
        all_read(road.settings)
        dry = CliRunner().invoke(app, ["retention", "--dry-run"])
        assert dry.exit_code == 0 and "4 rows before" in dry.output and "would go" in dry.output
        done = CliRunner().invoke(app, ["retention", "--json", "--by", "anna"])
        document = json.loads(done.stdout)
        assert (done.exit_code, document["rows"], document["dry_run"]) == (0, 4, False)
        assert document["tables"][0]["older_than"] == at(year - 1).isoformat()
    finally:
        get_settings.cache_clear()


def test_marts_keep_the_years_that_raw_has_lost_and_are_proven_from_there_on(road, year):
    road.land(*shop_events(year))
    run_by_plan(road.settings, ["run"])
    facts = "select session_id, ended_at, has_order from marts.fct_sessions order by started_at"
    days = "select date_day, sessions_count, orders_count from marts.kpi_daily order by 1"
    sessions, kpis = rows(road.settings, facts), rows(road.settings, days)
    assert [row[0] for row in sessions] == ["old", "edge", "new"]

    assert of(apply_retention(road.settings, actor="anna"), "raw.web").rows == 4
    # A late order in a session whose beginning is gone, and a late event of one that straddles the edge.
    late = at(year, 1, 9, 12)
    road.land(
        timed(ordered, "o3", "cus_2", "old", time=at(year - 2, 3, 1, 1)),
        timed(searched, "edge", time=late),
        timed(searched, "new", time=at(year, 1, 9, 3)),
    )
    run_by_plan(road.settings, ["run"])
    kept = rows(road.settings, facts)
    assert kept[:2] == sessions[:2] and kept[2] != sessions[2]
    (day, visits, orders), (_, _, more_orders) = kpis[0], rows(road.settings, days)[0]
    assert rows(road.settings, days)[0] == (day, visits, more_orders) and more_orders == orders + 1

    proof = rebuild_and_compare(road.settings)
    assert proof.holds, proof.as_dict()
    since = at(year - 1).date() + dt.timedelta(days=8)
    assert proof.kept["fct_sessions"] == proof.kept["kpi_daily"] == proof.kept["fct_events"] == since
    assert proof.kept["dim_channels"] is None and "dim_channels" not in proof.marts
    assert "fct_orders" in proof.marts and "fct_orders" not in proof.kept
    assert (proof.marts["fct_sessions"].rows, proof.marts["fct_orders"].rows) == (1, 3)


def test_a_mart_is_split_by_its_only_day_or_the_one_it_names():
    def node(name, *columns, **config):
        return {
            "alias": name, "fqn": ["shop", "marts", "web", name], "config": config,
            "columns": {column: {"data_type": kind} for column, kind in columns},
        }  # fmt: skip

    manifest = {
        "sources": {"source.web": {"source_name": "raw", "name": "web"}},
        "nodes": {
            "model.a": node("a", ("day", "date"), ("other", "date"), meta={"day_column": "other"}),
            "model.b": node("b", ("day", "date"), ("at", "timestamp")),
            "model.c": node("c", ("day", "date"), ("second", "date")),
            "model.v": node("v") | {"fqn": ["shop", "staging", "v"]},
        },
        "child_map": {"source.web": ["model.v", "test.x"], "model.v": ["model.a", "model.b"], "model.b": ["model.c"]},
    }
    assert marts_below(manifest, "web") == {"a": "other", "b": "day", "c": None}
    assert marts_below(manifest, "orders") == {}
    assert only([]) is None
