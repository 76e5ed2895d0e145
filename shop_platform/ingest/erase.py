"""Erase what is personal about customers who asked for it, in the transaction in which something of theirs lands."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from psycopg import sql

from shop_platform.events.personal import ERASURE, SESSION_OF_CUSTOMER
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.batch import People
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.offsets import Connection
from shop_platform.warehouse.locks import ERASURE_LOCK

REASON = "erased"
"""Why a dead letter was discarded, in the record of the desk."""
_ACTOR = "erasure"

# A word that may be an identifier of the contract, and what punctuation may stand around it.
_WORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]*")
_PUNCTUATION = b".:-"
_LONGEST_IDENTIFIER = 64


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
            mentioned |= words(letter.key, letter.value, *(content for _, content in letter.headers))
    if mentioned and (gone := erased_among(connection, mentioned)):
        erase_customers(connection, gone)
    if people.searching:
        # Not one statement: without statistics the planner would compare every search with every session.
        found = connection.execute(
            "select session_id from pii.erased_sessions where session_id = any(%s)", [list(people.searching)]
        ).fetchall()
        if found:
            connection.execute(
                "delete from pii.personal_data where customer_id is null and subject = any(%s)",
                [[session for (session,) in found]],
            )


def _of(family: str) -> sql.Composed:
    """Return the condition that an event is of ``family``; as the partial indexes have it, or they are not used."""
    return sql.SQL("starts_with(event_type, {})").format(sql.Literal(f"{family}.v"))


def _anybody_erased(connection: Connection) -> bool:
    query = sql.SQL("select exists (select from raw.customers where {})").format(_of(ERASURE))
    return connection.execute(query).fetchone() == (True,)


def erased_among(connection: Connection, customers: Collection[str]) -> list[str]:
    """Return those of ``customers`` that asked to be forgotten, in order."""
    rows = connection.execute(
        sql.SQL("select distinct subject from raw.customers where {} and subject = any(%s) order by 1").format(
            _of(ERASURE)
        ),
        [list(customers)],
    ).fetchall()
    return [str(row[0]) for row in rows]


def all_erased(connection: Connection) -> list[str]:
    """Return every customer that asked to be forgotten, in order."""
    rows = connection.execute(
        sql.SQL("select distinct subject from raw.customers where {} order by 1").format(_of(ERASURE))
    ).fetchall()
    return [str(row[0]) for row in rows]


def sessions_of() -> sql.Composed:
    """Return the query for the sessions that any event names together with one of ``%(customers)s``."""
    started, *others = SESSION_OF_CUSTOMER
    parts = [
        sql.SQL(
            "select subject as session_id from raw.web where {} and data ->> 'customer_id' is not null"
            " and data ->> 'customer_id' = any(%(customers)s)"
        ).format(_of(started))
    ]
    for name in others:
        table = next(t.subject for t in TOPICS for kind in t.event_types if kind.name.startswith(f"{name}.v"))
        parts.append(
            sql.SQL(
                "select data ->> 'session_id' from {} where {} and data ->> 'session_id' is not null"
                " and data ->> 'customer_id' = any(%(customers)s)"
            ).format(sql.Identifier("raw", table), _of(name))
        )
    # A retracted event is out of raw, and what it names is still a session of the customer's.
    parts.append(
        sql.SQL(
            "select session_id from ops.retractions where session_id is not null and customer_id = any(%(customers)s)"
        )
    )
    return sql.SQL(" union ").join(parts)


def erase_customers(connection: Connection, customers: Sequence[str]) -> None:
    """Erase everything personal about ``customers``: their details, search words, dead letters that mention them."""
    _, addresses = erase_details(connection, customers)
    redact(connection, customers, addresses)


def erase_details(connection: Connection, customers: Sequence[str]) -> tuple[int, set[str]]:
    """Erase the details and search words of ``customers``; return of how many events, and the addresses among them.

    A dead letter may know somebody by the address alone, above all where that was its fault.
    """
    customers = list(customers)
    connection.execute(
        sql.SQL("insert into pii.erased_sessions (session_id) {} on conflict do nothing").format(sessions_of()),
        {"customers": customers},
    )
    rows = connection.execute(
        sql.SQL(
            "delete from pii.personal_data where (customer_id is not null and subject = any(%(customers)s))"
            " or (customer_id is null and subject = any(array(select s.session_id from ({}) as s)))"
            " returning data ->> 'email'"
        ).format(sessions_of()),
        {"customers": customers},
    ).fetchall()
    return len(rows), {str(row[0]) for row in rows if row[0] is not None and "@" in row[0]}


def words(*contents: bytes | None) -> set[str]:
    """Return everything in ``contents`` that may be an identifier."""
    found = set()
    for content in contents:
        for word in set(_WORD.findall(content or b"")):
            found |= {word, word.rstrip(_PUNCTUATION)}
    return {word.decode() for word in found if 0 < len(word) <= _LONGEST_IDENTIFIER}


# All that a letter holds of the message; the separator is part of no identifier.
_CONTENT = (
    "coalesce(message_key, '') || '\\x20'::bytea || coalesce(message_value, '') || '\\x20'::bytea"
    " || coalesce(fixed_value, '') || '\\x20'::bytea || convert_to(headers::text, 'UTF8')"
)
# First bytes, which is quick, then whether an identifier stands there alone: 'anna' is not mentioned by 'anna-2'.
MENTIONS = sql.SQL(
    "erased_at is null and exists (select from unnest(%(names)s::text[], %(patterns)s::text[]) as n (name, pattern)"
    " where case when position(convert_to(n.name, 'UTF8') in {content}) = 0 then false when n.pattern is null then true"
    " else regexp_replace(encode({content}, 'escape'), '\\\\[0-7]{{3}}', ' ', 'g') ~ n.pattern end)"
).format(content=sql.SQL(_CONTENT))


def needles(customers: Iterable[str], addresses: Iterable[str] = ()) -> dict[str, list[Any]]:
    """Return the parameters of :data:`MENTIONS`: customers as whole identifiers, addresses as they are."""
    ends = "[^A-Za-z0-9._:-]"
    found: list[tuple[str, str | None]] = [
        (name, f"(^|{ends})[._:-]*{name.replace('.', '[.]')}[.:-]*($|{ends})") for name in customers
    ]
    found += [(address, None) for address in sorted(addresses)]
    return {"names": [name for name, _ in found], "patterns": [pattern for _, pattern in found]}


def redact(connection: Connection, customers: Iterable[str], addresses: Iterable[str] = ()) -> int:
    """Remove the content of dead letters that mention one of these; return how many.

    Letters that wait are discarded, on record. One whose event has landed goes on waiting: a replay settles it as a
    duplicate, as it would have. Size and hash of the value stay in the record, the reason without what it quotes.
    """
    landed = sql.SQL(" or ").join(
        sql.SQL("exists (select from {} as r where r.event_id = d.event_id)").format(
            sql.Identifier("raw", topic.subject)
        )
        for topic in TOPICS
    )
    rows = connection.execute(
        sql.SQL(
            "select dead_letter_id, status, octet_length(message_value), encode(sha256(message_value), 'hex'), {}"
            " from ops.dead_letters as d where {} order by dead_letter_id for update"
        ).format(landed, MENTIONS),
        needles(customers, addresses),
    ).fetchall()
    if not rows:
        return 0
    ids, states, actions, details = [], [], [], []
    for letter_id, status, size, digest, has_landed in rows:
        given_up = status in {"open", "fixed"} and not has_landed
        ids.append(letter_id)
        states.append("discarded" if given_up else "open" if status == "fixed" else status)
        actions.append("discard" if given_up else "erase")
        details.append(json.dumps({"bytes": size, "sha256": digest}))
    connection.execute(
        "update ops.dead_letters as d set message_key = null, message_value = null, fixed_value = null,"
        " headers = '[]', error = error_sentence, erased_at = now(), status = n.status"
        " from unnest(%s::bigint[], %s::text[]) as n (dead_letter_id, status)"
        " where d.dead_letter_id = n.dead_letter_id",
        [ids, states],
    )
    connection.execute(
        "insert into ops.dead_letter_actions (dead_letter_id, action, actor, reason, outcome, detail)"
        " select n.dead_letter_id, n.action, %s, %s,"
        " case n.action when 'discard' then 'discarded' else 'erased' end, n.detail::jsonb"
        " from unnest(%s::bigint[], %s::text[], %s::text[]) as n (dead_letter_id, action, detail)",
        [_ACTOR, REASON, ids, actions, details],
    )
    return len(rows)


def mentioned_in_letters(connection: Connection) -> set[str]:
    """Return every word of every dead letter that may be an identifier; for few or many customers alike."""
    found: set[str] = set()
    for key, value, fixed, headers in _contents(connection):
        found |= words(key, value, fixed, str(headers).encode())
    return found


def _contents(connection: Connection) -> Iterator[tuple[Any, ...]]:
    with connection.cursor("letters") as cursor:
        cursor.itersize = 500
        cursor.execute(
            "select message_key, message_value, fixed_value, headers::text from ops.dead_letters"
            " where erased_at is null"
        )
        yield from cursor
