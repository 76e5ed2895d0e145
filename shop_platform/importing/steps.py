"""The named steps of a map: each turns one value into another, and none is an expression (pure)."""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from shop_platform.importing.money import format_money, parse_money, parse_number, without_sign
from shop_platform.importing.phones import to_phone
from shop_platform.importing.times import check_format, parse_date, parse_time, zone_named

Step = Callable[[Any], Any]
"""Takes text (or what the step before made of it) and returns text, int, bool, date or datetime; raises ValueError."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_TRUE, _FALSE = {"true", "yes", "y", "1"}, {"false", "no", "n", "0"}


class StepMistakeError(ValueError):
    """A step of a map that does not exist or has the wrong arguments."""


def to_code(text: str, lead: str = "") -> str:
    """Return snake_case: letters without accents, digits, single underscores. ``lead`` goes before a leading digit."""
    letters = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text.casefold()))
    code = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    code = lead + code if code[:1].isdigit() else code
    if not code[:1].isalpha():
        raise ValueError("does not begin with a letter; `code: {lead: ...}` puts some before a digit")
    return code[:64].rstrip("_")


def to_identifier(text: str) -> str:
    """Return ``text`` if the contract takes it as an identifier, else a readable one with a hash of the whole text."""
    if _IDENTIFIER.fullmatch(text):
        return text
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:51].rstrip("-")
    return f"{readable or 'x'}-{_hash(text)[:12]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def to_integer(text: str) -> int:
    """Return a whole number; ``3.0`` is one."""
    found = re.fullmatch(r"(-?[0-9]{1,15})(?:\.0+)?", text.strip())
    if not found:
        raise ValueError("is not a whole number")
    return int(found[1])


def _number(decimal: str = ".", thousands: str = "") -> Step:
    _check_signs(decimal, thousands)
    return lambda text: parse_number(text, decimal=decimal, thousands=thousands)


def _check_signs(decimal: str, thousands: str) -> None:
    if len(decimal) != 1 or len(thousands) > 1 or decimal == thousands:
        raise StepMistakeError("decimal and thousands are one character each, and not the same")


def to_boolean(text: str) -> bool:
    """Return what yes and no, true and false, 1 and 0 mean."""
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("is neither yes nor no")
    return word in _TRUE


def to_country(text: str) -> str:
    """Return an ISO 3166-1 alpha-2 code in capitals."""
    code = text.strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError("is not a country code of two letters; `lookup` maps names to codes")
    return code


def _money(decimal: str = ".", thousands: str = "", round: str = "false", unit: str = "") -> Step:
    if unit not in {"", "cents"}:
        raise StepMistakeError("unit is cents, or left out")
    _check_signs(decimal, thousands)
    told: dict[str, Any] = {"decimal": decimal, "thousands": thousands, "rounds": to_boolean(round)}
    return lambda text: format_money(parse_money(text, **told, in_cents=unit == "cents"))


def _time(format: str | None = None, zone: str | None = None) -> Step:
    known = zone_named(zone) if zone else None
    check_format(format or "")
    return lambda text: parse_time(text, pattern=format, zone=known)


def _plus_days(days: str) -> Step:
    added = dt.timedelta(days=to_integer(days))

    def add(value: Any) -> Any:
        if not isinstance(value, dt.date):
            raise ValueError("is no time or date; put `time` or `date` before `plus_days`")
        return value + added

    return add


def _cut(length: str) -> Step:
    size = to_integer(length)
    return lambda text: text[:size]


def _hashed(length: str = "32", salt: str = "") -> Step:
    digits = to_integer(length)
    if not 16 <= digits <= 64:
        raise StepMistakeError("length is from 16 to 64")
    return lambda text: _hash(salt + text)[:digits]


def _lookup(table: Mapping[str, str]) -> Step:
    def look(text: str) -> str:
        found = table.get(text, table.get("*"))
        if found is None:
            raise ValueError(f"is not in the lookup table ({', '.join(sorted(table)[:8])})")
        return found

    return look


def _date(format: str | None = None) -> Step:
    check_format(format or "")
    return lambda value: value.date() if isinstance(value, dt.datetime) else parse_date(value, pattern=format)


def _plain(function: Callable[[str], Any]) -> Callable[[], Step]:
    return lambda: function


# What follows the name in a map: nothing, one text, a table, or named arguments.
_WITHOUT: dict[str, Callable[[], Step]] = {
    "absolute": _plain(without_sign),
    "boolean": _plain(to_boolean),
    "country": _plain(to_country),
    "identifier": _plain(to_identifier),
    "integer": _plain(to_integer),
    "lower": _plain(str.lower),
    "strip": _plain(str.strip),
    "upper": _plain(str.upper),
}
_WITH_TEXT: dict[str, Callable[[str], Step]] = {
    "after": lambda mark: lambda text: text.partition(mark)[2],
    "before": lambda mark: lambda text: text.partition(mark)[0],
    "cut": _cut,
    "plus_days": _plus_days,
    "prefix": lambda more: lambda text: more + text,
    "remove": lambda part: lambda text: text.replace(part, ""),
}
_WITH_TABLE: dict[str, Callable[[Mapping[str, str]], Step]] = {
    "lookup": _lookup,
    "replace": lambda table: lambda text: table.get(text, text),
}
_WITH_NAMED: dict[str, tuple[Callable[..., Step], tuple[str, ...]]] = {
    "code": (lambda lead="": lambda text: to_code(text, lead), ("lead",)),
    "date": (_date, ("format",)),
    "hash": (_hashed, ("length", "salt")),
    "number": (_number, ("decimal", "thousands")),
    "phone": (lambda country="", country_from="": lambda text: to_phone(text, country), ("country", "country_from")),
    "money": (_money, ("decimal", "thousands", "round", "unit")),
    "time": (_time, ("format", "zone")),
}
STEP_NAMES = tuple(sorted({*_WITHOUT, *_WITH_TEXT, *_WITH_TABLE, *_WITH_NAMED}))


def make_step(name: str, argument: Any = None) -> Step:
    """Return the step ``name`` with its argument (text, table or named arguments, all leaves text).

    Raises :class:`StepMistakeError` that says what is allowed.
    """
    if name in _WITHOUT:
        if argument is not None:
            raise StepMistakeError(f"`{name}` takes nothing")
        return _WITHOUT[name]()
    if name in _WITH_TEXT:
        if not isinstance(argument, str) or not argument:
            raise StepMistakeError(f"`{name}` takes one text, as in `{name}: ...`")
        return _made(name, _WITH_TEXT[name], argument)
    if name in _WITH_TABLE:
        if not isinstance(argument, dict) or not argument or not all(isinstance(v, str) for v in argument.values()):
            raise StepMistakeError(f"`{name}` takes a table of text to text, as in `{name}: {{web: online}}`")
        return _WITH_TABLE[name](argument)
    if name in _WITH_NAMED:
        maker, allowed = _WITH_NAMED[name]
        given = {} if argument is None else argument
        if (
            not isinstance(given, dict)
            or set(given) - set(allowed)
            or not all(isinstance(v, str) for v in given.values())
        ):
            raise StepMistakeError(f"`{name}` takes {', '.join(allowed)}, as in `{name}: {{{allowed[0]}: ...}}`")
        return _made(name, maker, **given)
    near = difflib.get_close_matches(name, STEP_NAMES, 1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    raise StepMistakeError(f"there is no step '{name}'.{meant} Known: {', '.join(STEP_NAMES)}")


def _made(name: str, maker: Callable[..., Step], *arguments: str, **named: str) -> Step:
    try:
        return maker(*arguments, **named)
    except StepMistakeError as error:
        raise StepMistakeError(f"`{name}`: {error}") from None
    except ValueError as error:
        raise StepMistakeError(f"`{name}`: {error}") from None
