"""One message as a producer of ours sends it."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One message as it goes to Kafka, with ``fault`` and ``detail`` ("" for a good one) for the ledger."""

    topic: str
    key: bytes
    value: bytes
    event_id: str
    event_time: str
    time_ms: int
    fault: str = ""
    detail: str = ""
