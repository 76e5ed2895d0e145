"""Each rule on healthy, broken and empty data: what state would Grafana give it?"""

import datetime as dt
from decimal import Decimal

import psycopg
import pytest

from tests.grafana import operations
from tests.grafana.documents import Json, rules
from tests.grafana.macros import Range, expand

RULES = {rule["uid"]: rule for rule in rules()}
Connection = psycopg.Connection[tuple[object, ...]]


def states(connection: Connection, rule: Json) -> dict[str, str]:
    """Evaluate ``rule`` once as Grafana does, leaving out how long it must last: label -> OK or Alerting."""
    measured, condition = rule["data"]
    (judged,) = condition["model"]["conditions"]
    assert judged["evaluator"]["type"] == "gt"
    (bound,) = judged["evaluator"]["params"]
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    length = dt.timedelta(seconds=measured["relativeTimeRange"]["from"])
    rows = connection.execute(expand(measured["model"]["rawSql"], Range(end - length, end)).encode()).fetchall()
    if not rows:
        return {"": rule["noDataState"]}
    found = {}
    for row in rows:
        (value,) = (each for each in row if isinstance(each, int | float | Decimal))
        (label,) = (each for each in row if isinstance(each, str))
        found[label] = "Alerting" if value > bound else "OK"
    return found


def alerting(connection: Connection, uid: str) -> set[str]:
    return {label for label, state in states(connection, RULES[uid]).items() if state == "Alerting"}


def test_there_are_the_four_rules() -> None:
    assert set(RULES) == {
        "shop-ingestion-behind",
        "shop-pipeline-failed",
        "shop-marts-stale",
        "shop-orchestration-silent",
    }


@pytest.mark.parametrize("uid", RULES)
def test_empty_data_is_no_data(uid: str, grafana: Connection) -> None:
    assert states(grafana, RULES[uid]) == {"": "NoData"}


@pytest.mark.usefixtures("healthy_platform")
@pytest.mark.parametrize("uid", RULES)
def test_a_healthy_platform_is_ok(uid: str, grafana: Connection) -> None:
    assert set(states(grafana, RULES[uid]).values()) == {"OK"}


@pytest.mark.usefixtures("healthy_platform")
class TestIngestion:
    def test_messages_that_wait_without_a_commit_alert_for_their_topic_only(
        self, admin: Connection, grafana: Connection
    ) -> None:
        admin.execute(
            "update ops.ingest_batches set committed_at = committed_at - interval '6 min' where topic = 'shop.web'"
        )
        operations.lag(admin, "shop.web", records=3)

        assert alerting(grafana, "shop-ingestion-behind") == {"shop.web"}

    def test_a_quiet_topic_without_waiting_messages_is_ok(self, admin: Connection, grafana: Connection) -> None:
        admin.execute("update ops.ingest_batches set committed_at = committed_at - interval '6 hours'")

        assert alerting(grafana, "shop-ingestion-behind") == set()

    def test_a_backlog_that_needs_longer_than_the_limit_alerts(self, admin: Connection, grafana: Connection) -> None:
        # Fifty messages in five minutes: one every six seconds.
        operations.lag(admin, "shop.orders", records=40)
        assert alerting(grafana, "shop-ingestion-behind") == set()

        operations.lag(admin, "shop.orders", records=80)
        assert alerting(grafana, "shop-ingestion-behind") == {"shop.orders"}

    def test_the_age_of_the_oldest_waiting_message_counts_although_others_are_committed(
        self, admin: Connection, grafana: Connection
    ) -> None:
        operations.lag(admin, "shop.orders", records=1, oldest_seconds_ago=299)
        operations.lag(admin, "shop.web", records=1, oldest_seconds_ago=310)
        assert alerting(grafana, "shop-ingestion-behind") == {"shop.web"}

        operations.lag(admin, "shop.web", records=0, oldest_seconds_ago=310)
        assert alerting(grafana, "shop-ingestion-behind") == set(), "nothing waits any more"

    def test_a_topic_that_never_had_a_commit_but_has_messages_alerts(
        self, admin: Connection, grafana: Connection
    ) -> None:
        operations.lag(admin, "shop.returns", records=1)

        assert alerting(grafana, "shop-ingestion-behind") == {"shop.returns"}

    def test_a_lag_that_nobody_measures_any_more_alerts(self, admin: Connection, grafana: Connection) -> None:
        operations.lag(admin, "shop.web", records=0, measured_seconds_ago=301)

        assert alerting(grafana, "shop-ingestion-behind") == {"shop.web"}


@pytest.mark.usefixtures("healthy_platform")
class TestRuns:
    def test_a_job_alerts_until_it_succeeds_again(self, admin: Connection, grafana: Connection) -> None:
        operations.run(admin, "full_pipeline", "failure", minutes_ago=1)
        assert alerting(grafana, "shop-pipeline-failed") == {"job full_pipeline"}

        operations.run(admin, "full_pipeline", "success", minutes_ago=0)
        assert alerting(grafana, "shop-pipeline-failed") == set()

    def test_a_cancelled_run_does_not_alert(self, admin: Connection, grafana: Connection) -> None:
        operations.run(admin, "verify", "canceled", minutes_ago=1)

        assert alerting(grafana, "shop-pipeline-failed") == set()

    def test_a_failed_check_alerts_until_it_passes(self, admin: Connection, grafana: Connection) -> None:
        operations.check(admin, "marts/kpi_daily", passed=False)
        assert alerting(grafana, "shop-pipeline-failed") == {"checks of marts/kpi_daily"}

        operations.check(admin, "marts/kpi_daily", passed=True)
        assert alerting(grafana, "shop-pipeline-failed") == set()

    def test_a_warning_does_not_alert(self, admin: Connection, grafana: Connection) -> None:
        operations.check(admin, "marts/fct_orders", passed=False, severity="warn")

        assert alerting(grafana, "shop-pipeline-failed") == set()


@pytest.mark.usefixtures("healthy_platform")
class TestMarts:
    def test_events_that_wait_longer_than_the_service_level_alert_for_the_marts_that_lack_them(
        self, admin: Connection, grafana: Connection
    ) -> None:
        operations.batches(admin, "shop.orders", count=1, newest_seconds_ago=1900)
        operations.built(admin, "marts.data_freshness")

        assert alerting(grafana, "shop-marts-stale") == {"marts.kpi_daily"}

    def test_events_that_wait_shorter_are_ok(self, admin: Connection, grafana: Connection) -> None:
        operations.batches(admin, "shop.orders", count=1, newest_seconds_ago=1700)

        assert alerting(grafana, "shop-marts-stale") == set()

    def test_a_nightly_mart_may_lack_a_day_but_not_miss_its_night(self, admin: Connection, grafana: Connection) -> None:
        admin.execute("create table if not exists marts.cohort_retention (n int)")
        operations.built(admin, "marts.cohort_retention")
        operations.batches(admin, "shop.orders", count=1, newest_seconds_ago=1900)
        operations.built(admin, "marts.data_freshness")
        operations.built(admin, "marts.kpi_daily")
        assert alerting(grafana, "shop-marts-stale") == set()

        admin.execute(
            "update ops.model_watermarks set built_at = now() - interval '27 hours'"
            " where model = 'marts.cohort_retention'"
        )
        assert alerting(grafana, "shop-marts-stale") == {"marts.cohort_retention"}
        admin.execute("drop table marts.cohort_retention")

    def test_a_silent_shop_alerts(self, admin: Connection, grafana: Connection) -> None:
        for subject in ("orders", "web"):
            operations.freshness(admin, subject, seconds_ago=1900)

        assert alerting(grafana, "shop-marts-stale") == {"events of the shop"}

    def test_one_quiet_subject_beside_a_busy_one_is_ok(self, admin: Connection, grafana: Connection) -> None:
        operations.freshness(admin, "orders", seconds_ago=1900)

        assert alerting(grafana, "shop-marts-stale") == set()

    def test_the_watermark_of_a_mart_that_no_longer_exists_is_ignored(
        self, admin: Connection, grafana: Connection
    ) -> None:
        operations.built(admin, "marts.gone")
        operations.batches(admin, "shop.orders", count=1, newest_seconds_ago=1900)
        operations.built(admin)

        assert alerting(grafana, "shop-marts-stale") == set()


@pytest.mark.usefixtures("healthy_platform")
class TestDagster:
    def test_a_dagster_of_which_no_run_ends_any_more_alerts(self, admin: Connection, grafana: Connection) -> None:
        admin.execute("update ops.pipeline_runs set ended_at = ended_at - interval '20 min'")
        assert alerting(grafana, "shop-orchestration-silent") == set(), "one round of checks may be late"

        admin.execute("update ops.pipeline_runs set ended_at = ended_at - interval '5 min'")
        assert alerting(grafana, "shop-orchestration-silent") == {"Dagster"}

        operations.run(admin, "check_ingestion", "success", minutes_ago=0)
        assert alerting(grafana, "shop-orchestration-silent") == set()
