"""One thing that is wrong: what it is called for as long as it lasts, and what it comes of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

CRITICAL, WARNING = "critical", "warning"

SERVICE, HALT, CHECK, ASSET, JOB, LATE, BLOCKER, FROZEN, RESTARTING = (
    *("service", "halt", "check", "asset", "job"),
    *("late", "blocker", "frozen", "restarting"),
)
# What the rows of the marts show: one wrong order fails checks of many assets.
OF_DATA = frozenset({CHECK, ASSET})


@dataclass(frozen=True)
class Incident:
    """One thing that is wrong.

    ``key`` (``<kind>:<subject>``) names what is broken, not who found it. ``cause`` is the key of the incident that
    this one comes of, or a name that those share which were found together (``run:<id>``). ``since`` is when it was
    found, ``None``: now. ``runbook`` is a page of ``docs/runbooks``.
    """

    key: str
    severity: str
    title: str
    detail: str
    runbook: str
    cause: str = ""
    assets: tuple[str, ...] = ()
    run_id: str | None = None
    since: dt.datetime | None = None
    tentative: bool = False
    """Whether it may pass by itself in a moment: it is not opened yet, and stays open if it is."""


def key(kind: str, *subject: object) -> str:
    """Return the key of an incident."""
    return ":".join([kind, *map(str, subject)])


def kind_of(incident_key: str) -> str:
    """Return the first part of a key."""
    return incident_key.partition(":")[0]
