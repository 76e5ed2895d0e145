"""What the commands about dead letters and landed events share: settings, who acts, and safe output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shop_platform.settings import Settings

By = Annotated[str, typer.Option(help="Who decides; default: you, on this machine.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def load_settings() -> Settings:
    """Return the settings, with logging configured by them."""
    from shop_platform.logs import configure_logging
    from shop_platform.settings import get_settings

    settings = get_settings()
    configure_logging(settings)
    return settings


def actor(by: str) -> str:
    """Return who acts: ``by`` if it names somebody, else the user on this machine."""
    from shop_platform.dead_letters.audit import default_actor

    return by.strip() or default_actor()


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that may hold characters which this terminal's encoding lacks."""
    for line in lines:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def print_json(document: Any) -> None:
    """Print one JSON document; times as ISO 8601, other unknown values as text."""
    sys.stdout.write(json.dumps(document, indent=2, default=plain) + "\n")


def plain(value: Any) -> str:
    """Return a value that JSON does not know as text: times as ISO 8601."""
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
