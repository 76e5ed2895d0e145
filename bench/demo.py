"""The time of ``make demo-once`` from an empty data folder, packages being there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError

_AIM_SECONDS = 180.0


def run() -> list[dict[str, Any]]:
    """Run it once; the reference is the aim of three minutes."""
    folder = Path(tempfile.mkdtemp(prefix="shop-bench-demo-"))
    folder.chmod(0o755)
    started = time.perf_counter()
    try:
        # By itself a demo ends everything on SIGTERM; one that is killed because this one was interrupted does not.
        process = subprocess.Popen(
            [sys.executable, "-m", "shop_platform.cli", "demo", "--exit"],
            env=os.environ | {"SHOP_DATA_DIR": str(folder / "data")},
            stdout=sys.stderr,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
        )
        try:
            code = process.wait()
        finally:
            process.terminate()
            process.wait()
    finally:
        seconds = time.perf_counter() - started
        shutil.rmtree(folder, ignore_errors=True)
    if code != 0:
        raise ShopError("`shop demo --exit` failed, so there is nothing to measure", "See its output above.")
    return [
        {
            "name": "demo.seconds",
            "value": round(seconds, 1),
            "unit": "s",
            "reference": _AIM_SECONDS,
            "ratio": round(seconds / _AIM_SECONDS, 2),
            "command": "make bench ONLY=demo",
        }
    ]
