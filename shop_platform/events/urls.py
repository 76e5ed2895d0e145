"""Split an address of a page into its path and the few parameters that are kept; the rest may be anybody's (pure)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from shop_platform.events.spelling import REMOVED, plain

PARAMETERS = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "category", "sort", "page")
"""What is kept of a query string. Search words (``utm_term``) and the id of a click (``gclid``) tell of a person."""

_ANY_PARAMETER = re.compile("|".join(PARAMETERS))
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TELLING = re.compile(r"[@=;?#\\]")
_END_OF_PATH = re.compile(r"[?#]")
_MOST_PARAMETERS = 50


def split_url(url: str) -> tuple[str, dict[str, str]]:
    """Return the path of ``url`` and its allow-listed parameters whose value is a plain word.

    A segment of the path that holds an e-mail address or a parameter, in any spelling, is replaced.
    """
    end = _END_OF_PATH.search(url)
    path, query = (url, "") if end is None else (url[: end.start()], url[end.start() :])
    return _without(path, _TELLING), _parameters(query) if query[:1] == "?" else {}


def source_path(source: str) -> str:
    """Return the source of an event, which names a system, without query, fragment and whatever holds an ``@``."""
    return _without(_END_OF_PATH.split(source, maxsplit=1)[0], _AT)


_AT = re.compile("@")
# What another spelling is made of.
_SPELLED = re.compile(r"[%&\\]|[^\x00-\x7f]")


def _without(path: str, telling: re.Pattern[str]) -> str:
    if not _SPELLED.search(path) and not telling.search(path):
        return path
    return "/".join(REMOVED if telling.search(plain(segment)) else segment for segment in path.split("/"))


def _parameters(query: str) -> dict[str, str]:
    if not _ANY_PARAMETER.search(query):
        return {}
    try:
        pairs = parse_qsl(query[1:].partition("#")[0], max_num_fields=_MOST_PARAMETERS)
    except ValueError:  # so many are no shop's
        return {}
    return {name: value for name, value in pairs if name in PARAMETERS and _VALUE.fullmatch(value)}
