"""Field types shared by every event: money, identifiers, codes."""

from __future__ import annotations

from typing import Annotated

import msgspec

# Money travels as a decimal string beside the document's ``currency``: a JSON number would be read as a float
# by half of the world's parsers, and msgspec's Decimal lets NaN and Infinity through.
#
# Every pattern ends in `$(?!\n)`: Python's `$` alone also matches before a trailing line feed.
Amount = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{2,4})?$(?!\n)",
        description=(
            "A non-negative amount of money in the document's `currency`, with the decimals of ISO 4217: two for EUR,"
            " none for JPY, three for KWD. Two decimals are taken for every currency (zeros where it has none)."
        ),
        examples=["129.90"],
    ),
]
Currency = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{3}$(?!\n)", description="ISO 4217 currency code.", examples=["EUR"])
]
Country = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{2}$(?!\n)", description="ISO 3166-1 alpha-2 country code.", examples=["DE"])
]
Identifier = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$(?!\n)",
        description="An identifier that the shop gives, unique within its kind.",
        examples=["ord_00000042"],
    ),
]
Code = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]{0,63}$(?!\n)",
        description="A word of an open vocabulary in snake_case.",
        examples=["paid_search"],
    ),
]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Delta = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
LineNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event's ``data``. Unknown fields are kept in the warehouse and ignored here."""
