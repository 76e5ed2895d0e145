"""What the decoder says of a field, as a sentence for those who do not read regular expressions (pure)."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable

from shop_platform.events import envelope, vocabulary

_MISSING = re.compile(r"Object missing required field `(.+)`")
_FIELD = re.compile(r"([^.\[\]]+)(?:\[[^\]]*\])*$")

_KINDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
    "uuid": "a UUID",
    "datetime": "a time",
    "date": "a date",
}

# No digits and no quotation marks: a list of dead letters takes both for what differs from letter to letter.
_RULES: dict[object, str] = {
    vocabulary.Amount: (
        "an amount of money written as text: digits, a point and the decimals of its currency, neither negative nor"
        " grouped"
    ),
    vocabulary.Currency: "a currency code of ISO-4217, three capital letters",
    vocabulary.Country: "a country code of ISO-3166, two capital letters",
    vocabulary.Identifier: (
        "an identifier: letters, digits and . _ : - only, a letter or digit first, at most 64 characters"
    ),
    vocabulary.Code: "a word in snake_case: small letters, digits and _, a letter first, at most 64 characters",
    envelope.SourceUri: "a URI reference of at most 255 characters that names the system, without spaces",
    envelope.JsonMediaType: "application/json, with or without parameters",
}
_BY_PATTERN = {
    repr(meta.pattern): rule
    for kind, rule in _RULES.items()
    for meta in typing.get_args(kind)[1:]
    if getattr(meta, "pattern", None)
}
_FIXED = {
    "Invalid UUID": "must be a UUID",
    "Invalid RFC3339 encoded datetime": (
        "must be a time as RFC-3339 writes it: year-month-day, T, hour:minute:second and the offset from UTC"
    ),
    "Invalid RFC3339 encoded date": "must be a date that exists, written year-month-day",
    "Expected `datetime` with a timezone component": "must say its offset from UTC (Z, or hours and minutes)",
}


def sentence(said: str, path: str) -> str:
    """Return what the decoder ``said`` about the value at ``path`` as a sentence about the field."""
    missing = _MISSING.fullmatch(said)
    if missing:
        return f"`{missing[1]}` is missing"
    match = _FIELD.search(path)
    field = match[1] if match and match[1] != "$" else "the message"
    return f"`{field}` {_rule(said)}" if field != "the message" else f"{field} {_rule(said)}"


def _rule(said: str) -> str:
    if said in _FIXED:
        return _FIXED[said]
    for pattern, tell in _TOLD:
        if found := pattern.fullmatch(said):
            return tell(*found.groups())
    return f"is wrong: {said}"


def _fits(pattern: str) -> str:
    return f"must be {_BY_PATTERN.get(pattern, f'a text that matches {pattern}')}"


def _long(kind: str, sign: str, length: str) -> str:
    return f"must have {_most(sign)} {length} {'characters' if kind == 'str' else 'entries'}"


def _between(sign: str, bound: str) -> str:
    return f"must be {_most(sign)} {bound}"


def _of_kind(wanted: str, found: str) -> str:
    return f"must be {_kinds(wanted)}, not {_kinds(found)}"


def _literal(found: str) -> str:
    return f"must be the text 1.0, not {found}"


def _most(sign: str) -> str:
    return "at most" if sign == "<=" else "at least"


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | "))


_TOLD: tuple[tuple[re.Pattern[str], Callable[..., str]], ...] = (
    (re.compile(r"Expected `str(?: \| null)?` matching regex (.*)", re.DOTALL), _fits),
    (re.compile(r"Expected `(str|array)(?: \| null)?` of length (<=|>=) (\d+)"), _long),
    (re.compile(r"Expected `int(?: \| null)?` (<=|>=) (-?\d+)"), _between),
    (re.compile(r"Expected `(.+?)`, got `(.+?)`"), _of_kind),
    (re.compile(r"Invalid enum value (.+)"), _literal),
)
