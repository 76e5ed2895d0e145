"""The published contract with the bounds of event time that the settings give."""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

from shop_platform.events.decode import Contract
from shop_platform.settings import Settings


def contract_of(settings: Settings) -> Contract:
    """Return the contract by which ``settings`` have events read: their earliest day begins in the shop's zone."""
    return _contract(settings.event_time_earliest, settings.event_time_ahead_hours, settings.shop_tz)


@cache
def _contract(earliest: dt.date, ahead_hours: float, zone: str) -> Contract:
    midnight = dt.datetime.combine(earliest, dt.time(), ZoneInfo(zone))
    return Contract(earliest=midnight, ahead=dt.timedelta(hours=ahead_hours))
