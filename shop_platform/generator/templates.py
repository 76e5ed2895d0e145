"""One template per version of an event type: everything that is the same in every event of the type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.generator import fulfilment, sessions
from shop_platform.generator import render as r
from shop_platform.generator.parameters import CURRENCY, WAREHOUSE
from shop_platform.generator.tables import Table

_ENVELOPE = (
    b'{"specversion":"1.0","id":"%%b","source":"/shop/%b","type":"%b","time":"%%b","subject":"%b%%b",'
    b'"datacontenttype":"application/json","data":{"%b":"%b%%b",%b}}'
)
_EUR = CURRENCY.encode()
_Fields = Callable[[r.Context, Table], r.Fields]


@dataclass(frozen=True)
class Kind:
    """How the events of one type become bytes.

    ``template`` takes the id, the time, the number of the key's entity, the number of the event's own first identifier
    (without their prefixes) and then what ``fields`` gives.
    """

    topic: str
    template: bytes
    fields: _Fields
    prefix: bytes
    column: str
    key_prefix: bytes
    key_column: str


def _kind(
    type_: str,
    source: str,
    first: str,
    prefix: str,
    column: str,
    rest: bytes,
    fields: _Fields,
    key: tuple[str, str] | None = None,
    version: int = 1,
) -> Kind:
    """Make a kind whose data begin with the identifier ``first`` (``prefix`` and the number in ``column``)."""
    key_prefix, key_column = key or (prefix, column)
    name = f"shop.{type_}.v{version}"
    texts = (source, name, key_prefix, first, prefix)
    template = _ENVELOPE % (*(text.encode() for text in texts), rest)
    return Kind(TOPIC_OF_TYPE[name].name, template, fields, prefix.encode(), column, key_prefix.encode(), key_column)


_VISITOR = b'"visitor_id":"vis_%d"'
_AMOUNT = b'"amount":"%d.%02d","currency":"' + _EUR + b'"'
_CUSTOMER = ("accounts", "customer_id", "cus_", "customer")
_PRODUCT = ("catalogue", "product_id", "", "product")
_SESSION = ("web", "session_id", "ses_", "session")
_ORDER = ("checkout", "order_id", "ord_", "order")
_PARCEL = ("fulfilment", "order_id", "ord_", "order")
_ORDER_KEY = ("ord_", "order")

KINDS: dict[str, Kind] = {
    "customer_created": _kind("customer.created", *_CUSTOMER, b'%b,"acquisition_channel":"%b"%b', r.customer_created),
    "customer_updated": _kind("customer.updated", *_CUSTOMER, b"%b", lambda c, t: zip(r.person(c, t))),
    "customer_erased": _kind(
        "customer.erased",
        *_CUSTOMER,
        b'"reason":"%b"',
        lambda c, t: zip(r.lookup(r.words(("customer_request", "inactive")), t["reason"])),
    ),
    "product_created": _kind(
        "product.created",
        *_PRODUCT,
        b'"sku":"%b",%b,"price":"%d.%02d","cost":"%d.%02d","currency":"' + _EUR + b'","active":true',
        r.product_created,
    ),
    "product_updated": _kind(
        "product.updated",
        *_PRODUCT,
        b'%b,"active":%b',
        lambda c, t: zip(r.product_description(c, t), r.lookup(r.BOOL, t["active"]), strict=True),
    ),
    "product_price_changed": _kind(
        "product.price_changed",
        *_PRODUCT,
        b'"old_price":"%d.%02d","price":"%d.%02d","cost":"%d.%02d","currency":"' + _EUR + b'","reason":"%b"',
        r.price_changed,
    ),
    "stock_changed": _kind(
        "stock.changed",
        "warehouse",
        *_PRODUCT[1:],
        b'"warehouse":"' + WAREHOUSE.encode() + b'","delta":%d,"level":%d,"reason":"%b"%b',
        r.stock_changed,
    ),
    "session_started": _kind(
        "web.session_started",
        *_SESSION,
        _VISITOR + b',"channel":"%b","device":"%b","country":"%b","landing_page":"%b"%b%b',
        r.session_started,
    ),
    "page_viewed": _kind(
        "web.page_viewed",
        *_SESSION,
        _VISITOR + b",%b",
        lambda c, t: zip(t["visitor"].tolist(), r.lookup(r.PAGES, t["page"]), strict=True),
    ),
    "product_viewed": _kind(
        "web.product_viewed",
        *_SESSION,
        _VISITOR + b',"product_id":"%b","price":"%d.%02d","currency":"' + _EUR + b'"',
        lambda c, t: zip(t["visitor"].tolist(), r.lookup(c.products, t["product"]), *r.money(t["price"]), strict=True),
    ),
    "searched": _kind(
        "web.searched",
        *_SESSION,
        _VISITOR + b',"query":"%b","results":%d',
        lambda c, t: zip(
            t["visitor"].tolist(), r.lookup(r.words(sessions.QUERIES), t["query"]), t["results"].tolist(), strict=True
        ),
    ),
    "cart_changed": _kind(
        "web.cart_changed",
        *_SESSION,
        _VISITOR + b',"product_id":"%b","delta":%d,"quantity":%d,"unit_price":"%d.%02d","currency":"' + _EUR + b'"',
        r.cart_changed,
    ),
    "checkout_started": _kind(
        "web.checkout_started",
        *_SESSION,
        _VISITOR + b',"items":%d,"cart_value":"%d.%02d","currency":"' + _EUR + b'"',
        lambda c, t: zip(t["visitor"].tolist(), t["items"].tolist(), *r.money(t["value"]), strict=True),
    ),
    "order_placed": _kind(
        "order.placed",
        *_ORDER,
        b'"customer_id":"cus_%d","channel":"%b","device":"%b","country":"%b","currency":"' + _EUR + b'","lines":[%b],'
        b'"subtotal":"%d.%02d","discount":"%d.%02d","shipping":"%d.%02d","tax":"%d.%02d","total":"%d.%02d",'
        b'"session_id":"ses_%d"%b%b',
        r.order_placed,
    ),
    "order_paid": _kind("order.paid", *_ORDER, b'"payment_id":"pay_%d","method":"%b",' + _AMOUNT, r.paid),
    "order_payment_failed": _kind(
        "order.payment_failed",
        *_ORDER,
        b'"payment_id":"pay_%d","method":"%b",' + _AMOUNT + b',"reason":"%b"',
        r.payment_failed,
    ),
    "order_shipped": _kind(
        "order.shipped",
        *_PARCEL,
        b'"shipment_id":"shp_%d","carrier":"%b","promised_on":"%b"',
        lambda c, t: zip(
            t["order"].tolist(), r.lookup(r.CARRIER_WORDS, t["carrier"]), r.dates(t["promised"]), strict=True
        ),
    ),
    "order_delivered": _kind(
        "order.delivered", *_PARCEL, b'"shipment_id":"shp_%d"', lambda c, t: zip(t["order"].tolist())
    ),
    "order_cancelled": _kind(
        "order.cancelled",
        *_ORDER,
        b'"reason":"%b","cancelled_by":"%b"',
        lambda c, t: zip(
            r.lookup(r.words(fulfilment.CANCEL_REASONS), t["reason"]),
            r.lookup(r.words(fulfilment.CANCELLED_BY), t["reason"]),
            strict=True,
        ),
    ),
    "return_requested": _kind(
        "return.requested",
        "returns",
        "return_id",
        "ret_",
        "order",
        b'"order_id":"ord_%d","customer_id":"cus_%d","lines":[%b]',
        lambda c, t: zip(t["order"].tolist(), t["customer"].tolist(), t["lines"].tolist(), strict=True),
        _ORDER_KEY,
    ),
    "return_received": _kind(
        "return.received",
        "returns",
        "return_id",
        "ret_",
        "order",
        b'"order_id":"ord_%d"',
        lambda c, t: zip(t["order"].tolist()),
        _ORDER_KEY,
    ),
    "refund_issued": _kind(
        "refund.issued",
        "returns",
        "refund_id",
        "ref_",
        "order",
        b'"order_id":"ord_%d",'
        + _AMOUNT[:10]
        + b'%d.%02d","tax":"%d.%02d","currency":"'
        + _EUR
        + b'","reason":"%b","lines":[%b]%b',
        r.refund_issued,
        _ORDER_KEY,
    ),
    "refund_issued_v2": _kind(
        "refund.issued",
        "returns",
        "refund_id",
        "ref_",
        "order",
        b'"order_id":"ord_%d","refunded":{"net":"%d.%02d","tax":"%d.%02d"},"currency":"'
        + _EUR
        + b'","reason":"%b","lines":[%b]%b',
        r.refund_issued,
        _ORDER_KEY,
        version=2,
    ),
    "marketing_touched": _kind(
        "marketing.touched",
        "marketing",
        "touch_id",
        "tch_",
        "uid",
        _VISITOR + b',"channel":"%b","campaign":"%b","kind":"%b","cost":"%d.%02d","currency":"' + _EUR + b'"%b%b',
        r.marketing_touched,
        ("vis_", "visitor"),
    ),
}
