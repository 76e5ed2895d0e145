"""Land hand-written events at a chosen moment: what is late depends on when it landed, not only on when it happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e


def land_at(settings: Settings, moment: str | dt.datetime, events: Iterable[e.Event]) -> None:
    """Land ``events`` in one transaction as if it had begun at ``moment`` (UTC): rows and ledger say so."""
    landed = e.at(moment)
    with connect(settings, Role.ADMIN) as connection:
        events = list(events)
        e.land(connection, events)
        for topic in {event.topic for event in events}:
            connection.execute(
                f"update raw.{topic} set ingested_at = %s where _xid = pg_current_xact_id()",
                [landed],
            )
        connection.execute(
            "update ops.ingest_batches set committed_at = %s where _xid = pg_current_xact_id()", [landed]
        )
