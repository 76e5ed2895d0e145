"""Which dead letters a command is about: by id, or by what they have in common."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from shop_platform.dead_letters.letters import RETRACTED, WAITING
from shop_platform.errors import ShopError
from shop_platform.events.decode import ErrorClass
from shop_platform.events.registry import TOPIC_BY_NAME, TOPICS

STATUSES = ("open", "fixed", "replayed", "discarded", "retracted")
_ANY = "all"
NOBODY = "-"
"""As lists write a source or a type that nobody can read."""
_AGO = re.compile(r"^(\d{1,6})([mhd])$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Selection:
    """Conditions that a letter must all meet; none: every letter in one of ``statuses``."""

    ids: tuple[int, ...] = ()
    statuses: tuple[str, ...] = WAITING
    topic: str | None = None
    error_class: str | None = None
    event_type: str | None = None
    schema_path: str | None = None
    source: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing but the status restricts it."""
        parts = (self.topic, self.error_class, self.event_type, self.schema_path, self.source, self.since, self.until)
        return not self.ids and all(part is None for part in parts)

    def condition(self) -> tuple[sql.Composed, dict[str, Any]]:
        """Return the SQL condition and its parameters."""
        # Written out, because an index `where status in (...)` does not serve a parameter.
        parts: list[sql.Composable] = [
            sql.SQL("status in ({})").format(sql.SQL(", ").join(map(sql.Literal, self.statuses)))
        ]
        parameters: dict[str, Any] = {}
        if self.ids:
            parts.append(sql.SQL("dead_letter_id = any(%(ids)s)"))
            parameters["ids"] = list(self.ids)
        if self.since is not None:
            parts.append(sql.SQL("received_at >= %(since)s"))
            parameters["since"] = self.since
        if self.until is not None:
            parts.append(sql.SQL("received_at < %(until)s"))
            parameters["until"] = self.until
        for column in ("topic", "error_class", "event_type", "schema_path", "source"):
            value = getattr(self, column)
            if value == NOBODY and column in {"event_type", "source"}:
                parts.append(sql.SQL("{} is null").format(sql.Identifier(column)))
            elif value is not None:
                parts.append(sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)))
                parameters[column] = value
        return sql.SQL(" and ").join(parts), parameters


def select(
    *,
    ids: Collection[int] = (),
    topic: str | None = None,
    error_class: str | None = None,
    event_type: str | None = None,
    schema_path: str | None = None,
    source: str | None = None,
    since: str | None = None,
    until: str | None = None,
    status: str | None = None,
    now: dt.datetime | None = None,
) -> Selection:
    """Return the selection that a person typed; raise :class:`ShopError` naming a word that means nothing.

    ``status`` defaults to the letters that wait for somebody: open and fixed ones.
    """
    if status is None:
        statuses: tuple[str, ...] = WAITING
    else:
        statuses = STATUSES if status == _ANY else (_one_of("status", status, [*STATUSES, _ANY]),)
    if topic is not None:
        topic = topic_name(topic)
    if error_class is not None:
        error_class = _one_of("error class", error_class, [*(each.value for each in ErrorClass), RETRACTED])
    return Selection(
        tuple(sorted(set(ids))),
        statuses,
        topic,
        error_class,
        event_type,
        schema_path,
        source,
        moment(since, now),
        moment(until, now),
    )


def topic_name(word: str) -> str:
    """Return the name of a topic that a person may have written without `shop.`."""
    named = {subject.subject: subject.name for subject in TOPICS}
    return _one_of("topic", named.get(word, word), sorted(TOPIC_BY_NAME))


def _one_of(what: str, word: str, known: Collection[str]) -> str:
    if word not in known:
        raise ShopError(f"'{word}' is not a known {what}", f"One of: {', '.join(known)}.")
    return word


def moment(text: str | None, now: dt.datetime | None = None) -> dt.datetime | None:
    """Return the moment that a person typed, or so long before ``now``; UTC when it names no zone."""
    if text is None:
        return None
    try:
        if match := _AGO.match(text):
            return (now or dt.datetime.now(dt.UTC)) - dt.timedelta(**{_UNITS[match[2]]: int(match[1])})
        told = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ShopError(
            f"'{text}' is not a time",
            "Write it like 2026-11-22T10:00:00Z (UTC), or 30m, 24h, 7d for the time until now.",
        ) from None
    return told if told.tzinfo else told.replace(tzinfo=dt.UTC)
