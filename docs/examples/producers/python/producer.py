"""Send an order with its lines and its payment to Shop Platform, and say what was acknowledged.

It reads the SHOP_KAFKA_* variables (docs/kafka-security.md). Contract: docs/contract.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import sys
import time
import uuid
from decimal import Decimal
from typing import Any

from confluent_kafka import KafkaError, Message, Producer


def env(name: str, default: str = "") -> str:
    """Return the variable without its prefix."""
    return os.environ.get(f"SHOP_KAFKA_{name}") or default


def settings() -> dict[str, Any]:
    """Return the producer's configuration: address, TLS, login."""
    protocol = env("SECURITY_PROTOCOL", "PLAINTEXT")
    found: dict[str, Any] = {
        "bootstrap.servers": env("BOOTSTRAP", "127.0.0.1:9092"),
        "security.protocol": protocol,
        # A repeated attempt lands once; acknowledged is what every replica has.
        "enable.idempotence": True,
        "acks": "all",
        "delivery.timeout.ms": 30_000,
    }
    if protocol.startswith("SASL"):
        found |= {"sasl.mechanism": env("SASL_MECHANISM", "SCRAM-SHA-512")}
        found |= {"sasl.username": env("SASL_USERNAME"), "sasl.password": env("SASL_PASSWORD")}
    for name, key in (
        ("SSL_CA", "ssl.ca.location"),
        ("SSL_CERTIFICATE", "ssl.certificate.location"),
        ("SSL_KEY", "ssl.key.location"),
        ("SSL_KEY_PASSWORD", "ssl.key.password"),
    ):
        if env(name):
            found[key] = env(name)
    return found


def new_id() -> str:
    """Return a UUID of version 7: the time first, which keeps the warehouse's index local."""
    bits = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return str(uuid.UUID(int=bits & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def event(kind: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event; amounts are decimal strings, never floating-point numbers."""
    return {
        "specversion": "1.0",
        "id": new_id(),
        "source": "/shop/example-python",
        "type": kind,
        "time": dt.datetime.now(dt.UTC).isoformat(),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }


def line(number: int, product: str, quantity: int, price: str, discount: str, tax: str) -> dict[str, Any]:
    """Return one line of an order."""
    amounts = {"unit_price": price, "discount": discount, "tax": tax}
    return {"line_number": number, "product_id": product, "sku": product, "quantity": quantity} | amounts


def order(order_id: str, lines: list[dict[str, Any]], shipping: str) -> dict[str, Any]:
    """Return an order whose sums are those of its lines."""
    subtotal = sum(each["quantity"] * Decimal(each["unit_price"]) for each in lines)
    discount, tax = (sum(Decimal(each[name]) for each in lines) for name in ("discount", "tax"))
    sums = {"subtotal": subtotal, "discount": discount, "shipping": Decimal(shipping), "tax": tax}
    sums["total"] = subtotal - discount + sums["shipping"] + tax
    who = {"order_id": order_id, "customer_id": "cus_example", "channel": "web", "device": "desktop"}
    return (
        who | {"country": "DE", "currency": "EUR", "lines": lines} | {name: f"{sum_:f}" for name, sum_ in sums.items()}
    )


def main() -> int:
    """Send both events; return 1 if one was not acknowledged."""
    failed: list[str] = []

    def told(error: KafkaError | None, message: Message) -> None:
        key = (message.key() or b"").decode()
        if error is not None:
            failed.append(f"{key}: {error.str()}")
        else:
            print(f"acknowledged {key} {message.topic()}[{message.partition()}]@{message.offset()}")

    order_id = f"py-{new_id()}"
    lines = [line(1, "desk", 2, "100.00", "10.00", "36.10"), line(2, "lamp", 1, "19.90", "0.00", "3.78")]
    placed = order(order_id, lines, shipping="4.90")
    payment = {"order_id": order_id, "payment_id": f"pay-{order_id}", "method": "card"}
    paid = payment | {"amount": placed["total"], "currency": "EUR"}
    producer = Producer(settings())
    for kind, data in (("shop.order.placed.v1", placed), ("shop.order.paid.v1", paid)):
        # The key is the event's subject: what is told of one order stays in order.
        value, headers = json.dumps(event(kind, order_id, data)), [("content-type", b"application/cloudevents+json")]
        producer.produce("shop.orders", value, key=order_id, headers=headers, on_delivery=told)
    left = producer.flush(60)
    for reason in failed or (["nothing answered"] if left else []):
        sys.stderr.write(f"not acknowledged: {reason}\n")  # sent again with the same ids, nothing lands twice
    return 1 if failed or left else 0


if __name__ == "__main__":
    raise SystemExit(main())
