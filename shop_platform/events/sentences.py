"""What is wrong with a field, as a sentence for those who do not read regular expressions (pure).

It says what the field must be and what it is. What differs from message to message stands in quotation marks: a list
of dead letters leaves that out, and takes those together that say the same.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

import msgspec

from shop_platform.events import envelope, vocabulary
from shop_platform.events.places import NOTHING, Number, bare_type, quote

_MISSING = re.compile(r"Object missing required field `(.+)`")

_RULES: dict[object, str] = {
    vocabulary.Amount: (
        "an amount of money written as text: at most twelve digits, a point and the decimals of its currency, neither"
        " negative nor grouped"
    ),
    vocabulary.Currency: (
        "the code of a currency that ISO-4217 lists with its decimals, three capital letters; metals, tests and coins"
        " of no country are none"
    ),
    vocabulary.Country: (
        "the code of a country that ISO-3166 lists (or XK, or ZZ for one that is not known), two capital letters"
    ),
    vocabulary.Identifier: (
        "an identifier: letters, digits and . _ : - only, a letter or digit first, at most 64 characters"
    ),
    vocabulary.Code: "a word in snake_case: small letters, digits and _, a letter first, at most 64 characters",
    envelope.SourceUri: "a URI reference of at most 255 characters that names the system, without spaces",
    envelope.JsonMediaType: "application/json, with or without parameters",
    envelope.EventId: "a UUID such as `0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d6e7f`, without braces and without `urn:uuid:`",
    envelope.EventTime: (
        "a time that exists, with seconds and the offset from UTC, as RFC-3339 writes it:"
        " `2026-03-31T09:30:00+02:00` or `2026-03-31T07:30:00Z`"
    ),
    vocabulary.Day: "a date that exists, written year-month-day, such as `2026-03-31`",
    bool: "true or false",
    str: "a text",
}
_CHARSET = re.compile(r";[ \t]*charset=\"?([^\";]*)", re.IGNORECASE)
# What people write instead of a time, and what is the matter with it.
_TIMES = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "which is a date without a time"),
    (re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d(?:[Zz]|[+-][\d:]+)?"), "which has no seconds"),
    (re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d(?:\.\d+)?"), "which has no offset from UTC"),
    (re.compile(r"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d"), "whose offset has no minutes"),
    (re.compile(r".{17}60.*"), "a leap second, which must be told as second 59"),
    (re.compile(r".{11}24:.*"), "but the hours of a day are 00 to 23"),
    (
        re.compile(
            r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3])(?::[0-5]\d){2}(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)"
        ),
        "which is no day of the calendar",
    ),
    (re.compile(r"\d+"), "which is a count of seconds or milliseconds"),
)


def missing_field(said: str) -> str | None:
    """Return the field that the decoder misses, ``None`` when it ``said`` something else."""
    found = _MISSING.fullmatch(said)
    return found[1] if found else None


def sentence(name: str, hint: Any, found: object, *, private: bool = False) -> str:
    """Return what is wrong with the field ``name`` of the type ``hint``, where ``found`` stands.

    What is ``private`` is not quoted: a reason is read by more people than a message.
    """
    field = f"`{name}`" if name else "the message"
    if hint == envelope.JsonMediaType and isinstance(found, str) and (named := charset_of(found)):
        return charset_sentence(name, named)
    told = f"{field} must be {_expected(hint)}"
    is_found = _found(found, hint, private=private)
    return f"{told}; it {is_found}" if is_found else told


def charset_sentence(name: str, charset: str) -> str:
    """Return what is wrong with a content type, in the field or header ``name``, that names this charset."""
    return f"`{name}` names the charset {quote(charset)}; JSON is read as UTF-8 only, so name utf-8 or none"


def charset_of(content_type: str) -> str | None:
    """Return the charset that a content type names, if it is another one than JSON's."""
    named = _CHARSET.search(content_type)
    text = named[1].strip() if named else "utf-8"
    return None if text.lower() in {"utf-8", "utf8", "us-ascii"} else text


def _expected(hint: Any) -> str:  # noqa: PLR0911 - a table of cases
    if hint in _RULES:
        return _RULES[hint]
    bare = bare_type(hint)
    if bare is uuid.UUID or bare is dt.datetime:
        return _RULES[envelope.EventId if bare is uuid.UUID else envelope.EventTime]
    meta = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, msgspec.Meta)), msgspec.Meta())
    if bare is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if bare is str:
        return f"a text of at most {meta.max_length} characters"
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return "an object"
    if meta.min_length is not None:
        return f"a list of {meta.min_length} to {meta.max_length} entries"
    return "the text `1.0`"


def _found(found: object, hint: Any, *, private: bool) -> str:  # noqa: PLR0911 - a table of cases
    if found is NOTHING:
        return ""
    if found is None:
        return "is null"
    if isinstance(found, bool):
        return "is true" if found else "is false"
    if isinstance(found, dict):
        return "is an object"
    if isinstance(found, list):
        if not found:
            return "is an empty list"
        return f"is a list of {len(found)} entries" if len(found) != 1 else "is a list of one entry"
    if isinstance(found, Number):
        return "is a number" if private else f"is the number {quote(found)}"
    return _text_found(str(found), hint, private=private)


def _text_found(text: str, hint: Any, *, private: bool) -> str:
    bare = bare_type(hint)
    if not text:
        return "is empty"
    if hint == vocabulary.Text:
        return f"has {len(text)} characters"
    if private:
        return "is another text"
    if bare is dt.datetime:
        why = next((told for form, told in _TIMES if form.fullmatch(text)), None)
        return f"is {quote(text)}" + (f", {why}" if why else "")
    return f"is {quote(text)}" if bare is not int and bare is not bool else f"is the text {quote(text)}"
