"""The stored stack, put back: its folder unpacked and its dump restored into a PostgreSQL of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import ADMIN, BIN, EmbeddedPostgres
from shop_platform.local.stack import Ports, StackFolder
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

ARCHIVE = Path(__file__).with_name("old_stack.tar.xz")
DUMP = "warehouse.sql"
FACTS = "facts.json"


@dataclass(frozen=True)
class OldStack:
    """PostgreSQL and the broker, running on what the old code left; nothing of the new code has touched it yet."""

    settings: Settings
    ports: Ports


@contextmanager
def restored(folder: Path) -> Iterator[OldStack]:
    """Put the stack into ``folder``, which everybody must be able to enter, and run it until the block ends."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    # The ports of the machine that made it mean nothing here; that they are remembered does.
    remembered = json.loads((folder / "ports.json").read_text())
    (folder / "ports.json").write_text(json.dumps({name: any_free() for name in remembered}))
    with StackFolder(folder) as stack:
        ports, _ = stack.choose_ports()
        settings = stack.settings(ports)
        unsafe = {"fsync": "off", "full_page_writes": "off"}
        server = EmbeddedPostgres(
            folder / "pgdata", ports.postgres, settings.password(Role.ADMIN), folder / "postgres.log", unsafe
        )
        server.start()
        try:
            _restore(settings, folder)
            with start_broker_process(folder / "broker", ports.broker):
                yield OldStack(settings, ports)
        finally:
            server.stop()


def _restore(settings: Settings, folder: Path) -> None:
    done = subprocess.run(
        [
            *(BIN / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={folder / DUMP}"),
            *(f"--host={settings.pg_host}", f"--port={settings.pg_port}", f"--username={ADMIN}", "postgres"),
        ],
        env=os.environ | {"PGPASSWORD": settings.password(Role.ADMIN)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    next_id = json.loads((folder / FACTS).read_text())["next_transaction_id"]
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        # Each turn takes a transaction id, until the server has come as far as the old one had.
        takes_one = f"pg_current_xact_id()::text::bigint < {int(next_id)}"
        admin.execute(f"do $$ begin while {takes_one} loop commit; end loop; end $$".encode())
