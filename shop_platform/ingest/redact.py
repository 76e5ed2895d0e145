"""Find the dead letters that mention somebody, and remove their content on record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from psycopg import sql

from shop_platform.events.registry import EVENT_TYPES, TOPICS
from shop_platform.ingest.mentions import Person, Sought, stored_header_contents
from shop_platform.ingest.offsets import Connection

REASON = "erased"
"""Why a dead letter was discarded, in the record of the desk."""
_ACTOR = "erasure"


class Mention(NamedTuple):
    """A dead letter that mentions somebody, and whether it waits for a replay."""

    letter_id: int
    waits: bool


def find_letters(connection: Connection, sought: Sought) -> list[Mention]:
    """Return the dead letters whose content mentions one of those ``sought``, in order.

    All of them are read: no index knows how a broken message may spell an address.
    """
    return [Mention(letter_id, waits) for letter_id, waits, contents in _letters(connection) if sought.is_in(*contents)]


def _letters(connection: Connection) -> Iterator[tuple[int, bool, list[bytes | str | None]]]:
    with connection.transaction(), connection.cursor("letters") as cursor:
        cursor.itersize = 500
        cursor.execute(
            "select dead_letter_id, status in ('open', 'fixed'), message_key, message_value, fixed_value, headers,"
            " error, event_type from ops.dead_letters where erased_at is null order by dead_letter_id"
        )
        for letter_id, waits, key, value, fixed, headers, error, event_type in cursor:
            yield letter_id, waits, [key, value, fixed, *stored_header_contents(headers), error, event_type]


def redact(connection: Connection, customers: Iterable[str], people: Iterable[Person] = ()) -> int:
    """Remove the content of dead letters that mention one of these; return how many.

    Letters that wait are discarded, on record. One whose event has landed goes on waiting: a replay settles it as a
    duplicate, as it would have. Size and hash of the value stay in the record, the reason without what it quotes.
    """
    sought = Sought(customers, people)
    mentions = find_letters(connection, sought) if sought else []
    if not mentions:
        return 0
    landed = sql.SQL(" or ").join(
        sql.SQL("exists (select from {} as r where r.event_id = d.event_id)").format(
            sql.Identifier("raw", topic.subject)
        )
        for topic in TOPICS
    )
    rows = connection.execute(
        sql.SQL(
            "select dead_letter_id, status, octet_length(message_value), encode(sha256(message_value), 'hex'), {},"
            " error_class, ops.reason_in_words(error_class, error) from ops.dead_letters as d"
            " where erased_at is null and dead_letter_id = any(%s) order by dead_letter_id for update"
        ).format(landed),
        [[mention.letter_id for mention in mentions]],
    ).fetchall()
    ids, states, actions, details, errors = [], [], [], [], []
    for letter_id, status, size, digest, has_landed, error_class, sentence in rows:
        given_up = status in {"open", "fixed"} and not has_landed
        ids.append(letter_id)
        states.append("discarded" if given_up else "open" if status == "fixed" else status)
        actions.append("discard" if given_up else "erase")
        details.append(json.dumps({"bytes": size, "sha256": digest}))
        # A quotation that holds a quotation mark is not taken out whole.
        errors.append(error_class if sought.is_in(sentence) else sentence)
    _remove(connection, ids, states, errors)
    connection.execute(
        "insert into ops.dead_letter_actions (dead_letter_id, action, actor, reason, outcome, detail)"
        " select n.dead_letter_id, n.action, %s, %s,"
        " case n.action when 'discard' then 'discarded' else 'erased' end, n.detail::jsonb"
        " from unnest(%s::bigint[], %s::text[], %s::text[]) as n (dead_letter_id, action, detail)",
        [_ACTOR, REASON, ids, actions, details],
    )
    return len(rows)


def _remove(connection: Connection, ids: list[int], states: list[Any], errors: list[Any]) -> None:
    connection.execute(
        "update ops.dead_letters as d set message_key = null, message_value = null, fixed_value = null,"
        " headers = '[]', error = n.error, erased_at = now(), status = n.status,"
        # Any other type is the message's own word.
        " event_type = case when regexp_replace(d.event_type, '[.]v[0-9]+$', '') = any(%s) then d.event_type end"
        " from unnest(%s::bigint[], %s::text[], %s::text[]) as n (dead_letter_id, status, error)"
        " where d.dead_letter_id = n.dead_letter_id",
        [sorted({kind.family for kind in EVENT_TYPES.values()}), ids, states, errors],
    )
    # A replay that found another fault has noted both reasons.
    connection.execute(
        "update ops.dead_letter_actions set detail = '{}'"
        " where dead_letter_id = any(%s) and outcome = 'still_invalid' and detail <> '{}'",
        [ids],
    )
