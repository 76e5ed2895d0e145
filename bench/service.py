"""The real ``shop ingest`` as a child process of a measurement, and the processor time of process trees."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil

from shop_platform.children import die_with_parent
from shop_platform.settings import Settings


@contextlib.contextmanager
def running_service(settings: Settings, processes: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``shop ingest`` until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest", "--processes", str(processes)],
        env=os.environ | settings.process_environment() | {"SHOP_INGEST_REPORT_SECONDS": "0"},
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree_cpu_seconds(pid: int) -> float:
    """Return the processor seconds that ``pid`` and its living descendants have used."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for member in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = member.cpu_times()
                total += times.user + times.system
    return total


def tree_memory_bytes(pid: int) -> int:
    """Return the resident bytes of ``pid`` and its descendants (shared pages count in each)."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for member in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total
