"""Tell whom a message that is no valid event mentions, in whatever spelling it does (pure)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
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

    def is_in(self, text: str, addresses: Collection[str], digits: str) -> bool:
        """Tell whether ``text``, in plain spelling, knows the person.

        ``addresses`` stand in it; ``digits`` are the text with nothing between the digits of a number.
        """
        if self.email and (self.email in addresses or (self.email in text and not _ADDRESS.fullmatch(self.email))):
            return True
        if self.phone and self.phone in digits:
            return True
        home, street = self.postal_code and self.postal_code in text, self.street and self.street in text
        if home and street:
            return True
        if not (self.first_name and self.last_name and self.first_name in text and self.last_name in text):
            return False
        return bool(home or street or (self.birth_date and self.birth_date in text))


def _plain(value: object) -> str:
    return plain(value).strip() if isinstance(value, str) else ""


class Sought:
    """Whom to look for in messages: customers by their token, people by what else they are known by."""

    def __init__(self, customers: Iterable[str], people: Iterable[Person] = ()) -> None:
        self.customers = frozenset(customers)
        self.people = frozenset(person for person in people if person)
        self._has_phone = any(person.phone for person in self.people)

    def __bool__(self) -> bool:
        return bool(self.customers or self.people)

    def is_in(self, *contents: bytes | str | None) -> bool:
        """Tell whether any of ``contents`` mentions one of them."""
        texts = [content if isinstance(content, str) else text_of(content) for content in contents if content]
        if self.customers and not self.customers.isdisjoint(words(*contents)):
            return True
        if not self.people:
            return False
        text = plain(" \n ".join(texts))
        addresses = {address.rstrip(".") for address in _ADDRESS.findall(text)} if "@" in text else ()
        digits = _BETWEEN_DIGITS.sub("", text) if self._has_phone else ""
        return any(person.is_in(text, addresses, digits) for person in self.people)


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
