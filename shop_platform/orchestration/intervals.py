"""How often sensors look: as often as each needs, or more often when a variable says so."""

from __future__ import annotations

import os

from shop_platform.errors import ShopError

SENSOR_VARIABLE = "SHOP_SENSOR_SECONDS"
"""The longest time between two looks of any sensor, in whole seconds; empty: each has its own."""


def sensor_interval(own: int) -> int:
    """Return the interval of a sensor that wants ``own`` seconds; raise :class:`ShopError` for what is no number."""
    text = os.environ.get(SENSOR_VARIABLE, "") or str(own)
    if not text.isdecimal() or int(text) == 0:
        raise ShopError(f"{SENSOR_VARIABLE}={text!r} is not a number of seconds", "Set it to 10, or leave it out.")
    return min(own, int(text))
