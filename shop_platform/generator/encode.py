"""From columns to the bytes of CloudEvents: each type's template, filled row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator.ids import iso_times, uuid7
from shop_platform.generator.render import Context, lookup
from shop_platform.generator.tables import Column, Ints, Table
from shop_platform.generator.templates import KINDS


@dataclass(frozen=True)
class Encoded:
    """Messages in the order of event time, column by column."""

    topic: list[str]
    key: list[bytes]
    value: list[bytes]
    event_id: list[bytes]
    iso_time: list[bytes]
    time_ms: Ints


def _numbers(prefix: bytes, column: Column, c: Context) -> list[bytes]:
    """Return identifiers without their prefix; products, which have none, as they are."""
    return [b"%d" % number for number in column.tolist()] if prefix else lookup(c.products, column)


def encode(events: dict[str, Table], seed: int, products: int) -> Encoded:
    """Return every event of a window as message bytes, ordered by time (causes first within a millisecond)."""
    c = Context(seed, products)
    topic: list[str] = []
    key: list[bytes] = []
    value: list[bytes] = []
    ids: list[bytes] = []
    iso: list[bytes] = []
    times = [np.zeros(0, np.int64)]
    for kind, table in events.items():
        how = KINDS[kind]
        event_ids = uuid7(table["time"], table["uid"], seed).tolist()
        clock = iso_times(table["time"]).tolist()
        subjects = _numbers(how.key_prefix, table[how.key_column], c)
        own = subjects if how.key_column == how.column else _numbers(how.prefix, table[how.column], c)
        template = how.template
        value += [
            template % (event_id, at, subject, first, *rest)
            for event_id, at, subject, first, rest in zip(
                event_ids, clock, subjects, own, how.fields(c, table), strict=True
            )
        ]
        topic += [how.topic] * len(event_ids)
        key += [how.key_prefix + subject for subject in subjects]
        ids += event_ids
        iso += clock
        times.append(table["time"])
    time = np.concatenate(times)
    order = np.argsort(time, kind="stable")
    at_ = order.tolist()
    return Encoded(
        [topic[i] for i in at_],
        [key[i] for i in at_],
        [value[i] for i in at_],
        [ids[i] for i in at_],
        [iso[i] for i in at_],
        time[order],
    )
