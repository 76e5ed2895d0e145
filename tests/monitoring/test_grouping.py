"""One fault is one message: what comes of it is listed beneath, what outlasts it is told for itself."""

from __future__ import annotations

import datetime as dt
import itertools

from hypothesis import given
from hypothesis import strategies as st

from shop_platform.monitoring.grouping import GRACE, TOGETHER, Alert, plan

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
_NUMBERS = itertools.count(1)


def alert(incident, **more):
    """Return an open alert of a minute ago that nobody has told."""
    values = {
        **{"severity": "critical", "title": incident, "detail": "", "assets": [], "run_id": None, "runbook": "stale"},
        **{"cause": "", "beneath": None, "opened_at": NOW - dt.timedelta(minutes=1), "resolved_at": None},
        **{"told_at": None, "end_told_at": None},
    }
    return Alert(next(_NUMBERS), incident, **values | more)


def ago(**time):
    return NOW - dt.timedelta(**time)


def unrelated(some, others):
    return bool(set(some) & set(others))


def related(some, others):
    return True


def sent(made):
    return [(each.head.incident, sorted(a.incident for a in each.beneath), each.over) for each in made.messages]


def test_what_one_run_found_is_one_message():
    alerts = [alert(f"check:marts/{name}:unique", cause="run:1", assets=[name]) for name in "abc"]
    assert sent(plan(alerts, NOW, unrelated)) == [
        ("check:marts/a:unique", ["check:marts/b:unique", "check:marts/c:unique"], False)
    ]


def test_what_two_runs_found_in_unrelated_assets_are_two_messages():
    alerts = [alert("check:a:x", cause="run:1", assets=["a"]), alert("check:b:x", cause="run:2", assets=["b"])]
    assert len(plan(alerts, NOW, unrelated).messages) == 2


def test_checks_of_related_assets_within_a_quarter_of_an_hour_are_one_fault_whoever_found_them():
    told = alert("check:marts/a:x", assets=["a"], told_at=ago(minutes=9), opened_at=ago(minutes=10))
    soon = alert("check:marts/b:x", assets=["b"], cause="run:7")
    made = plan([told, soon], NOW, related)
    assert made.messages == [] and made.joined == [(soon, told)]
    late = alert("check:marts/b:x", assets=["b"], opened_at=told.opened_at + TOGETHER + dt.timedelta(seconds=1))
    assert sent(plan([told, late], NOW, related)) == [("check:marts/b:x", [], False)]


def test_a_failed_run_during_an_outage_is_beneath_it_and_told_for_itself_when_it_outlasts_it():
    outage = alert("service:postgres", told_at=ago(minutes=5), resolved_at=ago(minutes=2), end_told_at=ago(minutes=2))
    failed = alert("job:daily:1", cause="service:postgres")
    assert plan([outage, failed], NOW, unrelated).joined == [(failed, outage)]
    beneath = alert("job:daily:1", cause="service:postgres", beneath=outage.alert_id, told_at=NOW)
    assert plan([outage, beneath], NOW, unrelated).freed == []
    after = NOW + GRACE
    assert plan([outage, beneath], after, unrelated).freed == [beneath]
    assert sent(plan([outage, alert("job:daily:1", cause="service:postgres")], after, unrelated)) == [
        ("job:daily:1", [], False)
    ]


def test_the_outage_heads_the_message_of_what_came_of_it():
    alerts = [alert("job:ingest:1", cause="service:kafka"), alert("service:kafka")]
    assert sent(plan(alerts, NOW, unrelated)) == [("service:kafka", ["job:ingest:1"], False)]


def test_the_end_of_a_service_is_told_at_once_that_of_a_group_when_all_of_it_is_over():
    service = alert("service:ingest", told_at=ago(minutes=3), resolved_at=ago(seconds=5))
    lasting = alert("job:ingest:1", beneath=service.alert_id, told_at=ago(minutes=3))
    assert sent(plan([service, lasting], NOW, unrelated)) == [("service:ingest", [], True)]

    check = alert("check:a:x", told_at=ago(minutes=3), resolved_at=ago(seconds=5))
    other = alert("check:b:x", beneath=check.alert_id, told_at=ago(minutes=3))
    assert sent(plan([check, other], NOW, unrelated)) == []
    over = alert("check:b:x", beneath=check.alert_id, told_at=ago(minutes=3), resolved_at=ago(seconds=1))
    assert sent(plan([check, over], NOW, unrelated)) == [("check:a:x", ["check:b:x"], True)]


def test_a_halt_is_told_although_the_dead_letters_before_it_were_and_is_no_part_of_them():
    letters = alert("check:raw/web:few_dead_letters", cause="topic:web", told_at=ago(minutes=1), assets=["raw/web"])
    halt = alert("halt:shop.web:burst", cause="topic:web")
    assert sent(plan([letters, halt], NOW, unrelated)) == [("halt:shop.web:burst", [], False)]


def test_dead_letters_after_a_halt_are_beneath_it():
    halt = alert("halt:shop.web:burst", cause="topic:web")
    letters = alert("check:raw/web:few_dead_letters", cause="topic:web", assets=["raw/web"])
    assert sent(plan([letters, halt], NOW, unrelated)) == [
        ("halt:shop.web:burst", ["check:raw/web:few_dead_letters"], False)
    ]


def test_a_service_that_was_told_as_frozen_is_not_told_as_away_too():
    frozen = alert("frozen:ingest", cause="service:ingest", told_at=ago(seconds=20))
    away = alert("service:ingest")
    assert plan([frozen, away], NOW, unrelated).joined == [(away, frozen)]
    kafka = alert("frozen:kafka", cause="service:kafka", told_at=ago(seconds=20))
    waits = alert("service:ingest", cause="service:kafka")
    assert plan([kafka, waits], NOW, unrelated).joined == [(waits, kafka)]


def test_a_process_that_keeps_ending_is_told_although_a_warning_said_that_it_would_be_started_again():
    frozen = alert("frozen:dashboard", severity="warning", cause="service:dashboard", told_at=ago(minutes=2))
    ending = alert("restarting:dashboard", cause="service:dashboard")
    assert sent(plan([frozen, ending], NOW, unrelated)) == [("restarting:dashboard", [], False)]


def test_a_second_model_that_cannot_be_built_is_told_for_itself_and_both_end_for_themselves():
    first = alert("asset:marts/a", cause="run:1", assets=["a"], told_at=ago(seconds=90))
    second = alert("asset:marts/b", cause="run:2", assets=["b"])
    assert sent(plan([first, second], NOW, related)) == [("asset:marts/b", [], False)]
    together = [
        alert("asset:marts/a", cause="run:1", assets=["a"]),
        alert("asset:marts/b", cause="run:1", assets=["b"]),
    ]
    assert sent(plan(together, NOW, related)) == [("asset:marts/a", ["asset:marts/b"], False)]


def test_what_came_and_went_unheard_is_told_as_over_if_it_was_tried_to_be_told():
    tried = alert("service:kafka", resolved_at=NOW, attempts=2)
    never = alert("service:kafka", resolved_at=NOW, attempts=0)
    assert sent(plan([tried, never], NOW, unrelated)) == [("service:kafka", [], True)]


KINDS = ["service:kafka", "service:ingest", "halt:shop.web:b", "frozen:ingest", "job:daily:1", "late:marts"]


@st.composite
def situations(draw):
    """Draw alerts as they may stand after some looks: told or not, open or over, beneath one another."""
    alerts = []
    for number in range(draw(st.integers(1, 8))):
        incident = draw(st.sampled_from([*KINDS, f"check:marts/m{number}:x", f"asset:marts/m{number}"]))
        if any(each.incident == incident and each.open for each in alerts):
            continue
        told = draw(st.sampled_from([None, 1, 10, 60]))
        over = draw(st.sampled_from([None, None, 0, 5, 30]))
        heads = [each for each in alerts if each.told_at is not None and each.beneath is None]
        alerts.append(
            alert(
                incident,
                assets=[draw(st.sampled_from("abc"))],
                cause=draw(st.sampled_from(["", "run:1", "run:2", "service:kafka", "service:ingest"])),
                told_at=None if told is None else ago(minutes=told),
                opened_at=ago(minutes=draw(st.sampled_from([1, 10, 61]))),
                resolved_at=None if over is None else ago(minutes=over),
                end_told_at=ago(minutes=over) if over is not None and draw(st.booleans()) else None,
                beneath=draw(st.sampled_from([None, *(head.alert_id for head in heads)])) if told else None,
            )
        )
    return alerts


@given(situations())
def test_every_open_alert_is_told_or_beneath_one_and_nothing_is_told_twice(alerts):
    made = plan(alerts, NOW, unrelated)
    begun = [a for each in made.messages if not each.over for a in [each.head, *each.beneath]]
    begun += [a for a, _ in made.joined]
    untold = [a for a in alerts if a.told_at is None and a.open]
    assert sorted(a.alert_id for a in begun) == sorted(a.alert_id for a in untold), "each once, and only what was not"
    for message in made.messages:
        if message.over:
            assert not any(a.open for a in [message.head, *message.beneath]), "no false all-clear"
            assert message.head.end_told_at is None, "the end is told once"
    assert all(head.told_at is not None for _, head in made.joined), "nothing hides beneath what nobody heard of"
