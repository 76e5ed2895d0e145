"""How many of the last day's messages wait as dead letters: of each topic, and of each source and type in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from shop_platform.events.registry import EVENT_TYPES, TOPIC_BY_NAME
from shop_platform.orchestration import names

# Of a busy topic the newest events are looked at: what breaks now is among them, and the look stays below seconds.
_MOST_EVENTS = 500_000

_TOPICS: LiteralString = """
select read.topic, read.messages, coalesce(waiting.letters, 0), coalesce(waiting.most, 0), read.since
from (
    select topic, sum(messages)::bigint as messages, min(_xid)::text as since from ops.ingest_batches
    where committed_at > now() - interval '24 hours' group by topic
) as read
left join (
    -- Written out as the index on what waits has it.
    select topic, sum(letters)::bigint as letters, max(letters) as most
    from (
        select topic, count(*) as letters from ops.dead_letters
        where status in ('open', 'fixed') and status = 'open' and received_at > now() - interval '24 hours'
        group by topic, source, event_type
    ) as of_one
    group by topic
) as waiting using (topic)
"""
_PRODUCERS: LiteralString = """
with recent as materialized (
    select source, event_type, _xid from {table} where _xid >= %(since)s::xid8 order by _xid desc limit %(most)s
),
stretch as (
    select case when count(*) < %(most)s then %(since)s::xid8 else min(_xid) end as since from recent
)
select source, event_type, 0 as dead, count(*) as landed from recent group by source, event_type
union all
select source, event_type, count(*), 0
from ops.dead_letters
where status in ('open', 'fixed') and status = 'open' and received_at > now() - interval '24 hours'
    and topic = %(topic)s and event_type is not null and _xid >= (select s.since from stretch as s)
group by source, event_type
"""


@dataclass(frozen=True)
class ProducerShare:
    """What one source sends of one type: how many landed or wait. ``source`` is ``None`` where nobody can read it."""

    source: str | None
    event_type: str
    messages: int
    dead: int

    @property
    def share(self) -> float:
        """Dead letters per message, 0 to 1."""
        return self.dead / self.messages

    @property
    def fails(self) -> bool:
        """Whether somebody is called: most of a type of the contract. An unknown type is a stranger's, or too new."""
        return self.share >= names.DEAD_SHARE_OF_TYPE_ERROR and self.event_type in EVENT_TYPES

    def sentence(self) -> str:
        """Return it for the check's message."""
        return f"{self.dead} of {self.messages} {self.event_type} from {self.source or 'an unreadable source'}"


@dataclass(frozen=True)
class Waiting:
    """The last day of one topic; ``producers`` are those of whose messages too many wait, the worst first."""

    messages: int = 0
    dead: int = 0
    producers: tuple[ProducerShare, ...] = ()

    @property
    def share(self) -> float:
        """Dead letters per message, 0 to 1."""
        return self.dead / self.messages if self.messages else 0.0

    @property
    def holds(self) -> bool:
        """Whether few enough wait."""
        return self.share < names.DEAD_SHARE_WARN and not self.producers

    @property
    def calls(self) -> bool:
        """Whether so many wait that somebody is called."""
        return self.share > names.DEAD_SHARE_ERROR or any(each.fails for each in self.producers)


def waiting(connection: psycopg.Connection[Any]) -> dict[str, Waiting]:
    """Return, by subject, what waits of each topic that was read in the last day."""
    found = {}
    for topic, messages, dead, most, since in connection.execute(_TOPICS).fetchall():
        if str(topic) not in TOPIC_BY_NAME:
            continue
        # Nothing can be too much of one producer's: raw is not looked at.
        rows = _rows(connection, str(topic), str(since)) if int(most) >= names.DEAD_LETTERS_FEW else []
        found[TOPIC_BY_NAME[str(topic)].subject] = Waiting(int(messages), int(dead), tuple(too_many(rows)))
    return found


def _rows(connection: psycopg.Connection[Any], topic: str, since: str) -> list[tuple[Any, ...]]:
    query = sql.SQL(_PRODUCERS).format(table=sql.Identifier("raw", TOPIC_BY_NAME[topic].subject))
    return connection.execute(query, {"topic": topic, "since": since, "most": _MOST_EVENTS}).fetchall()


def too_many(rows: Iterable[tuple[Any, ...]]) -> list[ProducerShare]:
    """Return the producers of whose messages too many wait, of (source, type, dead, landed); the worst first (pure)."""
    dead, landed = Counter[tuple[str | None, str]](), Counter[tuple[str | None, str]]()
    for source, event_type, waits, arrived in rows:
        dead[source, event_type] += waits
        landed[source, event_type] += arrived
        if source is not None:  # whose source nobody can read is compared with all that landed of the type
            landed[None, event_type] += arrived
    found = [ProducerShare(*key, landed[key] + count, count) for key, count in dead.items()]
    return sorted(
        (each for each in found if each.dead >= names.DEAD_LETTERS_FEW and each.share >= names.DEAD_SHARE_OF_TYPE_WARN),
        key=lambda each: (-each.share, -each.dead, each.event_type, each.source or ""),
    )
