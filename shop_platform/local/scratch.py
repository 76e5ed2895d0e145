"""A warehouse of a job's own: a PostgreSQL in a temporary folder, migrated, gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shop_platform.kafka_security import UNSECURED
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.ports import Claims, any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.migrate import migrate

_PASSWORD = f"dev-only-{Role.ADMIN}"  # of a server that lives as long as the job


@contextlib.contextmanager
def scratch_warehouse(*, broker: bool = False) -> Iterator[tuple[Settings, EmbeddedPostgres]]:
    """Give settings of a migrated warehouse and its server; with ``broker``, of a running broker too."""
    folder = Path(tempfile.mkdtemp(prefix="shop-scratch-"))
    claims = Claims()
    server = EmbeddedPostgres(folder / "pgdata", any_free(claims.take), _PASSWORD, folder / "postgres.log")
    with contextlib.ExitStack() as running:
        running.callback(claims.close)
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        running.callback(server.stop)
        server.start()
        # A stack that runs in this checkout, or the shell, may tell other passwords and another Kafka.
        own: dict[str, Any] = {f"pg_{role.value}_password": f"dev-only-{role.value}" for role in Role} | UNSECURED
        if broker:
            started = running.enter_context(start_broker_process(folder / "broker"))
            own["kafka_bootstrap"] = f"127.0.0.1:{started.port}"
        settings = load(data_dir=folder, pg_host="127.0.0.1", pg_port=server.port, pg_database="shop", **own)
        migrate(settings)
        yield settings, server
