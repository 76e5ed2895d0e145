"""Give child processes a clock that can be turned while they run.

libfaketime is the usual means and fails us: under Debian's, ``time.sleep`` is an error (or, with the other setting, a
thread's wait never ends), and under the newest from PyPI librdkafka never ends, as it waits by C11's ``cnd_timedwait``.
So these are some lines of C, compiled when they are needed. Every process must see the same clock: Python, PostgreSQL,
the broker.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "SHOP_TEST_CLOCK"
_SOURCE = Path(__file__).with_suffix(".c")
_LIBRARY = "turned_clock.so"


class TurnedClock:
    """The clock in a file: seconds by which the time of day is ahead of the machine's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_this_process(cls) -> TurnedClock:
        """Return the clock that this process was started with."""
        return cls(Path(os.environ[VARIABLE]))

    @property
    def seconds(self) -> int:
        """By how much it is turned."""
        return int(struct.unpack("=q", self.path.read_bytes())[0])

    def turn_by(self, seconds: int) -> None:
        """Turn it on, for every process at once; in place, because they have mapped the file."""
        with self.path.open("r+b") as file:
            file.write(struct.pack("=q", self.seconds + seconds))


def new_clock(folder: Path, now: dt.datetime) -> tuple[TurnedClock, dict[str, str]]:
    """Return a clock that stands at ``now`` and the variables that give it to a process and all its children.

    Anybody may read ``folder`` afterwards: PostgreSQL runs as another user.
    """
    library = _compile(folder)
    path = folder / "clock"
    path.write_bytes(struct.pack("=q", round((now - dt.datetime.now(dt.UTC)).total_seconds())))
    folder.chmod(0o755)
    path.chmod(0o644)
    return TurnedClock(path), {"LD_PRELOAD": str(library), VARIABLE: str(path)}


@cache
def clock_available() -> tuple[bool, str]:
    """Say whether clocks can be turned here, and why not."""
    if shutil.which("cc") is None:
        return False, "no C compiler `cc` on the PATH (Debian: gcc and libc6-dev)"
    with tempfile.TemporaryDirectory() as name:
        wanted = dt.datetime(2040, 2, 3, 12, tzinfo=dt.UTC)
        try:
            _, variables = new_clock(Path(name), wanted)
        except subprocess.CalledProcessError as error:
            return False, f"the clock cannot be compiled: {error.stderr.strip().splitlines()[:1]}"
        told = subprocess.run(
            [sys.executable, "-c", "import datetime; print(datetime.date.today())"],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    if told.stdout.strip() != "2040-02-03":
        return False, f"a preloaded clock is not heeded here: {(told.stdout + told.stderr).strip()[-200:]}"
    return True, ""


def _compile(folder: Path) -> Path:
    library = folder / _LIBRARY
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, _SOURCE, "-ldl"],
        capture_output=True,
        text=True,
        check=True,
    )
    library.chmod(0o755)
    return library
