"""The "data as of" badge: how old the newest event in the marts is, with the detail behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dash import html

from dashboard import formatting, ids
from dashboard.components.attributes import attributes
from dashboard.components.card import table
from dashboard.components.icon import icon
from dashboard.data.freshness import SERVICE_LEVEL, Freshness, Health
from dashboard.data.rows import Reconciled, SubjectFreshness

_MEANING = {
    Health.GOOD: "within the service level",
    Health.WARN: "later than the service level",
    Health.BAD: "far later than the service level",
    Health.NONE: "no events yet",
}


def freshness_badge() -> html.Details:
    """Return the badge before anything is known; the shell's callback fills label and detail."""
    return html.Details(
        [
            html.Summary(
                [html.Span(className="dot dot--none"), "Data as of …"],
                id=ids.FRESHNESS_LABEL,
                className="freshness__label",
            ),
            html.Div(id=ids.FRESHNESS_DETAIL, className="freshness__detail"),
        ],
        id=ids.FRESHNESS,
        className="freshness popup",
    )


def label(freshness: Freshness, now: datetime) -> list[object]:
    """Return the badge's text; on a narrow screen only the age remains visible."""
    if freshness.as_of is None:
        return [_dot(freshness.health), "No data yet"]
    return [
        _dot(freshness.health),
        html.Span("Data as of ", className="wide"),
        html.Span(formatting.moment(freshness.as_of, now), className="freshness__time wide"),
        html.Span(f"{formatting.age(freshness.lag_seconds)} old", className="freshness__age"),
        html.Span(f", {_MEANING[freshness.health]}", className="unseen"),
    ]


def lost_label() -> list[object]:
    """Return the badge's text while the warehouse does not answer."""
    return [_dot(Health.BAD), html.Span("No connection")]


def detail(
    freshness: Freshness,
    subjects: Sequence[SubjectFreshness],
    reconciled: Reconciled | None,
    now: datetime,
    dagster_url: str,
) -> list[object]:
    """Return what opens below the badge: the judgement, each subject, the reconciliation, where to look further."""
    minutes = int(SERVICE_LEVEL.total_seconds() // 60)
    rows = [
        [
            row.subject.capitalize(),
            "–" if row.latest_event is None else formatting.age((now - row.latest_event).total_seconds()),
            formatting.count(row.events),
            formatting.count(row.dead_letters),
        ]
        for row in subjects
    ]
    return [
        html.P(
            [
                html.Strong(f"{_MEANING[freshness.health].capitalize()}. "),
                f"The newest event in the marts should be at most {minutes} min old.",
            ],
            className="freshness__text",
        ),
        table("Freshness by subject", ["Subject", "Newest event", "Events", "Dead letters"], rows) if rows else None,
        _reconciliation(reconciled, now) if reconciled is not None else None,
        html.A(
            ["Open the asset in Dagster", icon("external")],
            href=f"{dagster_url.rstrip('/')}/assets/marts/data_freshness",
            target="_blank",
            rel="noopener noreferrer",
            className="link",
        ),
    ]


def _reconciliation(reconciled: Reconciled, now: datetime) -> html.P:
    """Say whether every event of the source is accounted for, as last checked."""
    if reconciled.holds and not reconciled.hours_off:
        health, verdict = Health.GOOD, "Every event is accounted for"
    elif reconciled.hours_off:
        health, verdict = Health.BAD, f"Hours in which events do not add up: {formatting.count(reconciled.hours_off)}"
    else:
        health, verdict = Health.BAD, "Events are not all accounted for"
    age = formatting.age((now - reconciled.checked_at).total_seconds())
    return html.P([_dot(health), f"{verdict} (checked {age} ago)."], className="freshness__text")


def _dot(health: Health) -> html.Span:
    return html.Span(className=f"dot dot--{health.value}", **attributes(aria_hidden="true"))
