"""Run the `shop` command as a person would, against the services of a test."""

from __future__ import annotations

import os
import subprocess
import sys

from shop_platform.settings import Settings


def shop_command(settings: Settings, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Return exit code and output of `shop <arguments>`."""
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=os.environ | settings.process_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
