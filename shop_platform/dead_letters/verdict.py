"""Judge a value by the contract and by the letter it belongs to: the same decoder, and the same event id (pure)."""

from __future__ import annotations

import uuid

from shop_platform.dead_letters.letters import Letter, stored_headers
from shop_platform.events.decode import Contract, ContractViolation, ErrorClass, Event

_NAMESPACE = uuid.UUID("6f0b0c1e-4d0a-5c57-9d3b-2f6a0e9f7d11")


def judge(letter: Letter, value: bytes | None, contract: Contract) -> Event:
    """Return the event in ``value``; raise :class:`ContractViolation` when it is none, or not the letter's own."""
    event = contract.decode_message(value, stored_headers(letter.headers), letter.topic)
    check_id(letter, event)
    return event


def check_id(letter: Letter, event: Event) -> None:
    """Raise :class:`ContractViolation` when ``event`` has another id than the one its message is known by.

    The producer's ledger and invariant I1 know the message by that id. Under another one it would count as an event
    that is missing and one that nobody sent.
    """
    if letter.event_id is not None and event.id != letter.event_id:
        raise ContractViolation(
            ErrorClass.ENVELOPE_INVALID,
            f"the body says id '{event.id}', but the message is known by id '{letter.event_id}'",
            "$.id",
            event.type,
        )


def id_for(letter: Letter) -> uuid.UUID:
    """Return the id that the letter is known by, or else one made of its position: always the same."""
    return letter.event_id or uuid.uuid5(
        _NAMESPACE, f"{letter.topic_id}/{letter.incarnation}/{letter.partition}/{letter.offset}"
    )
