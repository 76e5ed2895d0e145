"""Events about people, with planted values to look for, and a look into every table for them."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from typing import Any

from psycopg import sql

from shop_platform.events.decode import CONTRACT, Contract
from shop_platform.events.registry import TOPIC_OF_TYPE, TOPICS
from shop_platform.ingest.batch import Mark, sort_messages
from shop_platform.ingest.land import prepare
from shop_platform.ingest.offsets import begin_partition
from shop_platform.ingest.write import Admit, Written, write_batch
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.support.events import START, event
from tests.support.messages import Stored

PLANTED = ("Plantedgiven", "Plantedfamily", "planted@private.example", "+49 30 5550199", "1985-07-31", "Plantedroad 7",
           "PL4N7", "planted wish")  # fmt: skip
"""Values that nothing but a person's own data holds."""


def _person(customer: str) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "email": PLANTED[2],
        "first_name": PLANTED[0],
        "last_name": PLANTED[1],
        "address": {"street": PLANTED[5], "postal_code": PLANTED[6], "city": "Berlin", "country": "DE"},
        "locale": "de_DE",
        "marketing_consent": True,
        "phone": PLANTED[3],
    }


def created(customer: str, **envelope: Any) -> dict[str, Any]:
    """Somebody opens an account."""
    more = {"acquisition_channel": "email", "birth_date": PLANTED[4]}
    return event("shop.customer.created.v1", customer, _person(customer) | more, **envelope)


def updated(customer: str, **envelope: Any) -> dict[str, Any]:
    """Details change."""
    return event("shop.customer.updated.v1", customer, _person(customer), **envelope)


def erased(customer: str, **envelope: Any) -> dict[str, Any]:
    """The customer asks to be forgotten."""
    return event("shop.customer.erased.v1", customer, {"customer_id": customer, "reason": "request"}, **envelope)


def session_started(session: str, customer: str | None = None, **envelope: Any) -> dict[str, Any]:
    """A visitor comes; logged in if a customer is given."""
    data = {"session_id": session, "visitor_id": f"vis_{session}", "channel": "email", "device": "mobile"}
    data |= {"country": "DE", "landing_page": "/"} | ({"customer_id": customer} if customer else {})
    return event("shop.web.session_started.v1", session, data, **envelope)


def searched(session: str, **envelope: Any) -> dict[str, Any]:
    """The visitor looks for something private."""
    data = {"session_id": session, "visitor_id": f"vis_{session}", "query": PLANTED[7], "results": 3}
    return event("shop.web.searched.v1", session, data, **envelope)


def ordered(order: str, customer: str, session: str | None = None, **envelope: Any) -> dict[str, Any]:
    """The customer orders, in a session if one is given."""
    line = {"line_number": 1, "product_id": "desk", "sku": "sku-desk", "quantity": 1, "unit_price": "10.00"}
    data = {"order_id": order, "customer_id": customer, "channel": "email", "device": "mobile", "country": "DE"}
    data |= {"currency": "EUR", "lines": [line | {"discount": "0.00", "tax": "1.90"}], "subtotal": "10.00"}
    data |= {"discount": "0.00", "shipping": "0.00", "tax": "1.90", "total": "11.90"}
    return event("shop.order.placed.v1", order, data | ({"session_id": session} if session else {}), **envelope)


def product(product_id: str, **envelope: Any) -> dict[str, Any]:
    """A product enters the catalogue."""
    data = {"product_id": product_id, "sku": f"sku-{product_id}", "name": "Desk", "brand": "Holz", "category": "home"}
    data |= {"subcategory": "desks", "price": "10.00", "cost": "5.00", "currency": "EUR"}
    return event("shop.product.created.v1", product_id, data, **envelope)


class Road:
    """Lands events by the ingestion's own transaction, without a broker, and keeps the producer's ledger.

    Its events have one partition of every topic; two roads into one warehouse need different ones.
    """

    def __init__(self, settings: Settings, partition: int = 0) -> None:
        self.settings = settings
        self.partition = partition
        self.ledger = settings.ledger_dir / "produced" / f"road-{partition}.tsv"
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        self.connection = connect(settings, Role.INGEST, autocommit=True)
        prepare(self.connection)
        self.positions = {
            (topic.name, partition): begin_partition(
                self.connection, topic.name, partition, f"id-{topic.name}", 0, "road"
            )
            for topic in TOPICS
        }

    def land(
        self, *sent: dict[str, Any] | tuple[str, bytes], contract: Contract = CONTRACT, admit: Admit | None = None
    ) -> list[Written]:
        """Land events, or (topic, bytes), in one transaction."""
        at = {place: position.next_offset for place, position in self.positions.items()}
        messages = []
        for each in sent:
            if isinstance(each, dict):
                kind = re.sub(r"\.v\d+$", ".v1", each["type"])
                topic, value, event_id = TOPIC_OF_TYPE[kind].name, json.dumps(each).encode(), each["id"]
                time = each["time"]
            else:
                (topic, value), event_id, time = each, str(uuid.uuid4()), START.isoformat()
            place = (topic, self.partition)
            messages.append(Stored(*place, at[place], value, [("ce_id", event_id.encode())]))
            with self.ledger.open("a") as file:
                file.write(f"{event_id}\t{topic}\t{self.partition}\t{at[place]}\t{time}\n")
            at[place] += 1
        marks = {place: Mark(position.next_offset) for place, position in self.positions.items()}
        batch = sort_messages(sorted(messages, key=lambda m: (m.topic(), m.offset())), marks, contract=contract)
        written = write_batch(self.connection, batch, self.positions, writer="road", admit=admit)
        for done in written:
            self.positions[done.position.topic, done.position.partition] = done.position
        return written

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


def rows(settings: Settings, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the administrator."""
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        return admin.execute(query, parameters or None).fetchall()


def places_with(settings: Settings, values: tuple[str, ...] = PLANTED) -> dict[str, int]:
    """Return every table and view of every schema in whose rows one of ``values`` stands, with how many rows."""
    pattern = "|".join(map(re.escape, values))
    found = {}
    with connect(settings, Role.ADMIN) as admin:
        admin.execute("set bytea_output = 'escape'")  # bytes as what they spell
        relations = admin.execute(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'v', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema')"
            " order by 1, 2"
        ).fetchall()
        assert len(relations) > 20
        for schema, name in relations:
            query = sql.SQL("select count(*) from {} as line where line::text ~* %s")
            ((count,),) = admin.execute(query.format(sql.Identifier(schema, name)), [pattern]).fetchall()
            if count:
                found[f"{schema}.{name}"] = count
    return found


def later(**delta: int) -> dt.datetime:
    """Return a time after the usual one."""
    return START + dt.timedelta(**delta)
