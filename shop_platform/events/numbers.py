"""Numbers that JSON can write and PostgreSQL cannot hold, found without reading a number as a float (pure)."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from shop_platform.events.faults import ContractViolation, ErrorClass
from shop_platform.events.places import Number, name_of, place_of

MOST_BEFORE, MOST_AFTER = 131_072, 16_383
"""How many digits PostgreSQL's `numeric`, and so `jsonb`, has before the point and after it."""
# A text is passed over whole: what looks like a number in it is none.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)', re.DOTALL)
_MOST_DIGITS_OF_EXPONENT = 9
# A path is shown to more people than a message, and may be made of names that are somebody's.
_PLAIN = re.compile(r"\$[a-z0-9_.\[\]]{1,200}")


def refused_number(data: bytes, event_type: str) -> ContractViolation | None:
    """Return why PostgreSQL refuses the ``data`` of a valid event, if a number in it is the reason."""
    if not any(found[1] and _is_out_of_range(found[1].decode()) for found in _TOKEN.finditer(data)):
        return None
    below = place_of(data.decode(), lambda text: isinstance(text, Number) and _is_out_of_range(text.lstrip("-")))
    path = "$.data" if below is None or not _PLAIN.fullmatch(below) else below.replace("$", "$.data", 1)
    told = f"`{name_of(path)}` holds a number that PostgreSQL cannot store"
    return ContractViolation(
        ErrorClass.DATABASE_REJECTED,
        f"{told}: it has more than {MOST_BEFORE:,} digits before the point or more than {MOST_AFTER:,} after it",
        path,
        event_type,
    )


def _is_out_of_range(number: str) -> bool:
    mantissa, _, exponent = number.lower().partition("e")
    size = exponent.lstrip("+-").lstrip("0")
    if len(size) > _MOST_DIGITS_OF_EXPONENT:
        return True  # of a zero too
    shift = int(size or 0) * (-1 if exponent[:1] == "-" else 1)
    whole, _, fraction = mantissa.partition(".")
    if len(fraction) - shift > MOST_AFTER:
        return True
    digits = whole + fraction
    first = len(digits) - len(digits.lstrip("0"))
    return first < len(digits) and len(whole) - first + shift > MOST_BEFORE


def decode_exactly(data: bytes | msgspec.Raw) -> Any:
    """Return a JSON document with its numbers as exact as PostgreSQL compares them; itself where it is too deep."""
    text = bytes(data)
    try:
        return json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return text
