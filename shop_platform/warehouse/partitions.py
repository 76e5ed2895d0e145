"""Have the partitions of raw tables made before anything needs them."""

from __future__ import annotations

from typing import Any

import psycopg
import structlog

log = structlog.get_logger(__name__)


def ensure_partitions(connection: psycopg.Connection[Any]) -> list[str]:
    """Make the partitions up to the end of next year and return the names of the new ones; any service may ask.

    A table that is busy for more than three seconds is left for the next call, with a warning: a year is time enough,
    and until then the default partition takes what belongs nowhere else. ``connection`` must not be in a transaction.
    """
    try:
        with connection.transaction():
            found = connection.execute("select ops.ensure_partitions()").fetchall()
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        log.warning("partitions_not_made", reason=str(error).splitlines()[0], then="the next start makes them")
        return []
    made = [str(row[0]) for row in found]
    if made:
        log.info("partitions_made", partitions=made)
    return made
