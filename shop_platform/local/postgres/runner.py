"""Run PostgreSQL's programs on a data folder, as the user they may run as."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError
from shop_platform.local.postgres.programs import programs_for
from shop_platform.local.privileges import run_as, unprivileged_user, with_parents

_LITTLE_BYTES = 64 * 1024**2
_CAUSE = re.compile(r"\b(error|ERROR|FATAL|PANIC|HINT|DETAIL):|could not|cannot|invalid")


class Runner:
    """PostgreSQL's programs and the user they run as, for the database in ``data_dir``; close it when all have ended.

    Raises :class:`ShopError` when this process may start none of them.
    """

    def __init__(self, data_dir: Path) -> None:
        self.user = unprivileged_user(data_dir)
        self.programs = programs_for(self.user)

    def run(
        self, name: str, *arguments: str, data_dir: Path, pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its ``stdout`` is all that it said."""
        command = self._command(name, *arguments, data_dir=data_dir)
        with _explained(command[0]):
            return subprocess.run(
                command,
                **run_as(self.user),
                cwd=data_dir,
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                check=False,
            )

    def spawn(self, name: str, *arguments: str, data_dir: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program that writes into ``log`` and ends with this process."""
        command = self._command(name, *arguments, data_dir=data_dir)
        with _explained(command[0]):
            return subprocess.Popen(
                command,
                **run_as(self.user),
                cwd=data_dir,
                pass_fds=[] if self.programs.lock is None else [self.programs.lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - only prctl and signal are called
            )

    def close(self) -> None:
        """Remove what was copied."""
        self.programs.close()

    def _command(self, name: str, *arguments: str, data_dir: Path) -> list[str]:
        data_dir = data_dir.absolute()
        # A folder that the user cannot get to by its name is the working directory that the child was born into.
        named = self.user is None or self.user.first_out_of_reach(enter=with_parents(data_dir)) is None
        return [str(self.programs.bin / name), "-D", str(data_dir) if named else "/proc/self/cwd", *arguments]


def cause(text: str) -> str:
    """Return those of the last lines that name a cause, indented; the last lines where none does."""
    lines = text.strip().splitlines()[-12:]
    named = [line for line in lines if _CAUSE.search(line)]
    return "\n    ".join(["It said:", *(named or lines)[-6:]])


def room(folder: Path, text: str) -> str:
    """Return what is free on the disk of ``folder`` when that is little, or ``text`` says that it is full."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free >= _LITTLE_BYTES and "No space left on device" not in text:
        return ""
    files = f", and room for {disk.f_favail:,} more files" if disk.f_files else ""  # some file systems do not count
    return f"Free on the disk of {folder}: {free / 1024**2:,.0f} MB{files}."


@contextlib.contextmanager
def _explained(program: str) -> Iterator[None]:
    """Say why a program cannot be executed."""
    try:
        yield
    except OSError as error:
        noexec = Path(program).exists() and os.statvfs(program).f_flag & os.ST_NOEXEC
        raise ShopError(
            f"{error.filename or program} cannot be executed: {error.strerror}"
            + (", its file system is mounted noexec" if noexec else ""),
            "Move this folder to a file system that programs may be run from." if noexec else "",
        ) from error
