"""Faults on the wire: repeated, late, displaced, malformed and unknown messages, each with its ground truth.

The shop itself stays consistent: a fault changes what is sent of an event, or when, never what happened.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from shop_platform.generator.encode import Encoded
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import FaultRates
from shop_platform.generator.tables import Floats, Ints, Table

FAULTS = ("duplicate", "late", "out_of_order", "malformed", "unknown_version")
_DUPLICATE, _LATE, _OUT_OF_ORDER, _MALFORMED, _UNKNOWN = range(5)
MALFORMATIONS = ("truncated_json", "wrong_type", "missing_field", "bad_utf8", "nul", "not_json", "empty_value")
_DATA = b'"data":{'
_VERSION = re.compile(rb'\.v[0-9]+","time":')
_FARTHEST = 24


@dataclass
class Held:
    """Messages that will be sent later than they happened, with the moment (event-time ms) of each."""

    waiting: list[tuple[int, Message]] = field(default_factory=list)

    def release(self, end: int) -> list[tuple[int, Message]]:
        """Take out and return what is to be sent before ``end``."""
        due = [item for item in self.waiting if item[0] < end]
        self.waiting = [item for item in self.waiting if item[0] >= end]
        return due

    def table(self) -> Table:
        """Return the messages as columns for a snapshot."""
        messages = [message for _, message in self.waiting]
        texts = {
            name: np.array([str(getattr(m, name)).encode() for m in messages] or [b""], np.bytes_)
            for name in ("topic", "event_id", "event_time", "fault", "detail")
        }
        return texts | {
            "key": np.array([m.key for m in messages] or [b""], np.bytes_),
            "send": np.array([send for send, _ in self.waiting], np.int64),
            "time_ms": np.array([m.time_ms for m in messages], np.int64),
            "length": np.array([len(m.value) for m in messages], np.int64),
            "values": np.frombuffer(b"".join(m.value for m in messages), np.uint8),
        }

    @classmethod
    def from_table(cls, table: Table) -> Held:
        """Return what :meth:`table` was made of."""
        held, values, at = cls(), table["values"].tobytes(), 0
        for i, (send, time_ms, length) in enumerate(
            zip(*(table[name].tolist() for name in ("send", "time_ms", "length")), strict=True)
        ):
            topic, event_id, event_time, fault, detail = (
                table[name][i].decode() for name in ("topic", "event_id", "event_time", "fault", "detail")
            )
            message = Message(
                topic, bytes(table["key"][i]), values[at : at + length], event_id, event_time, time_ms, fault, detail
            )
            held.waiting.append((send, message))
            at += length
        return held


def send_order(
    rng: np.random.Generator, rates: FaultRates, encoded: Encoded, held: Held, end: int, until: int | None
) -> list[Message]:
    """Return the messages of a window that ends at ``end``, faults included, in the order in which they are sent.

    ``held`` gives what earlier windows held back until now and keeps what is due later. Nothing is held beyond
    ``until`` (None: no limit), and then everything that is left goes out.
    """
    count = len(encoded.value)
    fault = _draw(rng, rates, count)
    messages = [
        Message(topic, key, value, event_id.decode(), at.decode(), ms)
        for topic, key, value, event_id, at, ms in zip(
            encoded.topic, encoded.key, encoded.value, encoded.event_id, encoded.iso_time, encoded.time_ms.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    send, position = encoded.time_ms.copy(), np.arange(count, dtype=np.float64)
    last = np.iinfo(np.int64).max if until is None else until
    for index in np.flatnonzero(fault == _MALFORMED).tolist():
        how = MALFORMATIONS[int(rng.integers(len(MALFORMATIONS)))]
        spoilt = malform(messages[index].value, how, float(rng.uniform(0.15, 0.9)))
        messages[index] = messages[index]._replace(value=spoilt, fault=FAULTS[_MALFORMED], detail=how)
    for index in np.flatnonzero(fault == _UNKNOWN).tolist():
        value = _VERSION.sub(b'.v99","time":', messages[index].value, count=1)
        messages[index] = messages[index]._replace(value=value, fault=FAULTS[_UNKNOWN], detail="v99")
    _displace(rng, fault, messages, send, position, encoded.time_ms)

    extra: list[tuple[int, Message]] = []
    low, high = np.log(rates.late_min_ms), np.log(rates.late_max_ms)
    moved = np.zeros(count, np.bool_)
    for index in np.flatnonzero(fault == _LATE).tolist():
        message = messages[index]
        at = min(message.time_ms + int(np.exp(rng.uniform(low, high))), last)
        if at - message.time_ms >= rates.late_min_ms:
            moved[index] = True
            extra.append(
                (at, message._replace(fault=FAULTS[_LATE], detail=f"delay_s={(at - message.time_ms) // 1000}"))
            )
    for index in np.flatnonzero(fault == _DUPLICATE).tolist():
        message = messages[index]
        at = min(message.time_ms + int(rng.uniform(0.02, 1.0) * rates.duplicate_max_ms), last)
        extra.append(
            (at, message._replace(fault=FAULTS[_DUPLICATE], detail=f"delay_s={(at - message.time_ms) // 1000}"))
        )
    held.waiting.extend(extra)
    final = until is not None and end >= until
    due = held.release(np.iinfo(np.int64).max if final else end)
    kept = np.flatnonzero(~moved)
    all_messages = [messages[i] for i in kept.tolist()] + [message for _, message in due]
    sends = np.r_[send[kept], np.array([at for at, _ in due], np.int64)]
    positions = np.r_[position[kept], count + np.arange(len(due), dtype=np.float64)]
    return [all_messages[i] for i in np.lexsort((positions, sends)).tolist()]


def _draw(rng: np.random.Generator, rates: FaultRates, count: int) -> Ints:
    """Return each message's fault: a position in FAULTS, or their number for none."""
    shares = (rates.duplicate, rates.late, rates.out_of_order, rates.malformed, rates.unknown_version)
    return np.searchsorted(np.cumsum(shares), rng.random(count), side="right")


def _displace(
    rng: np.random.Generator, fault: Ints, messages: list[Message], send: Ints, position: Floats, time: Ints
) -> None:
    """Move messages behind a later one of the same topic that is sent in time, within the window."""
    chosen = np.flatnonzero(fault == _OUT_OF_ORDER).tolist()
    in_time: dict[str, list[int]] = {messages[index].topic: [] for index in chosen}
    if chosen:
        for index in np.flatnonzero((fault != _OUT_OF_ORDER) & (fault != _LATE)).tolist():
            if messages[index].topic in in_time:
                in_time[messages[index].topic].append(index)
    for index in chosen:
        others = in_time[messages[index].topic]
        at = min(bisect_right(others, index) + int(rng.integers(0, _FARTHEST)), len(others) - 1)
        if others and time[others[at]] > time[index]:
            send[index], position[index] = time[others[at]], others[at] + 0.5
            detail = f"behind={messages[others[at]].event_id}"
            messages[index] = messages[index]._replace(fault=FAULTS[_OUT_OF_ORDER], detail=detail)


def malform(value: bytes, how: str, where: float) -> bytes:
    """Return ``value`` spoilt; ``how`` is one of MALFORMATIONS, ``where`` a share of the length for a truncation."""
    head, data = value.split(_DATA, 1)
    first, rest = data.split(b",", 1) if b"," in data else (data[:-2], data[-2:])
    name, content = first.split(b":", 1)
    if how == "truncated_json":
        return value[: max(int(len(value) * where), 1)]
    return {
        "wrong_type": head + _DATA + name + b":12345," + rest,
        "missing_field": head + _DATA + rest,
        "bad_utf8": head + _DATA + name + b':"\xff\xfe' + content[1:] + b"," + rest,
        # Valid JSON, but no text of PostgreSQL can hold it.
        "nul": value.replace(b'"source":"', b'"source":"\\u0000', 1),
        "not_json": b"<html><body>502 Bad Gateway</body></html>",
        "empty_value": b"",
    }[how]
