"""A PostgreSQL and a broker of a measurement's own, gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Settings, load
from shop_platform.warehouse.migrate import migrate


@contextlib.contextmanager
def measuring_stack() -> Iterator[tuple[Settings, EmbeddedPostgres]]:
    """Give settings of a migrated warehouse and a broker with the contract's topics."""
    folder = Path(tempfile.mkdtemp(prefix="shop-bench-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pgdata", any_free(), "dev-only-admin", folder / "postgres.log")
    try:
        server.start()
        with start_broker_process(folder / "broker") as broker:
            settings = load(
                data_dir=folder, pg_host="127.0.0.1", pg_port=server.port, kafka_bootstrap=f"127.0.0.1:{broker.port}"
            )
            migrate(settings)
            ensure_topics(settings)
            yield settings, server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
