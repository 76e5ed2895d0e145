"""The record of who did what to which dead letter, when, why and with which outcome."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shop_platform.ingest.bury import printable
from shop_platform.ingest.offsets import Connection


@dataclass(frozen=True)
class Action:
    """One step of one letter."""

    letter_id: int
    action: str
    outcome: str
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def default_actor() -> str:
    """Return who calls, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def record(connection: Connection, actor: str, actions: Sequence[Action]) -> None:
    """Write ``actions`` in the caller's transaction.

    A replay that found a letter just as invalid as the replay before it adds nothing: a replay that runs every hour
    must not fill the record.
    """
    if not actions:
        return
    connection.execute(
        "insert into ops.dead_letter_actions (dead_letter_id, action, actor, reason, outcome, detail)"
        " select n.dead_letter_id, n.action, %(actor)s, n.reason, n.outcome, n.detail::jsonb"
        " from unnest(%(ids)s::bigint[], %(actions)s::text[], %(reasons)s::text[], %(outcomes)s::text[],"
        " %(details)s::text[]) with ordinality as n (dead_letter_id, action, reason, outcome, detail, place)"
        " where n.outcome <> 'still_invalid' or n.detail <> '{}' or ("
        "select a.outcome from ops.dead_letter_actions as a where a.dead_letter_id = n.dead_letter_id"
        " order by a.action_id desc limit 1) is distinct from 'still_invalid'"
        " order by n.place",
        {
            "actor": printable(actor),
            "ids": [action.letter_id for action in actions],
            "actions": [action.action for action in actions],
            "reasons": [printable(action.reason) for action in actions],
            "outcomes": [action.outcome for action in actions],
            "details": [json.dumps(action.detail) for action in actions],
        },
    )


def history(connection: Connection, letter_id: int) -> list[dict[str, Any]]:
    """Return every step of a letter, oldest first."""
    rows = connection.execute(
        "select at, action, outcome, actor, reason, detail from ops.dead_letter_actions where dead_letter_id = %s"
        " order by action_id",
        [letter_id],
    ).fetchall()
    return [
        {"at": at.isoformat(), "action": action, "outcome": outcome, "by": by, "because": reason, "detail": detail}
        for at, action, outcome, by, reason, detail in rows
    ]
