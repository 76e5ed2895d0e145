"""Make an empty database with the settings of the embedded server."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.local.postgres.runner import Runner, cause, room
from shop_platform.local.privileges import give_to

ADMIN = "shop_admin"

# Durable (fsync and synchronous_commit stay on), sized for a laptop. TCP on loopback only: a socket path would
# break in deep folders (107 bytes).
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '160MB'
work_mem = '24MB'
maintenance_work_mem = '96MB'
effective_cache_size = '1GB'
max_wal_size = '2GB'
checkpoint_completion_target = 0.9
wal_buffers = '16MB'
wal_compression = on
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d %a '
log_min_duration_statement = '5s'
"""


def make_database(runner: Runner, data_dir: Path, password: str) -> None:
    """Make a database in ``data_dir`` unless it holds one; ``password`` is that of :data:`ADMIN`.

    Raises :class:`ShopError` with the reason when there can be none.
    """
    if (data_dir / "PG_VERSION").exists() and (data_dir / "postgresql.auto.conf").exists():
        if runner.user is not None and data_dir.stat().st_uid == 0:
            owner = f"{runner.user.uid}:{runner.user.gid}"
            raise ShopError(
                f"The database in {data_dir} belongs to root, and PostgreSQL refuses to run as root",
                f"Give it to whom it runs as: chown -R {owner} {shlex.quote(str(data_dir))}",
            )
        return
    # initdb works beside the final place, so that a start that died half-way leaves nothing that looks whole.
    fresh = data_dir.with_name(data_dir.name + ".new")
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        for leftover in (fresh, data_dir):
            if leftover.exists():
                shutil.rmtree(leftover)
        fresh.mkdir(mode=0o700)
        give_to(runner.user, fresh)
        with _in_memory(password) as file:
            completed = runner.run(
                "initdb",
                f"--username={ADMIN}",
                f"--pwfile=/proc/self/fd/{file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
                data_dir=fresh,
                pass_fds=[file],
            )
        if completed.returncode != 0:
            raise ShopError(
                f"initdb could not make a database in {data_dir}. {cause(completed.stdout)}",
                room(data_dir.parent, completed.stdout),
            )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_CONFIGURATION)
        fresh.rename(data_dir)
    except OSError as error:
        raise ShopError(
            f"No database can be made in {data_dir}: {error.strerror} ({error.filename})",
            "Set SHOP_DATA_DIR to a folder that you may write.",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """Give a file that no folder holds, by its number, for a child that may enter no folder of this process."""
    number = os.memfd_create("password")
    try:
        os.write(number, text.encode())
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)
