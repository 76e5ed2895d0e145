"""How a person calls ``shop`` from where a message is read."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from shop_platform.settings import PROJECT_ROOT, Settings

_CALL = re.compile(r"(?<=`)shop(?= [a-z])")


def shop_command(settings: Settings) -> str:
    """Return ``SHOP_COMMAND``, or else the program of this environment, with the data folder unless it is the usual."""
    if settings.command:
        return settings.command
    program = Path(sys.prefix) / "bin" / "shop"
    called = shlex.quote(str(program)) if program.exists() else "shop"
    if settings.data_dir != PROJECT_ROOT / ".shop":
        called = f"SHOP_DATA_DIR={shlex.quote(str(settings.data_dir))} {called}"
    return called


def as_called_here(settings: Settings, text: str) -> str:
    """Return ``text`` with each `shop ...` between backticks as it can be pasted into a terminal."""
    return _CALL.sub(lambda _: shop_command(settings), text)
