"""Undo the spellings in which one value may be written: escapes, encodings, letter case, look-alikes (pure)."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

REMOVED = "[removed]"
"""Stands where something personal was taken out of a text."""

# JSON in JSON in a URL is seen; more layers than this are not undone.
_LAYERS = 4
_ESCAPE = re.compile(r"\\+(?:u\{?([0-9A-Fa-f]{4})\}?|x([0-9A-Fa-f]{2})|([^\\]))")
# Soft hyphen, joiners and spaces without width, marks of direction, byte order mark.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\u202a-\u202e\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r"[^\s@]@[^\s@]")


def text_of(content: bytes) -> str:
    """Return bytes as text, whatever they are. Without NUL: ASCII in UTF-16 becomes ASCII."""
    content = content.replace(b"\0", b"")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode(errors="replace") + " " + content.decode("latin-1")


def decoded(text: str) -> str:
    r"""Return ``text`` without JSON escapes (``\u0040``), percent-encoding (``%40``) and entities (``&#64;``)."""
    for _ in range(_LAYERS):
        before = text
        if "\\" in text:
            text = _ESCAPE.sub(_character, text)
        if "%" in text:
            text = unquote(text, errors="replace")
        if "&" in text:
            text = html.unescape(text)
        if text == before:
            break
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _character(escape: re.Match[str]) -> str:
    number = escape[1] or escape[2]
    if number:
        return chr(int(number, 16))
    return " " if escape[3] in "nrtbf" else escape[3]


def plain(text: str) -> str:
    """Return the decoded, case-folded form that every spelling of a value has in common."""
    text = decoded(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
        return unicodedata.normalize("NFKC", text)
    return text.lower()


def holds_address(text: str) -> bool:
    """Tell whether something that may be an e-mail address stands in ``text``, in whatever spelling."""
    return _ADDRESS.search(plain(text)) is not None


def without_addresses(text: str) -> str:
    """Return ``text`` with every word that holds an e-mail address replaced."""
    if not holds_address(text):
        return text
    cleaned = " ".join(REMOVED if holds_address(word) else word for word in text.split(" "))
    return REMOVED if holds_address(cleaned) else cleaned
