"""What the warehouse holds of the orders, customers and products of a file."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from shop_platform.errors import ShopError
from shop_platform.events.personal import family
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.events.urls import source_path
from shop_platform.importing.ids import KEY_FIELDS
from shop_platform.importing.scope import STORE
from shop_platform.settings import Role, Settings

if TYPE_CHECKING:
    import psycopg

_AMENDED = "shop.order.amended"


class Landed(NamedTuple):
    """An event in ``raw``. ``personal``: what was taken out of its data, None when nothing was, or it was erased."""

    event_id: str
    family: str
    source: str
    subject: str
    time: dt.datetime
    data: dict[str, Any]
    personal: dict[str, Any] | None

    @property
    def thing(self) -> str:
        """What the event is told apart by from others of its family (:data:`ids.KEY_FIELDS`)."""
        field = "order_id" if self.family == _AMENDED else KEY_FIELDS.get(f"{self.family}.v1", "")
        return str(self.data.get(field, ""))


class Warehouse:
    """What has landed, looked up by what events are about."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def shop_tz(self) -> str | None:
        """Return the zone in which the marts were built; None before the first build."""
        if self._connection.execute("select to_regclass('ops.warehouse_identity')").fetchone() == (None,):
            return None
        found = self._connection.execute("select shop_tz from ops.warehouse_identity").fetchone()
        return str(found[0]) if found and found[0] else None

    def stores(self, topics: Iterable[str], source: str) -> set[str]:
        """Return the names of stores under which events of ``source`` have landed in ``topics``.

        No index knows sources: the tables are read once from end to end, before the first comparison.
        """
        from psycopg import sql

        begin = f"{source_path(source).rstrip('/')}/"
        found: set[str] = set()
        for topic in sorted(set(topics)):
            query = sql.SQL("select distinct source from {} where starts_with(source, %s)").format(
                sql.Identifier("raw", TOPIC_BY_NAME[topic].subject)
            )
            found |= {str(each).removeprefix(begin) for (each,) in self._connection.execute(query, [begin])}
        return {name for name in found if STORE.fullmatch(name)}

    def about(self, topics: Iterable[str], subjects: Iterable[str]) -> dict[str, list[Landed]]:
        """Return the landed events of ``topics`` about each of ``subjects`` that has any."""
        from psycopg import sql

        found: dict[str, list[Landed]] = defaultdict(list)
        wanted = sorted(set(subjects))
        for topic in sorted(set(topics)):
            query = sql.SQL(_ABOUT).format(table=sql.Identifier("raw", TOPIC_BY_NAME[topic].subject))
            for event_id, event_type, source, subject, time, data, personal in self._connection.execute(
                query, [wanted]
            ):
                name = family(event_type)
                found[subject].append(Landed(str(event_id), name, source, subject, time, data, personal))
        return found


# `offset 0` as in the models: through the index, once for each subject, whatever the planner believes.
_ABOUT: LiteralString = """
select r.event_id, r.event_type, r.source, r.subject, r.event_time, r.data, p.data
from unnest(%s::text[]) as wanted (subject)
cross join lateral (select * from {table} as c where c.subject = wanted.subject offset 0) as r
left join pii.personal_data as p on (p.event_id, p.event_type) = (r.event_id, r.event_type)
"""


@contextlib.contextmanager
def warehouse(settings: Settings) -> Iterator[Warehouse | str]:
    """Open the warehouse, read-only; where there is none, give a sentence that says why nothing can be compared."""
    from shop_platform.warehouse.connect import connect

    try:
        connection = connect(settings, Role.INGEST, application="shop-import", autocommit=True)
    except ShopError as error:
        yield error.message
        return
    with contextlib.closing(connection):
        connection.execute("set default_transaction_read_only = on")
        if connection.execute("select to_regclass('pii.personal_data')").fetchone() == (None,):
            yield f"nothing has landed in {settings.pg_database} yet"
            return
        yield Warehouse(connection)
