"""Make one line of a long error."""

from __future__ import annotations


def first_line(text: str | None) -> str | None:
    """Return the first line of ``text`` that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), None)
