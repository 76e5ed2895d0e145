"""Write one batch in one transaction: rows, dead letters, ledgers and offsets, or nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from psycopg import errors

from shop_platform.ingest.batch import Batch, PartitionSlice, Place, Row
from shop_platform.ingest.bury import bury
from shop_platform.ingest.content import reuse, reused_places
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.encode import from_epoch_us
from shop_platform.ingest.erase import forget, keep_apart
from shop_platform.ingest.land import REFUSALS, anything_retracted, land, land_carefully
from shop_platform.ingest.ledger import Hours, note_batch, note_hours
from shop_platform.ingest.offsets import Connection, Position, end_silent_holders, lock_positions, move_on

_CAREFUL_ATTEMPTS = 5


@dataclass(frozen=True)
class Written:
    """What one committed batch did to one partition."""

    position: Position
    messages: int
    landed: int
    duplicates: int
    dead: int
    min_event_time: dt.datetime | None
    max_event_time: dt.datetime | None


Admit = Callable[[Sequence[Written], Sequence[DeadLetter]], None]


@dataclass
class _Outcome:
    """What PostgreSQL said about the rows of one partition: events per hour that had landed before, rows refused."""

    known: Counter[int] = field(default_factory=Counter)
    refused: list[DeadLetter] = field(default_factory=list)
    refused_hours: Counter[int] = field(default_factory=Counter)


def write_batch(
    connection: Connection,
    batch: Batch,
    positions: dict[Place, Position],
    *,
    writer: str,
    admit: Admit | None = None,
) -> list[Written]:
    """Commit ``batch`` and return what it did to each partition, with the new positions.

    ``positions`` say where each partition of the batch stands. ``admit`` may look at outcome and dead letters before
    the commit and raise: then nothing is written. Raises :class:`~shop_platform.ingest.offsets.FencedOutError` (nothing
    written) when another writer moved one of the partitions.
    """
    expected = [positions[place] for place in batch.slices]
    try:
        return _transaction(connection, batch, expected, writer, admit, careful=False)
    except errors.LockNotAvailable:
        if not end_silent_holders(connection, expected):
            raise
    except (errors.UniqueViolation, errors.DeadlockDetected, *REFUSALS):
        # A repeated id that did not look like one, or a row that only PostgreSQL refuses: rare, so the usual batch
        # pays for no savepoint and no stage. A deadlock: two writers land the same ids in opposite orders.
        pass
    for _ in range(_CAREFUL_ATTEMPTS - 1):
        try:
            return _transaction(connection, batch, expected, writer, admit, careful=True)
        except errors.DeadlockDetected:
            continue
    return _transaction(connection, batch, expected, writer, admit, careful=True)


def _transaction(
    connection: Connection,
    batch: Batch,
    expected: list[Position],
    writer: str,
    admit: Admit | None,
    *,
    careful: bool,
) -> list[Written]:
    with connection.transaction():
        lock_positions(connection, expected)
        people = batch.people
        retracted = anything_retracted(connection)
        # The careful path, and the ids of retracted events, may find letters that nobody knows of yet.
        keep_apart(connection, people, letters=careful or retracted or _may_bury(batch))
        outcomes = {place: _Outcome() for place in batch.slices}
        for topic in sorted(batch.topics):
            _land_topic(connection, batch, topic, outcomes, careful=careful, retracted=retracted)
        written, letters, hours = [], [], []
        for position in expected:
            place = (position.topic, position.partition)
            part, outcome = batch.slices[place], outcomes[place]
            dead = part.dead + outcome.refused
            written.append(_written(part, outcome, position, len(dead)))
            letters += [(position, letter) for letter in dead]
            hours.append((position, _hours(part, outcome)))
        if admit is not None:
            admit(written, [letter for _, letter in letters])
        bury(connection, letters)
        forget(connection, people, [letter for _, letter in letters])
        note_batch(connection, [(p, w) for p, w in zip(expected, written, strict=True)], writer, batch.started_at)
        note_hours(connection, hours)
        move_on(connection, [done.position for done in written], writer)
    return written


def _may_bury(batch: Batch) -> bool:
    """Tell whether a batch has dead letters, or may turn out to have some (an id that is used again)."""
    if any(part.dead for part in batch.slices.values()):
        return True
    return any(rows.suspects or rows.others for rows in batch.topics.values())


def _land_topic(
    connection: Connection,
    batch: Batch,
    topic: str,
    outcomes: dict[Place, _Outcome],
    *,
    careful: bool,
    retracted: bool,
) -> None:
    rows = batch.topics[topic]
    if careful:
        known, refused = land_carefully(connection, topic, rows.rows)
        for row, letter in refused:
            outcome = outcomes[topic, letter.partition]
            outcome.refused.append(letter)
            outcome.refused_hours[row.hour] += 1
    else:
        known = land(connection, topic, rows, retracted=retracted)
    if known or rows.others:
        _judge(connection, topic, [row for row in rows.rows if row.event_id in known], rows.others, outcomes)


def _judge(
    connection: Connection, topic: str, known: list[Row], others: list[Row], outcomes: dict[Place, _Outcome]
) -> None:
    """Count rows whose event has landed as repetitions, and bury those that say something else than it.

    ``known`` had landed before. ``others`` differ from a row of the batch that bears their id; where that one has just
    landed, they differ from what has landed.
    """
    rows = [*known, *others]
    reused = reused_places(connection, topic, rows)
    for place, row in enumerate(rows):
        outcome = outcomes[topic, row.message.partition()]
        if place in reused:
            outcome.refused.append(reuse(row.message, row.event))
            outcome.refused_hours[row.hour] += 1
        else:
            outcome.known[row.hour] += 1


def _written(part: PartitionSlice, outcome: _Outcome, position: Position, dead: int) -> Written:
    duplicates = part.duplicates + outcome.known.total()
    return Written(
        position=replace(position, next_offset=part.next_offset, watermark_us=part.watermark_us),
        messages=part.messages,
        landed=part.messages - duplicates - dead,
        duplicates=duplicates,
        dead=dead,
        min_event_time=None if part.min_time_us is None else from_epoch_us(part.min_time_us),
        max_event_time=None if part.max_time_us is None else from_epoch_us(part.max_time_us),
    )


def _hours(part: PartitionSlice, outcome: _Outcome) -> Hours:
    repeated = part.repeated + outcome.known
    landed = part.seen - repeated - outcome.refused_hours if repeated or outcome.refused_hours else part.seen
    dead: Counter[int | None] = Counter(letter.hour for letter in part.dead)
    dead.update(letter.hour for letter in outcome.refused)
    return Hours(landed=landed, duplicates=repeated, dead=dead, late=part.late)
