"""Which events are about which customers, as conditions and queries (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, SESSION_OF_CUSTOMER, Kept, Owner, owner
from shop_platform.events.registry import TOPICS

ORDERED = "shop.order.placed"
"""The event that tells whose an order is."""


def of_family(name: str) -> sql.Composed:
    """Return the condition that an event is of a family; as the partial indexes have it, or they are not used."""
    return sql.SQL("starts_with(event_type, {})").format(sql.Literal(f"{name}.v"))


def of_families(names: Iterable[str]) -> sql.Composed:
    """Return the condition that an event is of one of several families."""
    return sql.SQL("({})").format(sql.SQL(" or ").join([sql.SQL("false"), *map(of_family, names)]))


def personal_of(wanted: Owner) -> sql.Composed:
    """Return the condition that a row of ``pii.personal_data`` is about an ``owner``."""
    codes = (name for name, texts in KEPT_TEXTS.items() if Kept.CODE in texts.values())
    return of_families(name for name in sorted({*PERSONAL_FIELDS, *codes}) if owner(name) is wanted)


def table_of(name: str) -> sql.Identifier:
    """Return the raw table in which events of a family land."""
    return sql.Identifier("raw", next(t.subject for t in TOPICS for kind in t.event_types if kind.family == name))


def sessions_of() -> sql.Composed:
    """Return the query for the sessions (``session_id``) that any event names with one of ``%(customers)s``."""
    started, *others = SESSION_OF_CUSTOMER
    parts: list[sql.Composable] = [
        sql.SQL(
            "select subject as session_id from raw.web where {} and data ->> 'customer_id' is not null"
            " and data ->> 'customer_id' = any(%(customers)s)"
        ).format(of_family(started))
    ]
    for name in others:
        parts.append(
            sql.SQL(
                "select data ->> 'session_id' from {} where {} and data ->> 'session_id' is not null"
                " and data ->> 'customer_id' = any(%(customers)s)"
            ).format(table_of(name), of_family(name))
        )
    # A retracted event is out of raw, and what it names is still a session of the customer's.
    parts.append(
        sql.SQL(
            "select session_id from ops.retractions where session_id is not null and customer_id = any(%(customers)s)"
        )
    )
    return sql.SQL(" union ").join(parts)


def orders_of() -> sql.Composed:
    """Return the query for the orders (``order_id``) of ``%(customers)s``, retracted ones too."""
    return sql.SQL(
        "select subject as order_id from raw.orders where {ordered} and data ->> 'customer_id' = any(%(customers)s)"
        " union select subject from ops.retractions where {ordered} and customer_id = any(%(customers)s)"
    ).format(ordered=of_family(ORDERED))
