"""Sort polled messages into rows and dead letters, counted per partition and hour of event time (pure)."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from shop_platform.events.apart import is_telling, named_customer, take_apart
from shop_platform.events.decode import CONTRACT, Contract, ContractViolation, Event
from shop_platform.events.personal import Owner, Treatment
from shop_platform.ingest.content import is_repetition
from shop_platform.ingest.dead import DeadLetter, Message, dead_letter, readable_headers
from shop_platform.ingest.encode import EXACT_SECONDS, copy_tuple, epoch_us, personal_tuple

Place = tuple[str, int]
"""Topic and partition."""

LATE_AFTER_US = 3600 * 1_000_000
_HOUR_US = 3600 * 1_000_000
# A clock that runs ahead must not make everything after it late.
_FUTURE_US = 300 * 1_000_000


class Row(NamedTuple):
    """A valid event: its id (16 bytes), its COPY tuple, the hour of its event time and the message it came in.

    ``personal`` is the COPY tuple of its personal fields, which the other one lacks.
    """

    event_id: bytes
    copy: bytes
    hour: int
    event: Event
    message: Message
    personal: bytes | None = None


@dataclass
class PartitionSlice:
    """What one batch holds of one partition: ``messages = landing rows + duplicates + len(dead)`` + its others.

    ``seen`` counts valid events per hour (hours since 1970), ``repeated`` those of them that repeat an id of the same
    batch, ``late`` those more than an hour behind the ``watermark_us`` (newest event time, microseconds since 1970).
    ``max_time_us`` and ``watermark_us`` leave out clocks that run ahead: freshness must not be taken from them.
    """

    topic: str
    partition: int
    next_offset: int = 0
    messages: int = 0
    duplicates: int = 0
    dead: list[DeadLetter] = field(default_factory=list)
    seen: Counter[int] = field(default_factory=Counter)
    repeated: Counter[int] = field(default_factory=Counter)
    late: Counter[int] = field(default_factory=Counter)
    min_time_us: int | None = None
    max_time_us: int | None = None
    watermark_us: int = 0
    top_id: bytes = b""


@dataclass
class People:
    """Who events are about, for the sake of those who ask to be forgotten.

    ``erased`` customers ask for it here, ``named`` ones are mentioned together with something personal or a session,
    ``searching`` are sessions and ``ordering`` orders with something personal, such as search words.
    """

    erased: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    searching: set[str] = field(default_factory=set)
    ordering: set[str] = field(default_factory=set)

    def of(self, owner: Owner | None) -> set[str]:
        """Return the subjects with something personal that are an ``owner``."""
        return self.named if owner is Owner.CUSTOMER else self.ordering if owner is Owner.ORDER else self.searching

    def add(self, other: People) -> None:
        """Add those of ``other``."""
        self.erased |= other.erased
        self.named |= other.named
        self.searching |= other.searching
        self.ordering |= other.ordering

    def __bool__(self) -> bool:
        return bool(self.erased or self.named or self.searching or self.ordering)


@dataclass
class TopicRows:
    """The rows of one topic in a batch, unique by id, column by column: a batch has tens of thousands.

    ``suspects`` are the ids that may have landed before, ``unique`` are all ids. ``personal`` holds, for the few rows
    with personal fields, by partition and offset, the id and the COPY tuple of these fields. ``others`` bear an id of
    the batch and say something else: whether they repeat what has landed only PostgreSQL knows.
    """

    ids: list[bytes] = field(default_factory=list)
    copies: list[bytes] = field(default_factory=list)
    hours: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    suspects: list[bytes] = field(default_factory=list)
    unique: set[bytes] = field(default_factory=set)
    personal: dict[tuple[int, int], tuple[bytes, bytes]] = field(default_factory=dict)
    others: list[Row] = field(default_factory=list)
    people: People = field(default_factory=People)

    @property
    def rows(self) -> list[Row]:
        """The same, row by row."""
        columns = (self.ids, self.copies, self.hours, self.events, self.messages)
        rows = [Row(*row) for row in zip(*columns, strict=True)]
        if not self.personal:
            return rows
        nothing = (b"", None)
        return [
            row._replace(personal=self.personal.get((row.message.partition(), row.message.offset()), nothing)[1])
            for row in rows
        ]


@dataclass
class Batch:
    """Everything one transaction is to write."""

    slices: dict[Place, PartitionSlice] = field(default_factory=dict)
    topics: dict[str, TopicRows] = field(default_factory=dict)
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def messages(self) -> int:
        """How many messages the batch holds."""
        return sum(part.messages for part in self.slices.values())

    @property
    def people(self) -> People:
        """Who the batch is about."""
        people = People()
        for rows in self.topics.values():
            people.add(rows.people)
        return people


class Mark(NamedTuple):
    """What is known of a partition before a batch: where it goes on, its watermark, the highest id read (16 bytes)."""

    next_offset: int = 0
    watermark_us: int = 0
    top_id: bytes = b""


def id_ceiling(now_us: int) -> bytes:
    """Return the 16 bytes above every version 7 id that a clock which is right can have made by now."""
    return ((now_us + _FUTURE_US) // 1000).to_bytes(6, "big") + bytes(10)


def sort_messages(
    messages: Iterable[Message],
    marks: Mapping[Place, Mark],
    *,
    contract: Contract = CONTRACT,
    now_us: int | None = None,
) -> Batch:
    """Decode every message once; a repeated id within the batch is counted as a duplicate.

    Messages of a partition must come in offset order; those before its mark, and those of partitions without one, are
    left out. An id that lies above all ids the partition has shown in earlier batches (version 7
    ids grow with time) is taken for new, any other is a suspect: PostgreSQL is asked about suspects before the COPY,
    and has the last word about all.
    """
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    batch = Batch()
    topic, partition = "", -1
    run: list[Message] = []
    for message in messages:
        if message.partition() != partition or message.topic() != topic:
            _sort_run(batch, (topic, partition), run, marks, contract, now_us)
            topic, partition, run = message.topic(), message.partition(), []
        run.append(message)
    _sort_run(batch, (topic, partition), run, marks, contract, now_us)
    batch.slices = {place: part for place, part in batch.slices.items() if part.messages}
    return batch


def _sort_run(
    batch: Batch, place: Place, run: list[Message], marks: Mapping[Place, Mark], contract: Contract, now_us: int
) -> None:
    """Sort consecutive messages of one partition. What can be done for all of them at once is not done one by one."""
    part = _slice(batch, place, marks)
    if part is None or not run:
        return
    topic, partition = place
    decode, treatments = contract.decoder(topic), contract.treatments(topic)
    found = TopicRows()
    ids, copies, events, messages = found.ids, found.copies, found.events, found.messages
    times: list[int] = []
    next_offset = part.next_offset
    for message in run:
        offset = message.offset()
        if offset < next_offset:
            continue
        next_offset = offset + 1
        part.messages += 1
        value = message.value()
        try:
            event = decode(value)
        except ContractViolation as violation:
            # Binary mode is found out here, because headers cost too much to be asked of every message.
            headers = readable_headers(message)
            try:
                event = contract.decode_by_headers(value, headers, topic, violation)
            except ContractViolation as last:
                part.dead.append(dead_letter(message, last, headers))
                continue
        seconds = event.time.timestamp()
        time_us = round(seconds * 1e6) if 0.0 <= seconds < EXACT_SECONDS else epoch_us(event.time)
        event_id = event.id.bytes
        if event.type in treatments:
            treatment = treatments[event.type]
            # Most events of the web have a text and nothing in it to clean.
            if not treatment.texts_only or value is None or is_telling(value):
                event = _treat(found, treatment, event, time_us, (partition, offset))
        copies.append(copy_tuple(event, event_id, time_us, partition, offset))
        ids.append(event_id)
        times.append(time_us)
        events.append(event)
        messages.append(message)
    part.next_offset = next_offset
    if times:
        found.hours.extend([time_us // _HOUR_US for time_us in times])
        _count_times(part, times, found.hours, now_us)
        _add(batch.topics.setdefault(topic, TopicRows()), found, part, now_us)


def _treat(found: TopicRows, treatment: Treatment, event: Event, time_us: int, place: tuple[int, int]) -> Event:
    """Note who ``event`` is about, take its personal fields out, and return what is left of it."""
    people = found.people
    if treatment.erases:
        people.erased.add(event.subject)
    elif treatment.names_customer:
        customer = named_customer(event.data)
        if customer is not None:
            people.named.add(customer)
    data = bytes(event.data)
    kept, personal = take_apart(data, treatment)
    if treatment.of_customer:
        people.named.add(event.subject)
    if personal is not None:
        people.of(treatment.owner).add(event.subject)
        copy = personal_tuple(event, event.id.bytes, time_us, personal, of_customer=treatment.of_customer)
        found.personal[place] = event.id.bytes, copy
    return event if kept is data else msgspec.structs.replace(event, data=msgspec.Raw(kept))


def _count_times(part: PartitionSlice, times: list[int], hours: list[int], now_us: int) -> None:
    """Add valid events to the counts by event time; the watermark never goes back nor beyond the present."""
    first, last = min(times), max(times)
    part.min_time_us = first if part.min_time_us is None else min(first, part.min_time_us)
    part.seen.update(hours)
    latest_us, watermark = now_us + _FUTURE_US, part.watermark_us
    newest = last if last <= latest_us else max((time_us for time_us in times if time_us <= latest_us), default=None)
    if newest is not None:
        part.max_time_us = newest if part.max_time_us is None else max(newest, part.max_time_us)
    if first >= watermark and last - first <= LATE_AFTER_US and last <= latest_us:
        part.watermark_us = last  # nobody can be late
        return
    for time_us in times:
        if time_us > watermark:
            if time_us <= latest_us:
                watermark = time_us
        elif time_us < watermark - LATE_AFTER_US:
            part.late[time_us // _HOUR_US] += 1
    part.watermark_us = watermark


def _add(rows: TopicRows, found: TopicRows, part: PartitionSlice, now_us: int) -> None:
    """Add the rows of a run to those of its topic, without the ids that the batch has already."""
    if len(set(found.ids)) < len(found.ids) or not rows.unique.isdisjoint(found.ids):
        _drop_repetitions(rows, found, part)
    rows.unique.update(found.ids)
    rows.ids += found.ids
    rows.copies += found.copies
    rows.hours += found.hours
    rows.events += found.events
    rows.messages += found.messages
    if found.people:
        rows.people.add(found.people)
        rows.personal |= found.personal
    # Ids of the future, and random ones, stay suspects and must not raise the mark.
    top, ceiling = part.top_id, id_ceiling(now_us)
    fresh = [event_id for event_id in found.ids if top < event_id < ceiling]
    if len(fresh) < len(found.ids):
        rows.suspects += [event_id for event_id in found.ids if not top < event_id < ceiling]
    part.top_id = max(fresh, default=top)


def _drop_repetitions(rows: TopicRows, found: TopicRows, part: PartitionSlice) -> None:
    """Take out of ``found`` what bears an id of the batch: few of many, so that the columns are not built again.

    What says the same is a repetition, what says something else is kept apart.
    """
    seen: dict[bytes, int] = {}
    again = []
    for index, event_id in enumerate(found.ids):
        if event_id in seen or event_id in rows.unique:
            again.append(index)
        else:
            seen[event_id] = index
    for index in reversed(again):
        event_id, event, message = found.ids[index], found.events[index], found.messages[index]
        first, at = (found, seen[event_id]) if event_id in seen else (rows, rows.ids.index(event_id))
        hour = found.hours[index]
        if is_repetition(event, message, first.events[at], first.messages[at]):
            part.duplicates += 1
            part.repeated[hour] += 1
        else:
            rows.others.append(Row(event_id, found.copies[index], hour, event, message))
        if found.personal:
            found.personal.pop((part.partition, message.offset()), None)
        for column in (found.ids, found.copies, found.hours, found.events, found.messages):
            del column[index]


def _slice(batch: Batch, place: Place, marks: Mapping[Place, Mark]) -> PartitionSlice | None:
    part = batch.slices.get(place)
    if part is None and (mark := marks.get(place)) is not None:
        part = batch.slices[place] = PartitionSlice(
            *place, next_offset=mark.next_offset, watermark_us=mark.watermark_us, top_id=mark.top_id
        )
    return part
