"""Dash takes ``aria-*`` and ``data-*`` only as keywords with a hyphen, which Python cannot write plainly."""

from __future__ import annotations

from typing import Any


def attributes(**names: str) -> Any:
    """Return ``{"aria-label": ...}`` for ``aria_label=...``, to be unpacked into a component."""
    return {name.replace("_", "-"): value for name, value in names.items()}
