"""Field types shared by every event: money, identifiers, codes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from shop_platform.events.countries import COUNTRIES
from shop_platform.events.currencies import CURRENCIES

# Money travels as a decimal string beside the document's ``currency``: a JSON number would be read as a float
# by half of the world's parsers, and msgspec's Decimal lets NaN and Infinity through.
#
# Every pattern that the decoder applies ends in `$(?!\n)`: Python's `$` alone also matches before a trailing line feed.
# What is published says the same without lookaheads, which Go's RE2 does not know (json_schema.py).
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
if TYPE_CHECKING:
    Currency = str
    Country = str
else:
    Currency = Annotated[
        Literal[CURRENCIES],
        msgspec.Meta(description="ISO 4217 currency code, of a currency that has a minor unit.", examples=["EUR"]),
    ]
    Country = Annotated[
        Literal[COUNTRIES],
        msgspec.Meta(
            description="ISO 3166-1 alpha-2 country code; XK is Kosovo, ZZ a country that is not known.",
            examples=["DE"],
        ),
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
# What the decoder takes of a date and a time, written down for the published schema: a day of the calendar.
_DATE = (
    r"([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))"
    r"|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
_NO_YEAR = {"not": {"pattern": r"^0000|\n"}}
Day = Annotated[
    dt.date,
    msgspec.Meta(
        description="A day, written year-month-day.",
        examples=["2026-03-31"],
        extra_json_schema={"pattern": f"^{_DATE}$", **_NO_YEAR},
    ),
]
Time = Annotated[
    dt.datetime,
    msgspec.Meta(
        tz=True,
        description=(
            "When it happened: a date and time with seconds and an offset from UTC, as RFC 3339 writes them. As there,"
            " `t`, `z` and a space for `T` are taken; so is an offset without a colon. Hour 24 and leap seconds are"
            " not. Microseconds are kept, further digits rounded."
        ),
        examples=["2026-03-31T09:30:00+02:00"],
        extra_json_schema={"pattern": f"^{_DATE}[Tt ]{_TIME}$", **_NO_YEAR},
    ),
]
# The signs themselves instead of escapes, which each language writes in another way: what lies between them is neither
# NUL nor half of a surrogate pair.
STORABLE = "^[\\x01-\ud7ff\ue000-\U0010ffff]*$"
"""Pattern of the texts that can be stored."""
Text = Annotated[str, msgspec.Meta(max_length=500, extra_json_schema={"pattern": STORABLE})]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Delta = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
LineNumber = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event's ``data``. Unknown fields are kept in the warehouse and ignored here."""
