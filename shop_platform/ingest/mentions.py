"""Tell whom a message that is no valid event mentions, in whatever spelling it does (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shop_platform.events.spelling import decoded, plain, text_of

# A word that may be an identifier of the contract, and what punctuation may stand around it.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_PUNCTUATION = ".:-"
_LONGEST_IDENTIFIER = 64
# An address stands alone: that of 'joanne@x.com' does not mention 'anne@x.com'.
_ADDRESS = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ ()/.-]{1,3}(?=\d)")
# The last digits of a number, with and without the code of the country; less than these are anybody's.
_LEAST_DIGITS, _LAST_DIGITS = 7, 9
_FEW = 50


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody can be known by, in plain spelling; empty: unknown.

    The e-mail address or the phone number will do. A street is one of many towns and a name one of many people: street
    and postal code, or the whole name with one of street, postal code and birth date, have to stand together.
    """

    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    birth_date: str = ""
    street: str = ""
    postal_code: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Person:
        """Return the person whom the personal fields of an event of a customer are about."""
        address = fields.get("address")
        home = address if isinstance(address, Mapping) else {}
        values = {name: _plain(fields.get(name)) for name in ("first_name", "last_name", "birth_date")}
        digits = re.sub(r"\D", "", _plain(fields.get("phone")))
        email = _plain(fields.get("email"))
        return cls(
            email=email if "@" in email else "",
            phone=digits[-_LAST_DIGITS:] if len(digits) >= _LEAST_DIGITS else "",
            street=_plain(home.get("street")),
            postal_code=_plain(home.get("postal_code")),
            **values,
        )

    def __bool__(self) -> bool:
        return bool(
            self.email or self.phone or (self.street and self.postal_code) or (self.first_name and self.last_name)
        )

    def is_in(self, text: str) -> bool:
        """Tell whether ``text``, in plain spelling, knows the person."""
        if self.email and self.email in text and _stands_alone(self.email, text):
            return True
        # Most texts lack the last two digits, which is quicker to see than all numbers without what is between.
        if self.phone and self.phone[-2:] in text and self.phone in _BETWEEN_DIGITS.sub("", text):
            return True
        home, street = self.postal_code and self.postal_code in text, self.street and self.street in text
        if home and street:
            return True
        if not (self.first_name and self.last_name and self.first_name in text and self.last_name in text):
            return False
        return bool(home or street or (self.birth_date and self.birth_date in text))


def _stands_alone(address: str, text: str) -> bool:
    if not _ADDRESS.fullmatch(address):
        return True  # an unusual one: nobody can tell where it ends
    return any(found.rstrip(".") == address for found in _ADDRESS.findall(text))


def _plain(value: object) -> str:
    return plain(value).strip() if isinstance(value, str) else ""


class Sought:
    """Whom to look for in messages: customers by their token, people by what else they are known by."""

    def __init__(self, customers: Iterable[str], people: Iterable[Person] = ()) -> None:
        self.customers = frozenset(customers)
        self.people = frozenset(person for person in people if person)

    def __bool__(self) -> bool:
        return bool(self.customers or self.people)

    def is_in(self, *contents: bytes | str | None) -> bool:
        """Tell whether any of ``contents`` mentions one of them."""
        text = " \n ".join(content if isinstance(content, str) else text_of(content) for content in contents if content)
        if self._may_name(text, decoded(text)) and not self.customers.isdisjoint(words(*contents)):
            return True
        if not self.people:
            return False
        known = plain(text)
        return any(person.is_in(known) for person in self.people)

    def _may_name(self, *spellings: str) -> bool:
        """Tell whether it is worth taking a text apart: for a few tokens, most texts are seen not to hold them."""
        if len(self.customers) > _FEW:
            return True
        return any(customer in spelling for customer in self.customers for spelling in spellings)


def words(*contents: bytes | str | None) -> set[str]:
    """Return everything in ``contents`` that may be an identifier, as it stands and decoded. Tokens keep their case."""
    found: set[str] = set()
    for content in contents:
        if not content:
            continue
        text = content if isinstance(content, str) else text_of(content)
        # Byte for byte too: what stands between two NULs is a word of its own.
        spellings = {text, decoded(text), content.decode("latin-1") if isinstance(content, bytes) else text}
        for spelling in spellings:
            for word in _WORD.findall(spelling):
                found |= {word, word.rstrip(_PUNCTUATION)}
    return {word for word in found if 0 < len(word) <= _LONGEST_IDENTIFIER}


def header_contents(headers: Iterable[tuple[str, bytes | None]]) -> list[bytes | str | None]:
    """Return names and values of headers as they came from Kafka."""
    return [part for pair in headers for part in pair]


def stored_header_contents(pairs: Iterable[Iterable[Any]]) -> list[bytes | str | None]:
    """Return names and values of headers as a dead letter keeps them."""
    return [bytes.fromhex(part["hex"]) if isinstance(part, dict) else part for pair in pairs for part in pair]
