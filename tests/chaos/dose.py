"""How much chaos (SHOP_TEST_CHAOS=full, else a short dose) and by which seed (SHOP_TEST_CHAOS_SEED, else a new one).

A seed that is named also makes property tests repeat their examples (``tests/conftest.py``).
"""

from __future__ import annotations

import os
import random
from typing import TypeVar

import pytest

T = TypeVar("T")

_SIZES = ("short", "full")
_SIZE = os.environ.get("SHOP_TEST_CHAOS") or "short"
if _SIZE not in _SIZES:
    raise pytest.UsageError(f"SHOP_TEST_CHAOS is '{_SIZE}'; it must be one of {', '.join(_SIZES)}")

FULL = _SIZE == "full"
SEED = int(os.environ.get("SHOP_TEST_CHAOS_SEED") or random.SystemRandom().randrange(10**9))

REPEAT = f"{_SIZE} dose; the same again: SHOP_TEST_CHAOS={_SIZE} SHOP_TEST_CHAOS_SEED={SEED}"
"""What to set to see the same chaos again; part of every message of a failure."""

full_only = pytest.mark.skipif(not FULL, reason="full dose only (make chaos)")


def dose(short: T, full: T) -> T:
    """Return what this run is to take."""
    return full if FULL else short
