"""One embedded PostgreSQL server: start, wait until it answers, stop, kill."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

import psycopg

from shop_platform.errors import ShopError
from shop_platform.local.patience import STILL_SECONDS, Patience, work_of
from shop_platform.local.postgres.database import ADMIN, make_database
from shop_platform.local.postgres.programs import remove_leftovers
from shop_platform.local.postgres.runner import Runner, cause, room

_POLL_SECONDS = 0.05
# Of postmaster.pid, counted from 0 (PostgreSQL's LOCK_FILE_LINE_PM_STATUS).
_STATUS_LINE = 7


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
        self._log_start = 0
        self._options = [f"--{name}={value}" for name, value in (options or {}).items()]
        self._runner: Runner | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def note(self) -> str | None:
        """Return where a running server's programs were copied to, when they were, and why."""
        return self._runner.programs.note if self._runner else None

    def start(self, *, still_seconds: float = STILL_SECONDS) -> None:
        """Initialise on the first call, end a server that an earlier start left behind, start and wait.

        It is waited for as long as it works: recovery after a crash takes what it takes. Raises :class:`ShopError` with
        the last lines of the log when the server ends, or does nothing for ``still_seconds``.
        """
        try:
            self._runner = runner = self._runner or Runner(self.data_dir)
            make_database(runner, self.data_dir, self._password)
            self._end_leftover(runner)
            remove_leftovers()
            with self._open_log() as log:
                self._log_start = log.tell()
                arguments = ["-p", str(self.port), *self._options]
                self.process = runner.spawn("postgres", *arguments, data_dir=self.data_dir, log=log)
            self._wait_ready(self.process, still_seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self, *, timeout_seconds: float = 30) -> None:
        """Shut down fast and cleanly; kill what does not obey."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                try:
                    self.process.wait(timeout_seconds)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.process = None
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def kill(self) -> None:
        """SIGKILL the postmaster and wait until its children have noticed (fault injection)."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _open_log(self) -> IO[bytes]:
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            return self._log_path.open("ab")
        except OSError as error:
            raise ShopError(
                f"PostgreSQL's log {self._log_path} cannot be written: {error.strerror}",
                "Set SHOP_DATA_DIR to a folder that you may write.",
            ) from error

    def _end_leftover(self, runner: Runner) -> None:
        """End a server that still runs in this folder: its supervisor was killed, and two writers would ruin it."""
        if (self.data_dir / "postmaster.pid").exists():
            runner.run("pg_ctl", "stop", "-m", "fast", "-w", "-t", "30", data_dir=self.data_dir)

    def _wait_ready(self, process: subprocess.Popen[bytes], still_seconds: float) -> None:
        patience = Patience(work_of(process.pid), still_seconds)
        while True:
            if process.poll() is not None:
                self._fail(f"PostgreSQL ended at once with code {process.returncode}")
            if in_vain := patience.spent():
                self._fail(f"PostgreSQL did not accept connections: {in_vain}")
            if not self._says_ready(process.pid):
                time.sleep(_POLL_SECONDS)
                continue
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
                    raise ShopError(
                        f"The database in {self.data_dir} was made with another password",
                        "Its secrets file is gone; `shop reset` starts afresh (and removes the data).",
                    ) from error
                time.sleep(_POLL_SECONDS)

    def _says_ready(self, pid: int) -> bool:
        """Tell whether the server with this process id has noted that it is ready.

        Whoever answers on the port may be another server, with the same password: one that came first and because of
        which this one is about to end.
        """
        try:
            noted = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return False
        return len(noted) > _STATUS_LINE and noted[0].strip() == str(pid) and noted[_STATUS_LINE].strip() == "ready"

    def _fail(self, what: str) -> NoReturn:
        with self._log_path.open("rb") as log:
            log.seek(self._log_start)  # not what earlier servers said
            said = log.read().decode(errors="replace")
        raise ShopError(f"{what}. {cause(said)}", room(self.data_dir, said) or f"The whole log: {self._log_path}")
