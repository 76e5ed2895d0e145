"""The dashboard as it is served for real: its own process, gunicorn, a free port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shop_platform.local.ports import any_free
from shop_platform.settings import Settings


@dataclass(frozen=True)
class Site:
    url: str
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def serve(settings: Settings, folder: Path) -> Iterator[Site]:
    """Serve with ``settings`` on a free port (it looks for new data every second) until the block ends."""
    port = any_free()
    told = settings.model_copy(update={"dashboard_port": port, "dashboard_refresh_seconds": 1})
    log = folder / "dashboard.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard.serve"],
            env={**os.environ, **told.process_environment()},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process, log)
        yield Site(url, told, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the dashboard ended: {log.read_text()}")
        try:
            httpx.get(f"{url}/", timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the dashboard did not answer: {log.read_text()}")
