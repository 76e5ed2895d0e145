"""Make one line of a long error, and sentences of times; imports no Dagster, which takes seconds to load."""

from __future__ import annotations

import datetime as dt

INTERRUPTED = "it was interrupted: its process was told to end"
"""The reason of a run that was cut off, by the end of the stack or of its code server."""
JUDGED_AT = "judged_at"
"""The metadata of a result that is repeated: when it was found."""
_AGAIN = " (Judged "


def first_line(text: str | None) -> str | None:
    """Return the first line of ``text`` that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), None)


def span(length: dt.timedelta) -> str:
    """Return a length of time as a person says it: ``16 min``, ``2 h 5 min``, ``3 d 4 h``."""
    minutes = int(length.total_seconds() // 60)
    units = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    parts = [f"{count} {unit}" for unit, count in units.items() if count]
    return " ".join(parts[:2]) or "less than a minute"


def repeated(description: str | None, at: dt.datetime) -> str:
    """Return what a check said when it was last judged, for whoever builds only a part of what it compares."""
    said = (description or "It held.").partition(_AGAIN)[0]
    return f"{said}{_AGAIN}{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC, by a run that built all it reads.)"
