"""The reconciliation by topic, partition and hour of event time: where is each produced message now?"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shop_platform.events.registry import TOPICS

Connection = psycopg.Connection[Any]

# Enough to see where a loss begins; the view ops.reconciliation has them all.
_WORST_PER_TOPIC = 10

# The hour under which a raw row ``r`` is counted; ``c`` is its partition's row of ops.ingest_hours_since, if any.
COUNTED_HOUR: LiteralString = (
    "case when c.topic is null or r.kafka_offset >= c.next_offset or r.ingested_at >= c.since"
    " then date_bin('1 hour', r.event_time, to_timestamp(0)) end"
)


@dataclass(frozen=True)
class Hour:
    """One topic, partition and hour of event time; see the view ``ops.reconciliation``.

    ``event_hour`` is ``None`` for messages whose time nobody can read. ``produced``, ``in_kafka``, ``given_up`` and
    ``read_again`` are ``None`` without a producer's ledger.
    """

    topic: str
    partition: int
    event_hour: dt.datetime | None
    produced: int | None
    in_kafka: int | None
    given_up: int | None
    read_again: int | None
    landed: int
    noted: int
    duplicates: int
    dead: int
    late: int
    difference: int

    def sentence(self) -> str:
        """Return where it is and what is wrong, for a person."""
        hour = "unknown hour" if self.event_hour is None else f"{self.event_hour.astimezone(dt.UTC):%Y-%m-%d %H:00} UTC"
        sent = "" if self.produced is None else f"{self.produced} produced, "
        faults = []
        if self.difference > 0:
            faults.append(f"{self.difference} missing")
        if self.difference < 0:
            faults.append(f"{-self.difference} more than there should be")
        if self.landed < self.noted:
            faults.append(f"{self.noted - self.landed} of {self.noted} that had landed taken out of raw")
        if self.landed > self.noted:
            faults.append(f"{self.landed - self.noted} in raw that the ingestion did not note")
        return (
            f"{self.topic}/{self.partition}, {hour}: {', '.join(faults)} ({sent}{self.landed} landed,"
            f" {self.duplicates} duplicates, {self.dead} dead)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        hour = None if self.event_hour is None else self.event_hour.astimezone(dt.UTC).isoformat()
        return asdict(self) | {"event_hour": hour}


@dataclass(frozen=True)
class Hours:
    """How many partitions and hours there are and do not add up, per topic, and the worst of those."""

    counted: dict[str, int] = field(default_factory=dict)
    off: dict[str, int] = field(default_factory=dict)
    worst: tuple[Hour, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every hour adds up."""
        return not self.off

    def as_dict(self) -> dict[str, Any]:
        """Return verdict and counts."""
        return {
            "holds": self.holds,
            "hours": sum(self.counted.values()),
            "off": sum(self.off.values()),
            "worst": [hour.as_dict() for hour in self.worst],
        }


def count_hours(connection: Connection, *, with_ledger: bool) -> None:
    """Count every message and every raw row by hour into ``reconcile_hour``.

    :func:`~shop_platform.operations.produced.load_produced` and
    :func:`~shop_platform.operations.strangers.load_strangers` come first. Replaces what an earlier call counted.
    """
    connection.execute("drop table if exists reconcile_hour")
    connection.execute(
        "create temporary table reconcile_hour (like ops.reconciliation_hours including generated) on commit drop"
    )
    connection.execute(_MEASURE, {"with_ledger": with_ledger})


def judge_hours(connection: Connection) -> Hours:
    """Say which of ``reconcile_hour`` do not add up."""
    counted = connection.execute(
        "select topic, count(*), count(*) filter (where difference <> 0 or landed <> noted)"
        " from reconcile_hour group by topic order by topic"
    ).fetchall()
    with connection.cursor(row_factory=class_row(Hour)) as cursor:
        worst = cursor.execute(_WORST, [_WORST_PER_TOPIC]).fetchall()
    return Hours(
        counted={topic: hours for topic, hours, _ in counted},
        off={topic: off for topic, _, off in counted if off},
        worst=tuple(worst),
    )


def load_rows(connection: Connection) -> None:
    """Fill ``reconcile_rows`` with the number of rows in the raw tables per topic, partition and hour (reads them all).

    With them the rows that retention removed: they have landed and are accounted for.
    Rows from before hours were counted have no hour.
    """
    counts = sql.SQL(" union all ").join(
        sql.SQL(
            "select {topic} as topic, r.kafka_partition as partition, {hour} as hour, count(*) as landed"
            " from {table} as r left join ops.ingest_hours_since as c"
            " on c.topic = {topic} and c.partition = r.kafka_partition group by 2, 3"
        ).format(topic=topic.name, hour=sql.SQL(COUNTED_HOUR), table=sql.Identifier("raw", topic.subject))
        for topic in TOPICS
    )
    connection.execute(
        sql.SQL(
            "create temporary table reconcile_rows on commit drop as {}"
            " union all select topic, partition, event_hour, rows_removed from ops.retention_hours"
        ).format(counts)
    )


def store_hours(connection: Connection) -> None:
    """Bring ``ops.reconciliation_hours`` up to what :func:`count_hours` found, touching only what changed."""
    connection.execute(
        "delete from ops.reconciliation_hours as t using"
        " (select * from ops.reconciliation_hours except select * from reconcile_hour) as old"
        " where t.topic = old.topic and t.partition = old.partition"
        # Null equals null here, in a form that can be hashed.
        " and coalesce(t.event_hour, '-infinity') = coalesce(old.event_hour, '-infinity')"
    )
    connection.execute(
        "insert into ops.reconciliation_hours (topic, partition, event_hour, produced, in_kafka, given_up, read_again,"
        " landed, noted, duplicates, dead, late)"
        " select topic, partition, event_hour, produced, in_kafka, given_up, read_again, landed, noted, duplicates,"
        " dead, late from (select * from reconcile_hour except select * from ops.reconciliation_hours) as new"
    )


_MEASURE: LiteralString = """
insert into reconcile_hour (
    topic, partition, event_hour, produced, in_kafka, given_up, read_again, landed, noted, duplicates, dead, late
)
select
    topic, partition, hour,
    case when %(with_ledger)s then sum(produced) end,
    case when %(with_ledger)s then sum(in_kafka) end,
    case when %(with_ledger)s then sum(given_up) end,
    case when %(with_ledger)s then sum(read_again) end,
    sum(landed), sum(noted), sum(duplicates), sum(dead), sum(late)
from (
    select
        topic, partition, hour,
        count(*) as produced,
        count(*) filter (where not passed) as in_kafka,
        count(*) filter (where given_up) as given_up,
        sum(read_again) as read_again,
        0 as landed, 0 as noted, 0 as duplicates, 0 as dead, 0 as late
    from reconcile_line
    group by topic, partition, hour
    union all
    -- Somebody produced them: a broken producer without a ledger is no loss.
    select topic, partition, hour, count(*), 0, 0, 0, 0, 0, 0, 0, 0
    from reconcile_foreign
    group by topic, partition, hour
    union all
    select topic, partition, event_hour, 0, 0, 0, 0, 0, landed, duplicates, dead, late from ops.ingest_hours
    union all
    select topic, partition, hour, 0, 0, 0, 0, landed, 0, 0, 0, 0 from reconcile_rows
) as counted
group by topic, partition, hour
"""

_WORST: LiteralString = """
select
    topic, partition, event_hour, produced, in_kafka, given_up, read_again, landed, noted, duplicates, dead, late,
    difference
from (
    select *, row_number() over (
        partition by topic order by abs(difference) + abs(noted - landed) desc, event_hour, partition
    ) as place
    from reconcile_hour
    where difference <> 0 or landed <> noted
) as off
where place <= %s
order by place, topic
"""
