"""Why a message is no JSON document, as a sentence that says what stands there instead (pure)."""

from __future__ import annotations

import re

from shop_platform.events.places import quote

_BYTE = re.compile(r"(?:JSON is malformed: )?(.+?) \(byte (\d+)\)")
_NUMBER = re.compile(r"-?(?:NaN|Infinity|nan|inf|Inf)\b")
_NAME_BEFORE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*-?$')
# The first half of a pair without the second one.
_HALF_A_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_AROUND = 20

# The decoder's words, and ours. Others are told as they come.
_WORDS = {
    "invalid character": "what stands there is no value of JSON",
    "invalid number": "a number is not written as JSON writes it",
    "invalid escaped character": "a backslash stands before a character that needs none",
    "invalid escape character in string": "a backslash stands before a character that needs none",
    "invalid utf-16 surrogate pair": "half of a surrogate pair is no character",
    "unexpected end of hex escape": "half of a surrogate pair is no character",
    "unexpected end of escaped utf-16 surrogate pair": "half of a surrogate pair is no character",
    "trailing comma in object": "a comma stands before the closing brace",
    "trailing comma in array": "a comma stands before the closing bracket",
    "invalid character in unicode escape": "\\u stands before what are not four hexadecimal digits",
    "expected '\"'": "the name of a field does not stand in double quotation marks",
    "object keys must be strings": "the name of a field does not stand in double quotation marks",
    "expected ':'": "a colon is missing after the name of a field",
    "expected ',' or '}'": "a comma or a closing brace is missing",
    "expected ',' or ']'": "a comma or a closing bracket is missing",
}


def why_no_json(value: bytes, said: str) -> str:
    """Return why ``value`` is no JSON document, of which the decoder ``said`` something."""
    return f"not a JSON document: {_why(value, said)}"


def _why(value: bytes, said: str) -> str:  # noqa: PLR0911 - a table of cases
    begin = _by_its_begin(value)
    if begin:
        return begin
    if "recursion" in said:
        return "it is nested too deeply"
    if "truncated" in said and _HALF_A_PAIR.search(value):
        return "half of a surrogate pair is no character"
    if "truncated" in said:
        return "it ends too early; a brace, a bracket or a quotation mark is not closed"
    found = _BYTE.fullmatch(said)
    if found is None:
        return "it cannot be read"
    words, at = found[1], int(found[2])
    if words == "trailing characters":
        return _what_follows(value[at - 1 :], at - 1)  # it names the byte after
    before, after = value[:at].decode(errors="replace"), value[at:].decode(errors="replace")
    if number := _NUMBER.match(after):
        name = _NAME_BEFORE.search(before)
        of_field = f"`{name[1][:60]}` is " if name else ""
        what = f"{of_field}{number[0].lstrip('-')} (byte {at})"
        return f"{what}, which JSON does not know; send a number, or leave the field out"
    if after[:1] < " " and after:
        return f"a control character stands in it at byte {at}; within a text it must be escaped"
    near = quote(f"{before[-_AROUND:]}{after[:_AROUND]}")
    return f"{_WORDS.get(words, words)} (byte {at}, near {near})"


def _by_its_begin(value: bytes) -> str | None:
    begin = value.lstrip(b" \t\r\n")[:1]
    if not begin:
        return "it holds nothing but white space"
    if value.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark; leave that out"
    if begin == b"<":
        return f"it is HTML or XML, and begins with {quote(value[:30].decode(errors='replace'))}"
    if begin == b"\x00":
        return "it begins with a byte of zeros, as Avro and Protobuf with a schema registry do"
    return None


def _what_follows(rest: bytes, at: int) -> str:
    if rest.lstrip()[:1] in {b"{", b"["}:
        return f"another document follows the first one at byte {at}; send one event a message"
    return f"something follows the document at byte {at}: {quote(rest[:_AROUND].decode(errors='replace'))}"
