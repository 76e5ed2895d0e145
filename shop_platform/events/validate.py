"""Judge a file of events by the contract, as the ingestion would: no stack is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from shop_platform.errors import ShopError
from shop_platform.events.decode import Contract, ContractViolation, ErrorClass
from shop_platform.events.envelope import content_of
from shop_platform.events.extensions import extensions_of
from shop_platform.events.malformed import why_no_json
from shop_platform.events.numbers import decode_exactly, refused_number
from shop_platform.events.places import quote
from shop_platform.events.registry import TOPIC_OF_TYPE

_ANY_TOPIC = next(iter(TOPIC_OF_TYPE.values())).name


class Found(NamedTuple):
    """One event of the file that is wrong: where it stands, and what the ingestion would say of it."""

    place: str
    error_class: ErrorClass
    reason: str
    path: str | None
    event_type: str | None


@dataclass
class Judgement:
    """What a file holds: how many events by type, how many repeat an earlier one, and what is wrong.

    ``not_kept`` counts the right events by the extension attributes that they have: the platform drops these.
    """

    events: int = 0
    repeated: int = 0
    types: Counter[str] = field(default_factory=Counter)
    wrong: list[Found] = field(default_factory=list)
    not_kept: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "events": self.events,
            "right": self.events - len(self.wrong),
            "repeated": self.repeated,
            "types": dict(sorted(self.types.items())),
            "not_kept": dict(sorted(self.not_kept.items())),
            "wrong": [each._asdict() | {"error_class": each.error_class.value} for each in self.wrong],
        }

    def lines(self) -> Iterator[str]:
        """Yield it for a terminal: each wrong event, then the sums."""
        for each in self.wrong:
            where = " ".join(filter(None, [each.error_class.value, each.event_type, each.path]))
            yield f"{each.place}: {where}"
            yield f"  {each.reason}"
        repeated = f", {self.repeated:,} of them repeat an earlier one" if self.repeated else ""
        for name, count in sorted(self.not_kept.items()):
            yield f"note: {quote(name)} of {count:,} right event{'' if count == 1 else 's'} is accepted and not kept"
        yield f"{self.events:,} event{'' if self.events == 1 else 's'}, {len(self.wrong):,} wrong{repeated}"


def judge(contract: Contract, text: bytes, topic: str | None = None) -> Judgement:
    """Judge every event of a file: one a line, a JSON array of them, or one alone.

    ``topic`` is the one that the producer sends them to; without it each goes to the topic of its type.
    """
    result, first = Judgement(), dict[UUID, tuple[str, Any]]()
    for place, value in _documents(text):
        result.events += 1
        try:
            # As a message without headers.
            event = contract.decode_message(value, [], topic or _topic_of(value))
            if refused := refused_number(bytes(event.data), event.type):
                raise refused
        except ContractViolation as violation:
            found = Found(place, violation.error_class, str(violation), violation.path, violation.event_type)
            result.wrong.append(found)
            continue
        result.types[event.type] += 1
        result.not_kept.update(extensions_of(value))
        content = content_of(event, decode_exactly(event.data))
        earlier = first.setdefault(event.id, (place, content))
        if earlier[0] == place:
            continue
        if earlier[1] == content:
            result.repeated += 1
        else:
            reason = (
                f"`id` '{event.id}' is that of {earlier[0]}, with other content; every event needs an id of its own"
            )
            result.wrong.append(Found(place, ErrorClass.ID_REUSED, reason, "$.id", event.type))
    return result


class _Typed(msgspec.Struct):
    """The part of a document that says where it belongs."""

    type: str


def _topic_of(value: bytes) -> str:
    try:
        topic = TOPIC_OF_TYPE.get(msgspec.json.decode(value, type=_Typed).type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        topic = None
    return topic.name if topic else _ANY_TOPIC


def _documents(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each document with its place: entries of one array, one document of many lines, or else lines.

    A file of lines may begin with a line that is an array: that is a batch in one message.

    Raises :class:`ShopError` for an array that is no JSON: where its entries end cannot be told.
    """
    first, _, further = text.strip().partition(b"\n")
    if first[:1] == b"[" and not (further and _is_json(first)):
        try:
            entries = msgspec.json.decode(text, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ShopError(
                f"The file begins with `[`, and is {why_no_json(text, str(error))}",
                "Give one event a line, or one JSON array of events.",
            ) from None
        yield from ((f"entry {number}", bytes(entry)) for number, entry in enumerate(entries, start=1))
    elif text.count(b"\n") > 1 and _is_json(text):
        yield "the file", text
    else:
        lines = enumerate(text.split(b"\n"), start=1)
        yield from ((f"line {number}", line.strip()) for number, line in lines if line.strip())


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)  # any number
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
