"""The embedded stack's folder: one owner at a time, secrets, ports, and how other terminals find it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from shop_platform.errors import ShopError
from shop_platform.kafka_security import UNSECURED
from shop_platform.local.ports import Claims, first_free, preferred
from shop_platform.local.postgres.programs import remove_leftovers
from shop_platform.orchestration.names import LOCATION_INGESTION, LOCATION_WAREHOUSE
from shop_platform.settings import Role, Settings, load

# Enough for the data, the write-ahead log and the broker's log of a default demo.
_NEEDED_BYTES = 2 * 1024**3
_PREFERRED_PORTS = {
    "postgres": 54320,
    "broker": 59092,
    "dagster": 3000,
    "ingestion": 4266,
    "warehouse": 4267,
    "dashboard": 8050,
}


@dataclass(frozen=True)
class Ports:
    """The loopback ports of the stack."""

    postgres: int
    broker: int
    dagster: int
    ingestion: int
    warehouse: int
    dashboard: int

    @property
    def code(self) -> dict[str, int]:
        """The port of each of Dagster's code locations."""
        return {LOCATION_INGESTION: self.ingestion, LOCATION_WAREHOUSE: self.warehouse}


class StackFolder:
    """Holds the data folder for one supervisor; another one is told who has it. Use as a context manager.

    The lock is the kernel's (flock): it ends with its holder, so there is no stale lock.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self._lock: IO[str] | None = None
        self._claims = Claims()

    def __enter__(self) -> StackFolder:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = (self.data_dir / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise ShopError(
                f"The data folder {self.data_dir} cannot be used: {error.strerror}",
                "Set SHOP_DATA_DIR to a folder that you may write.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise ShopError(
                f"Another `shop` holds {self.data_dir} (process {owner or 'unknown'})",
                "Look at it with `shop status`, end it with Ctrl-C there, or use another SHOP_DATA_DIR.",
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        # A supervisor that was killed could not take this away.
        (self.data_dir / "stack.env").unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.data_dir / "stack.env").unlink(missing_ok=True)
        self._claims.close()
        if self._lock is not None:
            self._lock.close()

    def require_space(self, needed_bytes: int = _NEEDED_BYTES) -> None:
        """Raise :class:`ShopError` when the disk has less than ``needed_bytes`` free."""
        free = shutil.disk_usage(self.data_dir).free
        if free < needed_bytes:
            raise ShopError(
                f"Only {free / 1024**3:.1f} GB are free below {self.data_dir}; the stack needs"
                f" {needed_bytes / 1024**3:.0f} GB",
                "Free some space, or set SHOP_DATA_DIR to a larger disk.",
            )

    def choose_ports(self) -> tuple[Ports, list[str]]:
        """Return free ports, those of the last start where possible, and a sentence for each that had to move.

        They are claimed until the folder is given back: another stack passes them over.
        """
        remembered = self._read_json("ports.json")
        chosen: dict[str, int] = {}
        notes = []
        for name, default in preferred(_PREFERRED_PORTS).items():
            wanted = int(remembered.get(name, default))
            chosen[name] = first_free(wanted, taken=set(chosen.values()), claim=self._claims.take)
            if chosen[name] != wanted:
                notes.append(f"port {wanted} is taken: {name} listens on {chosen[name]}")
        self._write_json("ports.json", chosen)
        return Ports(**chosen), notes

    def passwords(self) -> dict[str, str]:
        """Return one random password per role, made once and readable by the owner only."""
        known = self._read_json("secrets.json")
        # A stack that older code made knows fewer roles.
        if missing := {role.value for role in Role} - known.keys():
            known |= {role: secrets.token_urlsafe(24) for role in sorted(missing)}
            self._write_json("secrets.json", known, mode=0o600)
        return {str(role): str(password) for role, password in known.items()}

    def publish(self, settings: Settings) -> None:
        """Write ``stack.env``, by which `shop` and dbt in another terminal find the running stack."""
        lines = [f'{name}="{value}"' for name, value in settings.process_environment().items()]
        self._write("stack.env", "\n".join(lines) + "\n", mode=0o600)

    def settings(self, ports: Ports) -> Settings:
        """Return the settings of the embedded stack: everything on loopback, random passwords."""
        passwords = {f"pg_{role}_password": password for role, password in self.passwords().items()}
        return load(
            data_dir=self.data_dir,
            pg_host="127.0.0.1",
            pg_port=ports.postgres,
            kafka_bootstrap=f"127.0.0.1:{ports.broker}",
            **UNSECURED,  # a login for another Kafka may stand in this shell
            dagster_url=f"http://127.0.0.1:{ports.dagster}",
            dagster_code_servers=",".join(f"{location}=127.0.0.1:{port}" for location, port in ports.code.items()),
            dashboard_port=ports.dashboard,
            dashboard_url=f"http://127.0.0.1:{ports.dashboard}",
            **passwords,
        )

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.data_dir / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write_json(self, name: str, content: object, *, mode: int = 0o644) -> None:
        self._write(name, json.dumps(content, indent=1), mode=mode)

    def _write(self, name: str, text: str, *, mode: int) -> None:
        # Written beside and renamed: a start that dies half-way leaves the old file whole.
        fresh = self.data_dir / f"{name}.new"
        fresh.touch(mode=mode)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.data_dir / name)


def reset(data_dir: Path) -> int:
    """Remove everything the embedded stack keeps; return the bytes freed. Refuses while a stack runs.

    That includes copies of PostgreSQL's programs whose server was killed.

    Raises :class:`ShopError` for a folder that no stack made, lest a wrong SHOP_DATA_DIR costs somebody's files.
    """
    if not data_dir.exists():
        return remove_leftovers()
    if any(data_dir.iterdir()) and not (data_dir / "lock").exists():
        raise ShopError(f"{data_dir} was not made by this stack: nothing was removed", "Check SHOP_DATA_DIR.")
    with StackFolder(data_dir):
        size = sum(path.lstat().st_size for path in data_dir.rglob("*") if path.is_file())
    try:
        shutil.rmtree(data_dir)
    except OSError as error:
        raise ShopError(
            f"{data_dir} could not be removed: {error.strerror} ({error.filename})",
            "When processes of a killed stack are still ending, call it again in a moment.",
        ) from error
    return size + remove_leftovers()
