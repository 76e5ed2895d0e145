"""Bytes and texts of strangers, made safe to print (pure)."""

from __future__ import annotations

import re

from shop_platform.dead_letters.document import find_line, lines, parse

# A dead letter may hold anything, and a terminal obeys control characters (C1 and the bidirectional ones included).
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BYTE = re.compile(r"byte (\d+)")
_MOST_LINES = 120
# Several lines of a terminal: enough to see what it is.
_LONGEST_LINE = 500
_MOST_DUMPED = 512
_AROUND = 64


def printable(text: str) -> str:
    """Return ``text`` with every character escaped that a terminal might obey, line feeds and tabs left alone."""
    return _UNSAFE.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if match[0] < "\x80" else f"\\u{ord(match[0]):04x}", text
    )


def one_line(text: str | None) -> str:
    """Return ``text`` as one printable line; "-" for nothing."""
    return printable(" ".join(text.split())) if text else "-"


def shortened(text: str, whole: str) -> str:
    """Return ``text``, or of a long one its beginning, its length and how to see the ``whole`` of it."""
    if len(text) <= _LONGEST_LINE:
        return text
    return f"{text[:_LONGEST_LINE]}... ({len(text):,} characters; {whole} shows all)"


def show_value(value: bytes | None, error: str, schema_path: str | None, whole: str = "--raw") -> list[str]:
    """Return the lines that show a value to a person: the place of the fault marked with ``>>``, the rest bounded.

    ``whole`` is the option that shows all of it.
    """
    if not value:
        return ["(no value)"]
    fault = _BYTE.search(error)
    at = int(fault[1]) if fault else None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return hex_dump(value, at, whole)
    try:
        document = list(lines(parse(value)))
    except ValueError:
        return _plain(value, text, at, whole)
    marked = find_line(document, schema_path)
    return _window([shortened(printable(line.text), whole) for line in document], marked, whole)


def _plain(value: bytes, text: str, at: int | None, whole: str) -> list[str]:
    every = printable(text).splitlines()
    shown = [shortened(line, whole) for line in every[:_MOST_LINES]]
    if more := len(every) - len(shown):
        shown.append(f"... {_lines(more)} more ({whole} shows all)")
    if at is not None and at <= len(value):
        before = value[max(at - _AROUND, 0) : at].decode(errors="replace")
        after = value[at : at + _AROUND].decode(errors="replace")
        shown += ["", f">> byte {at}: {one_line(before)} >>HERE>> {one_line(after)}"]
    return shown


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


def _window(shown: list[str], marked: int | None, whole: str) -> list[str]:
    centre = marked or 0
    first = max(min(centre - _MOST_LINES // 2, len(shown) - _MOST_LINES), 0)
    last = min(first + _MOST_LINES, len(shown))
    result = [f"   ... {_lines(first)} above ({whole} shows all)"] if first else []
    result += [f"{'>>' if number == marked else '  '} {shown[number]}" for number in range(first, last)]
    if last < len(shown):
        result.append(f"   ... {_lines(len(shown) - last)} below ({whole} shows all)")
    return result


def hex_dump(value: bytes, at: int | None = None, whole: str = "--raw") -> list[str]:
    """Return the beginning of ``value`` as a hex dump, and the surroundings of byte ``at``, whose line is marked."""
    spans = [(0, min(len(value), _MOST_DUMPED))]
    if at is not None and at >= _MOST_DUMPED:
        start = max(at - _AROUND, _MOST_DUMPED) // 16 * 16
        spans.append((start, min(at + _AROUND, len(value))))
    result = []
    end = 0
    for first, last in spans:
        if first > end:
            result.append(f"   ... {first - end:,} bytes")
        for start in range(first, last, 16):
            row = value[start : min(start + 16, last)]
            mark = ">>" if at is not None and start <= at < start + 16 else "  "
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            result.append(f"{mark} {start:08x}  {row.hex(' '):<47}  {text}")
        end = last
    if end < len(value):
        result.append(f"   ... {len(value) - end:,} more bytes ({whole} shows all)")
    return result
