"""Erase what is personal about customers who asked for it, in the transaction in which something of theirs lands."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from shop_platform.events.personal import ERASURE, Owner
from shop_platform.ingest.batch import People
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.kept import erase_texts
from shop_platform.ingest.mentions import Person, header_contents, words
from shop_platform.ingest.offsets import Connection
from shop_platform.ingest.redact import redact
from shop_platform.ingest.whose import ORDERED, of_family, orders_of, personal_of, sessions_of
from shop_platform.warehouse.locks import ERASURE_LOCK


def keep_apart(connection: Connection, people: People, *, letters: bool) -> None:
    """Let what this transaction writes about people and the erasures of other transactions see each other.

    Two transactions do not see what the other has not committed: one would find nothing to erase, the other no
    erasure, and personal data would stay. So whoever erases waits for those who write about people, and the reverse.
    To be called behind the fence, before anything is written: a writer that waits here must not be waited for.
    """
    if people.erased:
        hold_alone(connection)
    elif people or letters:
        connection.execute("select pg_advisory_xact_lock_shared(%s)", [ERASURE_LOCK])


def hold_alone(connection: Connection) -> None:
    """Wait until nobody else writes about people, and keep them waiting until this transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s)", [ERASURE_LOCK])


def forget(connection: Connection, people: People, letters: Sequence[DeadLetter] = ()) -> None:
    """Erase what has to be after a batch about ``people`` with these dead letters has been written.

    That is everything about customers whose erasure is in raw, whichever of their events came last. Nothing is asked
    of PostgreSQL for a batch without anybody.
    """
    mentioned = people.erased | people.named
    if letters and _anybody_erased(connection):
        for letter in letters:
            mentioned |= words(letter.key, letter.value, *header_contents(letter.headers))
    if people.ordering:
        mentioned |= _customers_of(connection, people.ordering)
    if mentioned and (gone := erased_among(connection, mentioned)):
        erase_customers(connection, gone)
    if people.searching:
        # Not one statement: without statistics the planner would compare every search with every session.
        found = connection.execute(
            "select session_id from pii.erased_sessions where session_id = any(%s)", [list(people.searching)]
        ).fetchall()
        if found:
            connection.execute(
                sql.SQL("delete from pii.personal_data where {} and subject = any(%s)").format(
                    personal_of(Owner.SESSION)
                ),
                [[session for (session,) in found]],
            )


def _anybody_erased(connection: Connection) -> bool:
    query = sql.SQL("select exists (select from raw.customers where {})").format(of_family(ERASURE))
    return connection.execute(query).fetchone() == (True,)


def erased_among(connection: Connection, customers: Collection[str]) -> list[str]:
    """Return those of ``customers`` that asked to be forgotten, in order."""
    rows = connection.execute(
        sql.SQL("select distinct subject from raw.customers where {} and subject = any(%s) order by 1").format(
            of_family(ERASURE)
        ),
        [list(customers)],
    ).fetchall()
    return [str(row[0]) for row in rows]


def all_erased(connection: Connection) -> list[str]:
    """Return every customer that asked to be forgotten, in order."""
    rows = connection.execute(
        sql.SQL("select distinct subject from raw.customers where {} order by 1").format(of_family(ERASURE))
    ).fetchall()
    return [str(row[0]) for row in rows]


def _customers_of(connection: Connection, orders: Collection[str]) -> set[str]:
    rows = connection.execute(
        sql.SQL(
            "select data ->> 'customer_id' from raw.orders where {ordered} and subject = any(%(orders)s)"
            " union select customer_id from ops.retractions where {ordered} and subject = any(%(orders)s)"
        ).format(ordered=of_family(ORDERED)),
        {"orders": list(orders)},
    ).fetchall()
    return {str(row[0]) for row in rows}


def erase_customers(connection: Connection, customers: Sequence[str]) -> None:
    """Erase everything personal about ``customers``: details, search words, texts, dead letters that mention them."""
    _, people = erase_details(connection, customers)
    redact(connection, customers, people)


def erase_details(connection: Connection, customers: Sequence[str]) -> tuple[int, set[Person]]:
    """Erase what is personal of ``customers`` in pii and raw; return of how many events of pii, and who they were.

    A dead letter may know somebody by the address alone, above all where that was its fault.
    """
    parameters = {"customers": list(customers)}
    connection.execute(
        sql.SQL("insert into pii.erased_sessions (session_id) {} on conflict do nothing").format(sessions_of()),
        parameters,
    )
    rows = connection.execute(
        sql.SQL("delete from pii.personal_data where {} returning customer_id, data").format(_theirs()), parameters
    ).fetchall()
    erase_texts(connection, customers)
    return len(rows), {Person.of(data) for customer_id, data in rows if customer_id is not None}


def people_of(connection: Connection, customers: Sequence[str]) -> set[Person]:
    """Return who ``customers`` are, as far as it is known."""
    rows = connection.execute(
        "select data from pii.personal_data where customer_id is not null and subject = any(%s)", [list(customers)]
    ).fetchall()
    return {Person.of(data) for (data,) in rows}


def _theirs() -> sql.Composed:
    """Return the condition that a row of ``pii.personal_data`` is about ``%(customers)s``."""
    return sql.SQL(
        "(customer_id is not null and subject = any(%(customers)s))"
        " or (customer_id is null and {} and subject = any(array(select s.session_id from ({}) as s)))"
        " or (customer_id is null and {} and subject = any(array(select o.order_id from ({}) as o)))"
    ).format(personal_of(Owner.SESSION), sessions_of(), personal_of(Owner.ORDER), orders_of())
