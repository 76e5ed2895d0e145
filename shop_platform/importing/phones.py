"""Phone numbers in one spelling, however they were typed."""

from __future__ import annotations

import re


def to_phone(text: str, country: str = "") -> str:
    """Return a number as E.164 (``+4930555000``), or what tells it apart where it is none.

    ``country`` (two letters) says where a number without a country's code was dialled; without it such a number keeps
    its digits as they are. What is no phone number anywhere keeps its digits too: it still tells customers apart.
    """
    import phonenumbers  # imports with a phone number are rare, and its tables are large

    region = country.strip().upper()
    plain = re.sub(r"[^0-9+]", "", re.sub(r"\(0\)", "", text))
    plain = "+" + plain[2:] if plain.startswith("00") else plain
    try:
        number = phonenumbers.parse(plain, region or None)
    except phonenumbers.NumberParseException:
        return plain
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
