"""Make ``old_stack.tar.xz``: what ``make demo``, run for a moment by the code that is checked out, leaves behind.

    .venv/bin/python -m tests.upgrade.make_stack

Only when an older stack need no longer go on: ``README.md`` says which code made the one that is stored. What a start
makes anew (dbt's and Dagster's files, logs) is left out, and PostgreSQL's folder is a dump: the folder itself would be
ten megabytes.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from shop_platform.local.ports import any_free
from shop_platform.local.postgres import ADMIN, BIN, EmbeddedPostgres
from shop_platform.settings import PROJECT_ROOT, Role, load
from shop_platform.warehouse.connect import connect
from tests.upgrade.old_stack import ARCHIVE, DUMP, FACTS

_DEMO = ("demo", "--exit", "--days", "2", "--orders-per-day", "6", "--rate", "2")
_KEPT = ("broker", "generator", "ledger", "ports.json", "secrets.json")
# Known ones: nothing that is committed may look like a secret.
_PASSWORDS = {role.value: f"dev-only-{role.value}" for role in Role}


def main() -> None:
    """Run the demo in a folder of its own and store what it leaves."""
    with tempfile.TemporaryDirectory(prefix="shop-old-stack-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "secrets.json").write_text(json.dumps(_PASSWORDS, indent=1))
        subprocess.run(
            [sys.executable, "-m", "shop_platform.cli", *_DEMO],
            env=os.environ | {"SHOP_DATA_DIR": name},
            cwd=PROJECT_ROOT,
            check=True,
        )
        (folder / FACTS).write_text(json.dumps(_dump(folder), indent=1) + "\n")
        with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
            for kept in (FACTS, DUMP, *_KEPT):
                archive.add(folder / kept, kept, filter=_plain)


def _dump(folder: Path) -> dict[str, Any]:
    """Write the whole server as SQL and return what a restore needs to know about it."""
    server = EmbeddedPostgres(folder / "pgdata", any_free(), _PASSWORDS[Role.ADMIN], folder / "postgres.log")
    server.start()
    try:
        settings = load(data_dir=folder, pg_port=server.port, pg_admin_password=_PASSWORDS[Role.ADMIN])
        sql = subprocess.run(
            [
                *(BIN / "pg_dumpall", "--no-sync", "--exclude-database=postgres"),
                *("--host=127.0.0.1", f"--port={server.port}", f"--username={ADMIN}"),
            ],
            env=os.environ | {"PGPASSWORD": _PASSWORDS[Role.ADMIN]},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        # Every server has its administrator before anything is restored.
        (folder / DUMP).write_text(sql.replace(f"CREATE ROLE {ADMIN};\n", ""))
        with connect(settings, Role.ADMIN) as admin:
            (next_xid,) = admin.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone() or ()
    finally:
        server.stop()
    return {
        "made_by": _git("rev-parse", "HEAD"),
        "made_at": dt.datetime.now(dt.UTC).isoformat("T", "seconds"),
        "changed_files": _git("status", "--porcelain", "--untracked-files=no", "--", "shop_platform", "dbt_project"),
        "command": f"shop {' '.join(_DEMO)}",
        "next_transaction_id": next_xid,
    }


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=PROJECT_ROOT, text=True).strip()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out who owned it, and the broker's log file."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if member.name.endswith("/broker.log") else member


if __name__ == "__main__":
    main()
