"""Hand-written events of the contract and a producer that keeps the acknowledged ledger."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.settings import Settings

START = dt.datetime(2026, 3, 1, 9, 0, tzinfo=dt.UTC)


def event(
    kind: str, subject: str, data: dict[str, Any], *, time: dt.datetime = START, **envelope: Any
) -> dict[str, Any]:
    """Return an envelope for ``data``; keyword arguments replace or add envelope fields."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/shop/test",
        "type": kind,
        "time": time.isoformat().replace("+00:00", "Z"),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    } | envelope


def page_view(number: int = 1, **envelope: Any) -> dict[str, Any]:
    """Return a valid web event; ``number`` chooses the session."""
    session = f"ses_{number:06d}"
    data = {"session_id": session, "visitor_id": f"vis_{number % 97}", "page": "/sale", "page_type": "category"}
    return event("shop.web.page_viewed.v1", session, data, **envelope)


REFUND_LINE = {"line_number": 1, "product_id": "desk", "quantity": 1}
MONEY = {"net": "10.00", "tax": "1.90"}
_REFUND = {"refund_id": "ref_1", "order_id": "ord_1", "currency": "EUR", "reason": "return"}
REFUNDS: dict[int, dict[str, Any]] = {
    1: _REFUND | {"amount": "10.00", "tax": "1.90", "lines": [REFUND_LINE | {"amount": "10.00"}]},
    2: _REFUND | {"refunded": MONEY, "lines": [REFUND_LINE | {"refunded": MONEY}]},
}
"""The same refund as each version of the event tells it."""


def refund(version: int, **data: Any) -> dict[str, Any]:
    """Return a valid refund in this version; keyword arguments replace or add fields of its data."""
    return event(f"shop.refund.issued.v{version}", "ord_1", REFUNDS[version] | data)


class LedgerProducer:
    """Sends messages and notes each acknowledged one as the platform's producer does."""

    def __init__(self, settings: Settings, run: str = "test") -> None:
        self._producer = Producer(
            settings.kafka_client(
                linger_ms=5, acks="all", enable_idempotence=True, message_max_bytes=2_000_000, log_level=0
            )
        )
        self._path = settings.ledger_dir / "produced" / f"{run}.tsv"
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        """Send valid events to the topic of their type."""
        for each in events:
            topic = TOPIC_OF_TYPE[each["type"]].name
            self.send_raw(topic, json.dumps(each).encode(), each["id"], key=each["subject"], time=each["time"])
        self.flush()

    def send_raw(
        self,
        topic: str,
        value: bytes | None,
        event_id: str,
        *,
        key: str = "k",
        partition: int = -1,
        time: str = START.isoformat(),
    ) -> None:
        """Send any bytes under ``event_id`` and the event time ``time``."""

        def acknowledged(error: Any, message: Any) -> None:
            assert error is None, error
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{event_id}\t{topic}\t{message.partition()}\t{message.offset()}\t{time}\n")

        headers: list[tuple[str, str | bytes | None]] = [("ce_id", event_id), ("ce_time", time)]
        self._producer.produce(topic, value, key=key, headers=headers, partition=partition, on_delivery=acknowledged)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for every acknowledgement."""
        assert self._producer.flush(30) == 0


def ledger_lines(folder: Path) -> int:
    """Return how many messages the ledgers below ``folder`` hold."""
    return sum(len(path.read_text().splitlines()) for path in (folder / "produced").glob("*.tsv"))
