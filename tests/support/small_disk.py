"""A small file system in memory that a test can fill and free, for root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.suites import require


@dataclass(frozen=True)
class SmallDisk:
    """``folder`` is all there is room in; :meth:`fill` leaves none of it."""

    folder: Path

    def fill(self) -> None:
        """Write until the file system takes no more."""
        with (self.folder / "ballast").open("ab") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))

    def free(self) -> None:
        """Give the room back."""
        (self.folder / "ballast").unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a file system of ``size`` ("4m") at ``folder``; its tests carry the mark ``mount``."""
    require("mount", (shutil.which("mount") is not None, "there is no 'mount'"))
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(folder)], capture_output=True, check=False
    )
    why_not = f"no file system can be mounted here: {mount.stderr.decode(errors='replace').strip()}"
    require("mount", (mount.returncode == 0, why_not))
    try:
        yield SmallDisk(folder)
    finally:
        # Lazy: what a test left open must not keep the file system for ever.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
