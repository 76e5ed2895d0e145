"""Which incidents are told in one message: one fault is one message, with what comes of it listed beneath.

Pure: a decision about the open and the just ended alerts, made anew at each look.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shop_platform.monitoring.incident import (
    ASSET,
    BLOCKER,
    CRITICAL,
    FROZEN,
    HALT,
    OF_DATA,
    RESTARTING,
    SERVICE,
    kind_of,
)

# How long what comes of an incident may outlast it before it is told for itself: the next runs may make up for it.
GRACE = dt.timedelta(minutes=3)
# What shows in the rows of related assets within this time is taken for one fault.
TOGETHER = dt.timedelta(minutes=15)

# The end of these is told at once; what came of them follows by itself.
_ENDS_ALONE = {SERVICE, HALT, BLOCKER, FROZEN, RESTARTING}
# How a service that is away may show itself before it is found to be.
_SIGNS = {FROZEN, RESTARTING}

Related = Callable[[Sequence[str], Sequence[str]], bool]


@dataclass(frozen=True)
class Alert:
    """A row of ``ops.alerts``: an incident from its beginning to its end, and whether it was told."""

    alert_id: int
    incident: str
    severity: str
    title: str
    detail: str
    assets: list[str]
    run_id: str | None
    runbook: str
    cause: str
    beneath: int | None
    opened_at: dt.datetime
    resolved_at: dt.datetime | None
    told_at: dt.datetime | None
    end_told_at: dt.datetime | None
    attempts: int = 0
    next_attempt_at: dt.datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is still wrong."""
        return self.resolved_at is None


@dataclass
class Message:
    """One message: the beginning of ``head`` with those ``beneath`` it, or the end of all of them."""

    head: Alert
    beneath: list[Alert] = field(default_factory=list)
    over: bool = False


@dataclass
class Plan:
    """What is to be sent, and what needs no message of its own: ``joined`` are (alert, head) of a told message."""

    messages: list[Message] = field(default_factory=list)
    joined: list[tuple[Alert, Alert]] = field(default_factory=list)
    ended: list[Alert] = field(default_factory=list)
    freed: list[Alert] = field(default_factory=list)


def plan(alerts: Sequence[Alert], now: dt.datetime, related: Related) -> Plan:
    """Decide what is to be told of ``alerts``: all that are open, and those that ended lately or without a word."""
    made = Plan()
    members: dict[int, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.beneath is not None:
            members[alert.beneath].append(alert)
    by_id = {alert.alert_id: alert for alert in alerts}
    heads = [alert for alert in alerts if alert.told_at is not None and alert.beneath is None]
    _begin(made, alerts, heads, members, now, related)
    for head in heads:
        mine = members[head.alert_id]
        if head.open or head.end_told_at is not None:
            continue
        if kind_of(head.incident) in _ENDS_ALONE or not any(alert.open for alert in mine):
            made.messages.append(Message(head, [alert for alert in mine if not alert.open], over=True))
    for alert in alerts:
        if alert.beneath is None:
            # It came and went while the webhook was away: told once, as over.
            if not alert.open and alert.told_at is None and alert.end_told_at is None and alert.attempts:
                made.messages.append(Message(alert, over=True))
            continue
        above = by_id.get(alert.beneath)
        if not alert.open:
            if alert.end_told_at is None and (above is None or above.end_told_at is not None):
                made.ended.append(alert)
        elif above is None or (not above.open and not _recent(above, now)):
            made.freed.append(alert)
    return made


def _begin(
    made: Plan,
    alerts: Sequence[Alert],
    heads: list[Alert],
    members: dict[int, list[Alert]],
    now: dt.datetime,
    related: Related,
) -> None:
    """Give each alert that was not told a message: an old one's, one of this look, or its own."""
    fresh: list[Message] = []
    untold = [alert for alert in alerts if alert.told_at is None and alert.open]
    causes = {alert.cause for alert in untold}

    def first_what_others_come_of(alert: Alert) -> tuple[object, ...]:
        of_data = kind_of(alert.incident) in OF_DATA
        return alert.incident not in causes, of_data, alert.severity != CRITICAL, alert.opened_at, alert.incident

    for alert in sorted(untold, key=first_what_others_come_of):
        told = next(
            (
                head
                for head in heads
                if _belongs(alert, head, now, related)
                and not _is_news(alert, head)
                # What is over says nothing of what comes after it, but for what came of it.
                and (head.open or alert.cause == head.incident or any(each.open for each in members[head.alert_id]))
            ),
            None,
        )
        if told is not None:
            made.joined.append((alert, told))
            continue
        message = next((each for each in fresh if _belongs(alert, each.head, now, related)), None)
        if message is not None:
            message.beneath.append(alert)
        else:
            fresh.append(Message(alert))
    made.messages.extend(fresh)


def _belongs(alert: Alert, head: Alert, now: dt.datetime, related: Related) -> bool:
    kind, above = kind_of(alert.incident), kind_of(head.incident)
    if alert.cause == head.incident or (above in _SIGNS and head.cause in {alert.incident, alert.cause}):
        return head.open or _recent(head, now)
    # A halt is told although the dead letters before it were.
    if kind in OF_DATA and alert.cause and alert.cause == head.cause:
        return True
    if kind in OF_DATA and above in OF_DATA:
        return abs(alert.opened_at - head.opened_at) <= TOGETHER and related(alert.assets, head.assets)
    return False


def _is_news(alert: Alert, head: Alert) -> bool:
    """Tell whether who has read the message of ``head`` would learn something of ``alert`` that he has to act on.

    A second model that cannot be built has to be corrected too, and a process that keeps ending does not come up by
    itself, as a warning may have said.
    """
    kind = kind_of(alert.incident)
    return (kind == ASSET and alert.cause != head.incident) or (kind == RESTARTING and head.severity != CRITICAL)


def _recent(head: Alert, now: dt.datetime) -> bool:
    return head.resolved_at is not None and now - head.resolved_at < _grace(head)


def _grace(head: Alert) -> dt.timedelta:
    return TOGETHER if kind_of(head.incident) in OF_DATA else GRACE
