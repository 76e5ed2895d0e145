"""What is said of the marts after a retraction is true of whoever is there to build them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from shop_platform.orchestration import names
from shop_platform.orchestration.after_retraction import Follow, look, news, sentences, tell, wait
from shop_platform.orchestration.run_history import RunRow, record_run
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect

BEHIND = Follow(3, ("marts.a", "marts.b"), dagster=True, refresher=True, run_seconds=38.4)


def told(**changes):
    return "\n".join(tell(replace(BEHIND, **changes)))


def test_dagster_builds_every_mart_and_a_refresher_the_hot_ones():
    said = told()
    assert "2 of 3 marts still tell the old figures." in said
    assert "hot ones follow within seconds" in said and "job transform (the last one took 38 s)" in said
    assert "shop events marts --wait" in said and "dbt run" not in said
    assert "hot" not in told(refresher=False, run_seconds=None)


def test_where_nothing_builds_them_it_is_said_so_with_what_does():
    said = told(dagster=False)
    assert "Nothing builds the others by itself: no Dagster daemon is alive here" in said
    assert "dbt run" in said and "--wait" not in said and "transform" not in said
    assert "Nothing builds them by itself" in told(dagster=False, refresher=False)


def test_what_is_right_is_said_to_be():
    assert told(behind=("marts.a",)).startswith("1 of 3 marts still tells the old figures.")
    assert told(behind=()) == "No mart tells the old figures any more: all 3 are built since."
    assert told(behind=(), marts=0) == "No mart has been built yet."


def test_a_warehouse_that_cannot_be_asked_is_no_error_of_the_retraction():
    (said,) = sentences(load(pg_host="127.0.0.1", pg_port=1))
    assert said.startswith("How far the marts are could not be asked (") and "old figures until" in said


def test_the_last_build_that_went_well_says_how_long_the_next_one_takes(warehouse):
    start = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    for run_id, status, seconds in (("good", "success", 38.0), ("bad", "failure", 90.0)):
        end = start + dt.timedelta(seconds=seconds)
        row = RunRow(run_id, names.JOB_TRANSFORM, status, "manual", start, end, None, None, (), (), (), ())
        record_run(warehouse.settings, row)
    assert look(warehouse.settings).run_seconds == 38.0


def test_what_was_said_is_not_said_again_but_how_far_the_marts_are():
    assert news(BEHIND, None) == tell(BEHIND)
    assert news(BEHIND, BEHIND) == []
    assert news(replace(BEHIND, behind=("marts.b",)), BEHIND) == ["1 of 3 marts still tells the old figures."]
    away = replace(BEHIND, dagster=False)
    assert news(away, BEHIND) == tell(away), "who builds them is another one now"
    done = replace(BEHIND, behind=())
    assert news(done, BEHIND) == ["No mart tells the old figures any more: all 3 are built since."]


def test_waiting_ends_with_the_last_mart_and_no_earlier(fresh_warehouse):
    settings = fresh_warehouse.settings
    marts = [f"marts.m{number}" for number in range(3)]
    with connect(settings, Role.TRANSFORM, autocommit=True) as builder:
        for mart in marts:
            builder.execute(f"create table {mart} (id int)")
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        for mart in marts:
            admin.execute(
                "insert into ops.model_watermarks (model, ceiling, invocation_id) values (%s, '3', 'a build')", [mart]
            )
        admin.execute(
            "insert into ops.retractions (event_id, topic, event_type, source, subject, event_time, data,"
            " kafka_partition, kafka_offset, ingested_at, landed_xid, retracted_by, because) values"
            " (gen_random_uuid(), 'shop.web', 't', 's', 'x', now(), '{}', 0, 0, now(), '3', 'ada', 'a test')"
        )
        heard, looks = [], iter(marts)

        def say(lines):
            heard.append(lines)

        def build_one(_seconds):
            mart = next(looks)
            admin.execute("update ops.model_watermarks set ceiling = pg_current_xact_id() where model = %s", [mart])

        found = wait(settings, say, sleep=build_one)
    assert (found.behind, list(looks)) == ((), [])
    assert heard[0][0] == "3 of 3 marts still tell the old figures."
    assert heard[-1] == ["No mart tells the old figures any more: all 3 are built since."]
    assert len({tuple(lines) for lines in heard}) == len(heard), "nothing is said twice"
