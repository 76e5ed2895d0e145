"""The badge's judgement: green within the service level, amber above it, red far above it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dashboard.components.freshness import detail
from dashboard.data.freshness import Health, judge
from dashboard.data.rows import Reconciled, SubjectFreshness

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))


def _subject(age: timedelta | None) -> SubjectFreshness:
    return SubjectFreshness("web", 1, 0, None if age is None else (NOW - age).astimezone(UTC), None)


@pytest.mark.parametrize(
    ("seconds", "health"),
    [(0, Health.GOOD), (300, Health.GOOD), (301, Health.WARN), (900, Health.WARN), (901, Health.BAD)],
)
def test_the_lag_is_judged_against_five_minutes(seconds: int, health: Health):
    assert judge([_subject(timedelta(seconds=seconds))], NOW).health is health


def test_the_newest_subject_counts():
    judged = judge([_subject(timedelta(days=3)), _subject(timedelta(seconds=4)), _subject(None)], NOW)
    assert (judged.health, judged.lag_seconds) == (Health.GOOD, 4)


def test_the_moment_is_told_in_the_time_zone_of_the_shop():
    judged = judge([_subject(timedelta(0))], NOW)
    assert judged.as_of is not None
    assert f"{judged.as_of:%H:%M}" == "15:30"


def test_no_events_are_neither_fresh_nor_late():
    assert judge([], NOW).health is Health.NONE


def test_an_event_from_the_future_has_no_negative_age():
    assert judge([_subject(timedelta(hours=-1))], NOW).lag_seconds == 0


@pytest.mark.parametrize(
    ("reconciled", "said"),
    [
        (Reconciled(NOW - timedelta(minutes=3), True, 0), "Every event is accounted for (checked 3 min ago)."),
        (
            Reconciled(NOW - timedelta(minutes=3), True, 2),
            "Hours in which events do not add up: 2 (checked 3 min ago).",
        ),
        (Reconciled(NOW - timedelta(minutes=3), False, 0), "Events are not all accounted for (checked 3 min ago)."),
    ],
)
def test_the_detail_says_whether_every_event_is_accounted_for(reconciled: Reconciled, said: str):
    assert said in str(detail(judge([], NOW), [], reconciled, NOW, "http://dagster"))
    assert "checked" not in str(detail(judge([], NOW), [], None, NOW, "http://dagster"))
