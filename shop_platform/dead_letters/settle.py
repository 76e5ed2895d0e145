"""Write what became of letters, their record and the ledger by hour, in the caller's transaction."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from psycopg import sql

from shop_platform.dead_letters.audit import Action, record
from shop_platform.dead_letters.letters import Letter
from shop_platform.events.decode import ContractViolation
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.bury import printable
from shop_platform.ingest.land import raw_table
from shop_platform.ingest.ledger import Hours, note_hours
from shop_platform.ingest.offsets import Connection, Position

_PlaceKey = tuple[str, str, int, int]


class Settled(NamedTuple):
    """A letter whose event is in raw: under which id, and the hour of that event's time."""

    letter: Letter
    event_id: uuid.UUID
    hour: int


@dataclass
class Outcomes:
    """What was found out about a page of letters; ``duplicates`` had landed before."""

    landed: list[Settled] = field(default_factory=list)
    duplicates: list[Settled] = field(default_factory=list)
    invalid: list[tuple[Letter, ContractViolation]] = field(default_factory=list)


def lock_places(connection: Connection, letters: Sequence[Letter]) -> None:
    """Lock the offset rows of the letters' partitions, in the order in which the ingestion locks them.

    Whoever holds them may write to raw and to the ledger by hour without meeting the ingestion in a deadlock.
    """
    places = sorted({(letter.topic_id, letter.partition) for letter in letters})
    connection.execute(
        "select from ops.ingest_offsets where (topic_id, partition) in (select * from unnest(%s::text[], %s::int[]))"
        " order by topic_id, partition for update",
        [[topic_id for topic_id, _ in places], [partition for _, partition in places]],
    )


def landed_hours(connection: Connection, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return those of ``ids`` that are in any raw table, with the hour of the event's time.

    Any table: an event that was sent to the wrong topic may have been sent again to the right one.
    """
    if not ids:
        return {}
    query = sql.SQL(" union all ").join(
        sql.SQL(
            "select event_id, floor(extract(epoch from event_time) / 3600)::bigint from {}"
            " where event_id = any(%(ids)s)"
        ).format(raw_table(topic.name))
        for topic in TOPICS
    )
    return dict(connection.execute(query, {"ids": list(ids)}).fetchall())


def settle(connection: Connection, actor: str, action: str, outcomes: Outcomes, *, reason: str | None = None) -> None:
    """Write ``outcomes``: states, reasons, one line of record per letter, and the counts per hour."""
    actions = []
    for outcome, letters in (("landed", outcomes.landed), ("duplicate", outcomes.duplicates)):
        if letters:
            connection.execute(
                "update ops.dead_letters as d set status = 'replayed', outcome = %s, event_id = n.event_id"
                " from unnest(%s::bigint[], %s::uuid[]) as n (dead_letter_id, event_id)"
                " where d.dead_letter_id = n.dead_letter_id",
                [outcome, [each.letter.id for each in letters], [each.event_id for each in letters]],
            )
        actions += [
            Action(each.letter.id, action, outcome, reason, {"event_id": str(each.event_id)}) for each in letters
        ]
    actions += [
        Action(letter.id, action, "still_invalid", reason, _change(letter, violation))
        for letter, violation in outcomes.invalid
    ]
    _note_reasons(connection, outcomes.invalid)
    record(connection, actor, sorted(actions, key=lambda each: each.letter_id))
    _move_hours(connection, outcomes)


def _change(letter: Letter, violation: ContractViolation) -> dict[str, object]:
    """Return the reason that changed, old and new; nothing when it is the same."""
    old = (letter.error_class, letter.error, letter.schema_path)
    new = (violation.error_class.value, printable(str(violation)), printable(violation.path))
    if old == new and letter.status == "open":
        return {}
    names = ("error_class", "error", "schema_path")
    return {"was": dict(zip(names, old, strict=True)), "is": dict(zip(names, new, strict=True))}


def _note_reasons(connection: Connection, invalid: Sequence[tuple[Letter, ContractViolation]]) -> None:
    changed = [(letter, violation) for letter, violation in invalid if _change(letter, violation)]
    if not changed:
        return
    connection.execute(
        "update ops.dead_letters as d set status = 'open', error_class = n.error_class, error = n.error,"
        " schema_path = n.schema_path, event_type = coalesce(n.event_type, d.event_type)"
        " from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " as n (dead_letter_id, error_class, error, schema_path, event_type)"
        " where d.dead_letter_id = n.dead_letter_id",
        [
            [letter.id for letter, _ in changed],
            [violation.error_class.value for _, violation in changed],
            [printable(str(violation)) for _, violation in changed],
            [printable(violation.path) for _, violation in changed],
            [printable(violation.event_type) for _, violation in changed],
        ],
    )


def _move_hours(connection: Connection, outcomes: Outcomes) -> None:
    """Move each settled letter from the dead of its own hour to the landed or duplicates of its event's hour."""
    moved: dict[_PlaceKey, Hours] = defaultdict(lambda: Hours(Counter(), Counter(), Counter(), Counter()))
    for letters, landed in ((outcomes.landed, True), (outcomes.duplicates, False)):
        for letter, _, hour in letters:
            counts = moved[letter.topic_id, letter.topic, letter.partition, letter.incarnation]
            counts.dead[letter.hour] -= 1
            (counts.landed if landed else counts.duplicates)[hour] += 1
    note_hours(
        connection,
        [
            (Position(topic, partition, topic_id, 0, incarnation), counts)
            for (topic_id, topic, partition, incarnation), counts in sorted(moved.items())
        ],
    )
