"""Which landed events a command is about: by id, or by what they have in common."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from shop_platform.dead_letters.selection import moment, topic_name
from shop_platform.errors import ShopError
from shop_platform.events.registry import EVENT_TYPES, TOPICS

# What surrounds an id that was copied from a document: quotes and commas, the braces and the URN of other tools.
_AROUND_AN_ID = re.compile(r"""[\s"',]*(?:urn:uuid:)?(\{)?([^\s"',{}]+)(?(1)\})[\s"',]*""", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Selection:
    """Conditions that an event must all meet; ``since`` and ``until`` are about the time in the event.

    ``topic`` (``shop.web``) goes with ids, too: one id may have landed in two topics, as two events.
    """

    ids: tuple[uuid.UUID, ...] = ()
    topic: str | None = None
    source: str | None = None
    event_type: str | None = None
    subject: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing restricts it."""
        parts = (self.topic, self.source, self.event_type, self.subject, self.since, self.until)
        return not self.ids and all(part is None for part in parts)

    @property
    def topics(self) -> tuple[str, ...]:
        """The subjects of the topics whose tables may hold such events."""
        return tuple(
            topic.subject
            for topic in TOPICS
            if (self.topic is None or topic.name == self.topic)
            and (self.event_type is None or any(_is(kind.name, self.event_type) for kind in topic.event_types))
        )

    def condition(self) -> tuple[sql.Composed, dict[str, Any]]:
        """Return the SQL condition on a raw row and its parameters."""
        parts: list[sql.Composable] = [sql.SQL("true")]
        parameters: dict[str, Any] = {}
        if self.ids:
            parts.append(sql.SQL("event_id = any(%(ids)s)"))
            parameters["ids"] = list(self.ids)
        if self.event_type is not None:
            parts.append(sql.SQL("(event_type = %(type)s or starts_with(event_type, %(type)s || '.v'))"))
            parameters["type"] = self.event_type
        for column in ("source", "subject"):
            if (value := getattr(self, column)) is not None:
                parts.append(sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)))
                parameters[column] = value
        if self.since is not None:
            parts.append(sql.SQL("event_time >= %(since)s"))
            parameters["since"] = self.since
        if self.until is not None:
            parts.append(sql.SQL("event_time < %(until)s"))
            parameters["until"] = self.until
        return sql.SQL(" and ").join(parts), parameters

    def retracted(self) -> tuple[sql.Composed, dict[str, Any]]:
        """Return the SQL condition on a row of ``ops.retractions`` that stands, and its parameters."""
        condition, parameters = self.condition()
        parts: list[sql.Composable] = [sql.SQL("restored_at is null"), condition]
        if self.topic is not None:
            parts.append(sql.SQL("topic = %(topic)s"))
            parameters["topic"] = self.topic
        return sql.SQL(" and ").join(parts), parameters


def _is(kind: str, wanted: str) -> bool:
    return kind == wanted or kind.startswith(f"{wanted}.v")


def select(
    *,
    ids: Collection[str] = (),
    topic: str | None = None,
    source: str | None = None,
    event_type: str | None = None,
    subject: str | None = None,
    since: str | None = None,
    until: str | None = None,
    now: dt.datetime | None = None,
) -> Selection:
    """Return the selection that a person typed; raise :class:`ShopError` naming a word that means nothing.

    A type may be told without `shop.` and without its version: all versions are meant then.
    """
    if event_type is not None:
        event_type = event_type if event_type.startswith("shop.") else f"shop.{event_type}"
        if not any(_is(kind, event_type) for kind in EVENT_TYPES):
            names = sorted({kind.removeprefix("shop.").rpartition(".v")[0] for kind in EVENT_TYPES})
            raise ShopError(f"'{event_type}' is not a type of event", f"One of: {', '.join(names)}.")
    found = Selection(
        tuple(dict.fromkeys(_id(text) for text in ids)),
        None if topic is None else topic_name(topic),
        source,
        event_type,
        subject,
        moment(since, now),
        moment(until, now),
    )
    if found.is_everything:
        raise ShopError(
            "Nothing says which events are meant",
            "Name their ids, or say --topic, --source, --type, --subject, --since or --until.",
        )
    if found.ids and found != Selection(found.ids, found.topic):
        raise ShopError(
            "Ids and a query do not go together", "Name the ids (--topic may go with them), or describe the events."
        )
    return found


def _id(text: str) -> uuid.UUID:
    told = _AROUND_AN_ID.fullmatch(text)
    if told is None or not _UUID.fullmatch(told[2]):
        raise ShopError(
            f"'{text}' is not the id of an event",
            "An id is a UUID, such as 019aa6b4-7c1e-7d3a-9f2e-5b1c0d4e8a77. Dead letters are numbered, and are shown by"
            " `shop dead-letters show`.",
        )
    return uuid.UUID(told[2])
