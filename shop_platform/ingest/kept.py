"""Erase the texts of customers that stay in raw only as long as nobody asks to be forgotten (see ``Kept``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from psycopg import sql

from shop_platform.events.personal import ERASURE, KEPT_TEXTS, PARAMETERS_SUFFIX, Kept, Owner, owner
from shop_platform.events.spelling import REMOVED
from shop_platform.ingest.offsets import Connection
from shop_platform.ingest.whose import ORDERED, of_family, orders_of, sessions_of, table_of

_ORDERS = table_of(ORDERED)


class _Change(NamedTuple):
    """What becomes of rows of a raw table that hold a text of ``%(customers)s``."""

    table: sql.Identifier
    assignment: sql.Composed
    condition: sql.Composed


def erase_texts(connection: Connection, customers: Sequence[str]) -> int:
    """Erase the texts of ``customers`` in raw; return of how many events."""
    changed = 0
    for table, assignment, condition in _changes():
        query = sql.SQL("update {} set {} where {}").format(table, assignment, condition)
        if table == _ORDERS:
            query = sql.SQL(
                "with changed as ({} returning subject)"
                " insert into ops.erased_coupons (order_id) select subject from changed"
            ).format(query)
        changed += connection.execute(query, {"customers": list(customers)}).rowcount
    return changed


def count_texts(connection: Connection, customers: Sequence[str]) -> int:
    """Return how many events :func:`erase_texts` would change."""
    found = 0
    for table, _, condition in _changes():
        query = sql.SQL("select count(*) from {} where {}").format(table, condition)
        for (count,) in connection.execute(query, {"customers": list(customers)}):
            found += int(count)
    return found


def _changes() -> Iterator[_Change]:
    customers, sessions = sql.SQL("%(customers)s"), sql.SQL("array(select s.session_id from ({}) as s)")
    orders = sql.SQL("array(select o.order_id from ({}) as o)")
    subjects = {
        Owner.CUSTOMER: sql.Composed([customers]),
        Owner.SESSION: sessions.format(sessions_of()),
        Owner.ORDER: orders.format(orders_of()),
    }
    for name, texts in KEPT_TEXTS.items():
        about = owner(name)
        paths = [path.split(".") for path, how in texts.items() if how in {Kept.UNTIL_ERASED, Kept.PATH}]
        paths += [[path + PARAMETERS_SUFFIX] for path, how in texts.items() if how is Kept.PATH]
        codes = [path.split(".") for path, how in texts.items() if how is Kept.CODE]
        if about and paths:
            # _xid stays: models show none of it of an erased customer, so nothing has to be built again.
            yield _without(table_of(name), name, subjects[about], paths)
        if about and (paths or codes):
            yield _without(sql.Identifier("ops", "retractions"), name, subjects[about], [*paths, *codes])
        if about is Owner.ORDER:
            for (code,) in codes:
                yield _code(name, code)


def _without(table: sql.Identifier, name: str, subjects: sql.Composed, paths: list[list[str]]) -> _Change:
    return _Change(
        table,
        sql.SQL("data = {}").format(sql.SQL(" #- ").join([sql.SQL("data"), *map(sql.Literal, paths)])),
        sql.SQL("{} and subject = any({}) and ({})").format(of_family(name), subjects, _has_any(paths)),
    )


def _has_any(paths: list[list[str]]) -> sql.Composed:
    return sql.SQL(" or ").join(sql.SQL("data #> {} is not null").format(sql.Literal(path)) for path in paths)


def _code(name: str, path: str) -> _Change:
    """Return the change of codes that nobody has typed but customers who are erased.

    Marts show codes, so these orders are built again (``ops.erased_coupons``).
    """
    field, removed = sql.Literal(path), sql.Literal(REMOVED)
    theirs = sql.SQL(
        "select distinct data ->> {field} as code from raw.orders where {ordered}"
        " and data ->> 'customer_id' = any(%(customers)s) and data ->> {field} <> {removed}"
    ).format(field=field, removed=removed, ordered=of_family(ORDERED))
    own = sql.SQL(
        "select t.code from ({theirs}) as t where not exists (select from {table} as o where {kind} and"
        " o.data ->> {field} is not null and o.data ->> {field} = t.code"
        " and o.data ->> 'customer_id' <> all(%(customers)s) and not exists ("
        "select from raw.customers as c where c.subject = o.data ->> 'customer_id' and {erased}))"
    ).format(
        theirs=theirs,
        table=table_of(name),
        kind=sql.SQL("starts_with(o.event_type, {})").format(sql.Literal(f"{name}.v")),
        field=field,
        erased=sql.SQL("starts_with(c.event_type, {})").format(sql.Literal(f"{ERASURE}.v")),
    )
    return _Change(
        table_of(name),
        sql.SQL("data = jsonb_set(data, {}, to_jsonb({}::text))").format(sql.Literal([path]), removed),
        sql.SQL("{} and data ->> {} is not null and data ->> {} = any(array({}))").format(
            of_family(name), field, field, own
        ),
    )
