"""Whom PostgreSQL runs as when this process is root, and what that user may not reach."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from shop_platform.errors import ShopError

_NOBODY = 65534
# To hand folders over, to look into them afterwards, to become another user, to end what runs as that user.
_NEEDED = {0: "CAP_CHOWN", 1: "CAP_DAC_OVERRIDE", 5: "CAP_KILL", 6: "CAP_SETGID", 7: "CAP_SETUID"}
# Asks the kernel, as that user: permission bits alone say nothing of access lists, and a process that only borrows
# the right to search folders is refused by access(2) all the same.
_FIRST_REFUSED = r"""
for wanted do
    path=${wanted#?}
    case $wanted in
        x*) [ -x "$path" ] ;;
        *) [ -r "$path" ] && { [ ! -d "$path" ] || [ -x "$path" ]; } ;;
    esac || { printf %s "$path"; exit 0; }
done
"""


class RunAs(TypedDict, total=False):
    """Arguments of :class:`subprocess.Popen` that start a child as another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class User:
    """The user that a server of this process runs as; ``None`` in its place means: the one that this process is."""

    uid: int
    gid: int

    def __str__(self) -> str:
        try:
            return f"'{pwd.getpwuid(self.uid).pw_name}'"
        except KeyError:
            return f"user {self.uid}"

    def first_out_of_reach(self, *, enter: Iterable[Path] = (), read: Iterable[Path] = ()) -> Path | None:
        """Return the first folder that this user may not ``enter``, or the first path that it may not ``read``."""
        wanted = [f"x{path}" for path in enter] + [f"r{path}" for path in read]
        probe = subprocess.run(
            ["/bin/sh", "-c", _FIRST_REFUSED, "sh", *wanted],
            **run_as(self),
            cwd="/",
            stdout=subprocess.PIPE,
            check=True,
        )
        return Path(os.fsdecode(probe.stdout)) if probe.stdout else None


def run_as(user: User | None) -> RunAs:
    """Return the arguments by which a child becomes ``user``, without root's groups."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def with_parents(path: Path) -> list[Path]:
    """Return the folders that lead to the folder ``path``, from the root down, and itself."""
    return [*reversed(path.parents), path]


def unprivileged_user(data_dir: Path | None = None) -> User | None:
    """Return whom PostgreSQL runs as when this process is root; ``None`` for an ordinary user.

    The owner of the database that ``data_dir`` holds, else the owner of these sources, else nobody. Raises
    :class:`ShopError` when this root may not start a process as somebody else.
    """
    if os.geteuid() != 0:
        return None
    missing = _missing_capabilities()
    if missing:
        raise ShopError(
            "PostgreSQL refuses to run as root, and this root may not start it as another user: it lacks"
            f" {', '.join(missing)}",
            "Run the same command as an ordinary user, or give the container these capabilities.",
        )
    for user in _candidates(data_dir):
        if _exists_here(user.uid, "uid_map") and _exists_here(user.gid, "gid_map"):
            return user
    raise ShopError(
        f"PostgreSQL refuses to run as root, and there is no other user here: the user namespace has no user {_NOBODY}",
        "Run the same command as an ordinary user.",
    )


def give_to(user: User | None, path: Path) -> None:
    """Make ``path`` (which exists) belong to ``user``."""
    if user is None:
        return
    try:
        os.chown(path, user.uid, user.gid)
    except OSError as error:
        raise ShopError(
            f"{path} cannot be given to {user}, whom PostgreSQL runs as: {error.strerror}",
            "Its file system keeps no owners, or lets root change none: set SHOP_DATA_DIR to a folder on another one.",
        ) from error


def _candidates(data_dir: Path | None) -> Iterator[User]:
    if data_dir is not None and data_dir.exists():
        data = data_dir.stat()
        if data.st_uid:
            yield User(data.st_uid, data.st_gid)
    sources = Path(__file__).stat()
    if sources.st_uid and _is_known(sources.st_uid):
        yield User(sources.st_uid, sources.st_gid)
    yield User(_NOBODY, _NOBODY)


def _is_known(uid: int) -> bool:
    """Tell whether the system knows a name: initdb refuses to work for a user without one."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _missing_capabilities() -> list[str]:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    return [name for bit, name in _NEEDED.items() if not effective >> bit & 1]


def _exists_here(number: int, name: str) -> bool:
    """Tell whether this process's user namespace has the user or group ``number``."""
    ranges = [line.split() for line in Path(f"/proc/self/{name}").read_text(encoding="utf-8").splitlines()]
    return any(int(first) <= number < int(first) + int(count) for first, _outside, count in ranges)
