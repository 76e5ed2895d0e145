"""Accept the usual event quickly: plain types and one regular expression instead of a pattern per field.

A quick check may refuse what the contract allows (then the contract's own decoder decides), never the reverse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from shop_platform.events.consistency import adds_up
from shop_platform.events.countries import COUNTRIES
from shop_platform.events.currencies import CURRENCIES, WITHOUT_DECIMALS
from shop_platform.events.vocabulary import Amount, Country, Currency, Payload

# No pattern of the contract lets a line feed through, so values joined by it cannot be mistaken for others.
_SEPARATOR = "\n"
_TWO_DECIMALS = r"(?:(?:0|[1-9][0-9]{0,11})\.[0-9]{2})"


class QuickCheck(NamedTuple):
    """How one payload type is read quickly.

    ``decode`` gives an object with the payload's fields, ``strings`` its required strings with a pattern (the first is
    the subject), ``fits`` matches these joined by a line feed. ``judged``: what fits has the decimals of its currency
    and nothing to add up, so that nothing is left to be looked for.
    """

    decode: Callable[[msgspec.Raw], Any]
    strings: Callable[[Any], tuple[str, ...]]
    fits: Callable[[str], object]
    judged: bool


def quick_check(payload: type[Payload], subject_field: str) -> QuickCheck | None:
    """Return the quick check of ``payload``, or ``None`` when its subject is no string with a pattern.

    Fields that are optional or nested keep their own checks: they are rare on the busy types.
    """
    patterns: dict[str, str] = {}
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    hints = get_type_hints(payload, include_extras=True)
    for field in msgspec.structs.fields(payload):
        hint = hints[field.name]
        pattern = _pattern(hint) if field.required else None
        if pattern is not None:
            patterns[field.name] = pattern
            fields.append((field.name, str))
        elif field.required:
            fields.append((field.name, hint))
        else:
            fields.append((field.name, hint, msgspec.field(default=field.default)))
    if subject_field not in patterns or len(patterns) < 2:
        return None
    names = [subject_field, *(name for name in patterns if name != subject_field)]
    relaxed = msgspec.defstruct(f"Quick{payload.__name__}", fields, kw_only=True, gc=False)
    expression = re.compile(_SEPARATOR.join(patterns[name] for name in names))
    return QuickCheck(
        msgspec.json.Decoder(relaxed).decode, attrgetter(*names), expression.fullmatch, not adds_up(payload)
    )


def _pattern(hint: Any) -> str | None:  # noqa: PLR0911 - a table of cases
    """Return the pattern of a string type without its anchors; ``None`` for any other type or further constraint.

    Of money the usual kind only: two decimals, in a currency that has decimals.
    """
    if hint == Amount:
        return _TWO_DECIMALS
    if hint == Currency:
        return _one_of(set(CURRENCIES) - WITHOUT_DECIMALS)
    if hint == Country:
        return _one_of(COUNTRIES)
    if get_origin(hint) is not Annotated:
        return None
    kind, *extras = get_args(hint)
    if kind is not str or len(extras) != 1 or not isinstance(extras[0], msgspec.Meta):
        return None
    meta = extras[0]
    if meta.pattern is None or meta.min_length is not None or meta.max_length is not None:
        return None
    anchored = re.fullmatch(r"\^(.*)\$\(\?!\\n\)", meta.pattern)
    return f"(?:{anchored[1]})" if anchored else None


def _one_of(codes: Iterable[str]) -> str:
    """Return an expression for one of ``codes``, all of one length, that looks at each letter once."""
    after: dict[str, list[str]] = {}
    for code in sorted(codes):
        after.setdefault(code[0], []).append(code[1:])
    if "" in next(iter(after.values())):
        return f"[{''.join(after)}]"
    return f"(?:{'|'.join(letter + _one_of(rest) for letter, rest in after.items())})"


join: Callable[[tuple[str, ...]], str] = _SEPARATOR.join
"""Return what :attr:`QuickCheck.fits` is asked about."""
