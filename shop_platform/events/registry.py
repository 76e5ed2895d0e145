"""Which event types exist in which versions, in which topic each travels and by which field it is keyed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shop_platform.events import types as t
from shop_platform.events.personal import family
from shop_platform.events.vocabulary import Payload


@dataclass(frozen=True)
class EventType:
    """One versioned type of the contract; ``subject_field`` of its data is the CloudEvents subject and Kafka key."""

    name: str
    payload: type[Payload]
    subject_field: str

    @property
    def family(self) -> str:
        """The name without its version: ``shop.order.placed``."""
        return family(self.name)

    @property
    def version(self) -> int:
        """The version in the name."""
        return int(self.name.rpartition(".v")[2])


@dataclass(frozen=True)
class Topic:
    """A subject area: one Kafka topic that lands in one raw table of the same ``subject``."""

    subject: str
    partitions: int
    description: str
    event_types: tuple[EventType, ...]

    @property
    def name(self) -> str:
        """The Kafka topic's name."""
        return f"shop.{self.subject}"


def _types(subject_field: str, **kinds: type[Payload] | Mapping[int, type[Payload]]) -> tuple[EventType, ...]:
    """Return the types by name; a mapping gives every version that is accepted, a payload alone is version 1."""
    return tuple(
        EventType(f"shop.{name.replace('__', '.')}.v{version}", payload, subject_field)
        for name, versions in kinds.items()
        for version, payload in (versions if isinstance(versions, Mapping) else {1: versions}).items()
    )


TOPICS: tuple[Topic, ...] = (
    Topic(
        "customers",
        3,
        "Customers: opened, changed, erased.",
        _types(
            "customer_id",
            customer__created=t.CustomerCreated,
            customer__updated=t.CustomerUpdated,
            customer__erased=t.CustomerErased,
        ),
    ),
    Topic(
        "products",
        3,
        "The catalogue and its prices.",
        _types(
            "product_id",
            product__created=t.ProductCreated,
            product__updated=t.ProductUpdated,
            product__price_changed=t.ProductPriceChanged,
        ),
    ),
    Topic("inventory", 3, "Stock movements.", _types("product_id", stock__changed=t.StockChanged)),
    Topic(
        "web",
        6,
        "What visitors do in the shop, session by session.",
        _types(
            "session_id",
            web__session_started=t.SessionStarted,
            web__page_viewed=t.PageViewed,
            web__product_viewed=t.ProductViewed,
            web__searched=t.Searched,
            web__cart_changed=t.CartChanged,
            web__checkout_started=t.CheckoutStarted,
        ),
    ),
    Topic(
        "orders",
        6,
        "Orders from placed to delivered or cancelled.",
        _types(
            "order_id",
            order__placed=t.OrderPlaced,
            order__amended=t.OrderAmended,
            order__paid=t.OrderPaid,
            order__payment_failed=t.OrderPaymentFailed,
            order__shipped=t.OrderShipped,
            order__delivered=t.OrderDelivered,
            order__cancelled=t.OrderCancelled,
        ),
    ),
    Topic(
        "returns",
        3,
        "Returned goods and refunded money.",
        _types(
            "order_id",
            return__requested=t.ReturnRequested,
            return__received=t.ReturnReceived,
            refund__issued={1: t.RefundIssued, 2: t.RefundIssuedV2},
        ),
    ),
    Topic("marketing", 3, "Marketing touches.", _types("visitor_id", marketing__touched=t.MarketingTouched)),
)

TOPIC_BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
EVENT_TYPES: dict[str, EventType] = {kind.name: kind for topic in TOPICS for kind in topic.event_types}
TOPIC_OF_TYPE: dict[str, Topic] = {kind.name: topic for topic in TOPICS for kind in topic.event_types}


def successor(kind: EventType) -> EventType | None:
    """Return the newest version of the same type if ``kind`` is an older one, which is still accepted; else None."""
    last = max((each for each in EVENT_TYPES.values() if each.family == kind.family), key=lambda each: each.version)
    return last if last.version > kind.version else None
