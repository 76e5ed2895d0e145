"""A PostgreSQL and a broker of a measurement's own, gone afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.local.scratch import scratch_warehouse
from shop_platform.settings import Settings


@contextlib.contextmanager
def measuring_stack() -> Iterator[tuple[Settings, EmbeddedPostgres]]:
    """Give settings of a migrated warehouse and a broker with the contract's topics."""
    with scratch_warehouse(broker=True) as (settings, server):
        ensure_topics(settings)
        yield settings, server
