"""Erase a customer: ask for it by an event, wait until it has landed, and look whether anything is left."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql

from shop_platform.errors import ShopError
from shop_platform.events.personal import ERASURE, PERSONAL_FIELDS, Owner
from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.events.types import CustomerErased
from shop_platform.generator.ledger import Ledger, next_run, produced_lines
from shop_platform.generator.message import Message
from shop_platform.generator.producer import LedgeredProducer
from shop_platform.ingest.erase import all_erased, erase_customers, erase_details, hold_alone, people_of
from shop_platform.ingest.kept import count_texts
from shop_platform.ingest.mentions import Person, Sought
from shop_platform.ingest.offsets import Connection
from shop_platform.ingest.redact import find_letters, redact
from shop_platform.ingest.until_end import Progress, ingest_until_end
from shop_platform.ingest.whose import orders_of, personal_of, sessions_of
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

EVENT_TYPE = f"{ERASURE}.v1"
SOURCE = "/shop/erase"
_LEDGER = "erase"
_NAMESPACE = uuid.UUID("0f9c5f1e-6f0e-5b1b-9a5e-3f1d2c7b8a60")
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Found:
    """What there is of a customer, in numbers.

    ``personal_data``, ``search_words``, ``of_orders`` (what orders hold, such as a coupon that is none), ``texts`` (in
    raw: town, pages seen, a coupon that nobody else has), ``dead_letters`` (their content mentions the customer) and
    ``unsplit`` (rows of raw that hold personal fields: an older version wrote them) have to go; ``waiting`` are those
    of the dead letters that a replay might still land. Events stay in raw, without what is personal.
    """

    personal_data: int
    search_words: int
    of_orders: int
    texts: int
    dead_letters: int
    waiting: int
    unsplit: int
    events: int
    orders: int
    erased_at: dt.datetime | None

    @property
    def known(self) -> bool:
        """Whether anything at all is there of the customer."""
        return bool(self.personal + self.events + self.orders) or self.erased_at is not None

    @property
    def personal(self) -> int:
        """How much is there that erasure removes."""
        parts = (self.personal_data, self.search_words, self.of_orders, self.texts, self.dead_letters, self.unsplit)
        return sum(parts)


@dataclass(frozen=True)
class Erasure:
    """What was there before and what is left; ``sent`` tells whether an event asked for it now."""

    customer_id: str
    sent: bool
    found: Found
    left: Found

    @property
    def complete(self) -> bool:
        """Whether nothing personal is left."""
        return self.left.erased_at is not None and self.left.personal == 0

    def as_dict(self) -> dict[str, Any]:
        """Return everything for ``--json``."""
        return {"customer_id": self.customer_id, "complete": self.complete, "sent": self.sent} | {
            "found": asdict(self.found),
            "left": asdict(self.left),
        }


@dataclass
class Reapplied:
    """How many customers had asked, and what of theirs was still there."""

    customers: int = 0
    personal_data: int = 0
    dead_letters: int = 0


def check(customer_id: str, reason: str) -> None:
    """Raise :class:`ShopError` when an event about these could not be valid."""
    try:
        msgspec.convert({"customer_id": customer_id, "reason": reason}, CustomerErased)
    except msgspec.ValidationError as error:
        wrong = "reason" if "$.reason" in str(error) else "customer_id"
        text = {"customer_id": customer_id, "reason": reason}[wrong]
        raise ShopError(
            f"'{text}' is not a {wrong} of the contract",
            "An id has letters, digits and ._:- (never an e-mail address); a reason is one word such as request.",
        ) from error


def look(settings: Settings, customer_id: str, known_as: Iterable[Person] = ()) -> Found:
    """Return what there is of ``customer_id`` now. ``known_as``: who that was, if nothing may be left to tell."""
    with connect(settings, Role.INGEST) as connection:
        return _look(connection, customer_id, known_as)


def _look(connection: Connection, customer_id: str, known_as: Iterable[Person]) -> Found:
    people = people_of(connection, [customer_id]) | set(known_as)
    letters = find_letters(connection, Sought([customer_id], people))
    row = connection.execute(
        sql.SQL(
            "select (select count(*) from pii.personal_data where customer_id is not null and subject = %(id)s),"
            " (select count(*) from pii.personal_data where customer_id is null and {of_sessions} and subject = any("
            "array(select s.session_id from ({sessions}) as s))),"
            " (select count(*) from pii.personal_data where customer_id is null and {of_orders} and subject = any("
            "array(select o.order_id from ({orders}) as o))),"
            " (select count(*) from raw.customers where subject = %(id)s and {details})"
            " + (select count(*) from raw.web where subject in ({sessions}) and {words}),"
            " (select count(*) from raw.customers where subject = %(id)s),"
            " (select count(*) from raw.orders where data ->> 'customer_id' = %(id)s"
            " and starts_with(event_type, 'shop.order.placed.v')),"
            " (select min(event_time) from raw.customers where subject = %(id)s and event_type like %(event)s)"
        ).format(
            sessions=sessions_of(),
            orders=orders_of(),
            of_sessions=personal_of(Owner.SESSION),
            of_orders=personal_of(Owner.ORDER),
            details=_has_any("shop.customer.created", "shop.customer.updated"),
            words=_has_any("shop.web.searched"),
        ),
        {"id": customer_id, "customers": [customer_id], "event": f"{ERASURE}.v%"},
    ).fetchone()
    assert row is not None
    details, words, of_orders, unsplit, events, orders, erased_at = row
    return Found(
        personal_data=details,
        search_words=words,
        of_orders=of_orders,
        texts=count_texts(connection, [customer_id]),
        dead_letters=len(letters),
        waiting=sum(letter.waits for letter in letters),
        unsplit=unsplit,
        events=events,
        orders=orders,
        erased_at=erased_at,
    )


def _has_any(*families: str) -> sql.Composed:
    """Return the condition that an event of one of ``families`` holds a personal field."""
    return sql.SQL("({})").format(
        sql.SQL(" or ").join(
            sql.SQL("(starts_with(event_type, {}) and data #> {} is not null)").format(
                sql.Literal(f"{name}.v"), sql.Literal(path.split("."))
            )
            for name in families
            for path in PERSONAL_FIELDS[name]
        )
    )


def erase(
    settings: Settings, customer_id: str, reason: str, *, force: bool = False, progress: Progress | None = None
) -> Erasure:
    """Erase what is personal about ``customer_id`` and return what was there and what is left.

    An event asks for it, under an id that follows from the customer's: whoever asks twice erases once. A running
    ingestion lands it, or this call reads up to the end of the topic. Raises :class:`ShopError` for a customer of whom
    there is nothing, unless ``force``: then whatever comes later is not kept.
    """
    check(customer_id, reason)
    with connect(settings, Role.INGEST) as connection:
        known_as = people_of(connection, [customer_id])
    found = look(settings, customer_id, known_as)
    if not found.known and not force:
        raise ShopError(
            f"There is nothing of a customer '{customer_id}' here; nothing was done",
            "Is the id right? --force asks for the erasure anyhow: what may come of this customer later is not kept.",
            exit_code=1,
        )
    event_id = str(uuid.uuid5(_NAMESPACE, customer_id))
    sent = found.erased_at is None
    if not sent:
        _complete_ledger(settings, event_id)
    if sent:
        _send(settings, customer_id, reason, event_id)
        ingest_until_end(settings, subjects=[TOPIC_OF_TYPE[EVENT_TYPE].subject], progress=progress)
    elif found.personal:
        with connect(settings, Role.INGEST) as connection:
            hold_alone(connection)
            erase_customers(connection, [customer_id])
    return Erasure(customer_id, sent, found, look(settings, customer_id, known_as))


def _complete_ledger(settings: Settings, event_id: str) -> None:
    """Write down our event if it landed and no ledger has it (a call was killed): sent again it tells another time."""
    with connect(settings, Role.INGEST) as connection:
        row: Any = connection.execute(
            "select kafka_partition, kafka_offset, event_time from raw.customers where event_id = %s", [event_id]
        ).fetchone()
    if row is None or any(line.event_id == event_id for path in _ledgers(settings) for line in produced_lines(path)):
        return
    partition, offset, event_time = row
    time = event_time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = Message(TOPIC_OF_TYPE[EVENT_TYPE].name, b"", b"", event_id, time, int(event_time.timestamp() * 1000))
    with Ledger(settings.ledger_dir, next_run(settings, _LEDGER)) as ledger:
        ledger.acknowledge(message, partition, offset)


def _ledgers(settings: Settings) -> list[Path]:
    return sorted((settings.ledger_dir / "produced").glob(f"{_LEDGER}-*.tsv"))


def _send(settings: Settings, customer_id: str, reason: str, event_id: str) -> None:
    now = dt.datetime.now(dt.UTC)
    time = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "time": time,
        "subject": customer_id,
        "datacontenttype": "application/json",
        "data": {"customer_id": customer_id, "reason": reason},
    }
    message = Message(
        TOPIC_OF_TYPE[EVENT_TYPE].name,
        customer_id.encode(),
        msgspec.json.encode(event),
        event_id,
        time,
        int(now.timestamp() * 1000),
    )
    with Ledger(settings.ledger_dir, next_run(settings, _LEDGER)) as ledger, LedgeredProducer(settings, ledger) as out:
        out.send(message)
        out.flush()


def reapply(settings: Settings) -> Reapplied:
    """Erase once more whatever is there of all customers whose erasure has landed: after a restore, or an upgrade."""
    done = Reapplied()
    with connect(settings, Role.INGEST, autocommit=True) as connection:
        with connection.transaction():
            customers = all_erased(connection)
        done.customers = len(customers)
        for first in range(0, len(customers), _AT_ONCE):
            with connection.transaction():
                hold_alone(connection)
                events, people = erase_details(connection, customers[first : first + _AT_ONCE])
                # Each with its details: a kill in between would forget by which address to look for letters.
                done.personal_data += events
                done.dead_letters += redact(connection, (), people)
        with connection.transaction():
            hold_alone(connection)
            done.dead_letters += redact(connection, customers)
    return done
