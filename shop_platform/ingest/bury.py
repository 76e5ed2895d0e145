"""Keep dead letters: every message that is no valid event, byte for byte, with the reason and where it stood."""

from __future__ import annotations

import json
from collections.abc import Sequence

from shop_platform.ingest.dead import DeadLetter, Headers
from shop_platform.ingest.offsets import Connection, Position


def bury(connection: Connection, letters: Sequence[tuple[Position, DeadLetter]]) -> None:
    """Write dead letters in the caller's transaction, each under the position's topic id and incarnation."""
    if not letters:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            'insert into ops.dead_letters (topic_id, incarnation, topic, partition, "offset", message_key,'
            " message_value, headers, message_time, error_class, error, schema_path, event_id, event_type, event_time,"
            " source)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s::double precision / 1000), %s, %s, %s, %s,"
            " %s, %s, %s)",
            [
                (
                    position.topic_id,
                    position.incarnation,
                    letter.topic,
                    letter.partition,
                    letter.offset,
                    letter.key,
                    letter.value,
                    headers_json(letter.headers),
                    letter.message_time_ms,
                    letter.error_class.value,
                    printable(letter.error),
                    printable(letter.schema_path),
                    letter.event_id,
                    printable(letter.event_type),
                    letter.event_time,
                    printable(letter.source),
                )
                for position, letter in letters
            ],
        )


def headers_json(headers: Headers) -> str:
    """Return headers as JSON pairs; a value that is not printable text is kept as hexadecimal."""
    pairs = []
    for name, value in headers:
        try:
            content: object = None if value is None else value.decode()
        except UnicodeDecodeError:
            content = {"hex": (value or b"").hex()}
        if isinstance(content, str) and "\x00" in content:
            content = {"hex": (value or b"").hex()}
        pairs.append([printable(name), content])
    return json.dumps(pairs)


def printable(text: str | None) -> str | None:
    """Return ``text`` as PostgreSQL can store it: an error message may quote the poison."""
    return None if text is None else text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()
