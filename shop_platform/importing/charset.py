"""How a text file is written: what its first bytes say, and which encoding fits bytes that another one refused."""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from pathlib import Path

from shop_platform.errors import ShopError

_HEAD = 65_536
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = (
    (b"PK\x03\x04", "a spreadsheet (.xlsx, .ods) or a zip archive", "Save it as CSV, or unpack it."),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)", "Save it as CSV."),
    (b"\x1f\x8b", "compressed (gzip)", "Unpack it: gunzip."),
    (b"%PDF", "a PDF", "Export the data as CSV."),
)
# In the order in which they are tried: of two that read a text equally well the first is named.
_LIKELY = (
    "cp1252", "iso-8859-15", "cp1250", "cp1251", "mac-roman", "cp850", "cp1253", "cp1254", "cp1257",
    "shift_jis", "euc_kr", "gb18030", "big5",
)  # fmt: skip
_ORDINARY = "€£–—’“”„«»°¿¡…"
_WIDE = {"shift_jis", "gb18030", "big5", "euc_kr"}


def check_head(path: Path, encoding: str, *, in_map: bool = True) -> None:
    """Raise :class:`ShopError` when the first bytes of a file say that it is no text, or text in another encoding.

    ``encoding``: as Python names it. The hint is the line of the map that reads the file; ``in_map``: there is one.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, what, hint in _NO_TEXT:
        if head.startswith(mark):
            raise ShopError(f"{path} is {what}, not text", hint)
    is_utf16 = encoding.startswith("utf-16")
    told = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _utf16_without_mark(head)
    if told and not encoding.startswith(told.removesuffix("-le").removesuffix("-be")):
        raise ShopError(f"{path} is written in {told}, not in {encoding}", _hint([told], in_map=in_map))
    if is_utf16 and not told:
        raise ShopError(f"{path} is not written in {encoding}", _hint(fitting(head)))
    if encoding not in {"utf-8", *_WIDE} and not is_utf16 and not head.isascii():
        with contextlib.suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder("utf-8")().decode(head)
            raise ShopError(f"{path} is written in utf-8, not in {encoding}", _hint(["utf-8"]))


def _utf16_without_mark(head: bytes) -> str | None:
    """Return which UTF-16 it is when every other byte of the beginning is zero, as in Western text."""
    sample = head[:2_000]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    high, low = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 4
    return "utf-16-le" if low > half > high else "utf-16-be" if high > half > low else None


def fitting(data: bytes) -> list[str]:
    """Return the encoding in which ``data`` reads most like words, with a second one if it reads as well."""
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return ["utf-8"]
    scores = {}
    for name in _LIKELY:
        with contextlib.suppress(UnicodeDecodeError):
            scores[name] = _strangeness(data.decode(name), is_wide=name in _WIDE)
    least = min(scores.values(), default=0)
    return [name for name, strange in scores.items() if strange == least][:2] or ["cp1252"]


def _strangeness(text: str, *, is_wide: bool) -> float:
    """Return how unlike words a text reads: signs where letters are expected, capitals inside words, mixed scripts."""
    found = 0.0
    for word in re.findall(r"[^\s,;\t\"'0-9]*[^\x00-\x7f][^\s,;\t\"'0-9]*", text):
        scripts = {unicodedata.name(sign, "?").split(" ")[0] for sign in word if sign.isalpha()}
        foreign = sum(not sign.isascii() for sign in word)
        found += 3 * (len(scripts - {"CJK", "HIRAGANA", "KATAKANA"}) > 1)
        found += 2 * sum(
            mine.isupper() and before.isalpha() and (before.islower() or after.islower())
            for before, mine, after in zip(word, word[1:], word[2:] + " ", strict=False)
        )
        found += sum(not (sign.isascii() or sign.isalpha()) for sign in word if sign not in _ORDINARY) * 2
        found += 2 * len(re.findall(r"(?<=[^\W_])[–—‘“”„«»]+(?=[^\W_])", word))
        found += 3 * ({"HANGUL", "CJK"} <= scripts)
        # A word of accented letters alone is no Western word: it is another alphabet, read wrongly.
        found += 3 * (scripts == {"LATIN"} and foreign >= 3 and foreign > len(word) / 2)
        found += 0.5 * is_wide * (len(word) < 2)
        found += sum(ord(sign) >= 0xFF00 or 0xE000 <= ord(sign) < 0xF900 for sign in word)
    return found


def undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> ShopError:
    """Return the error for a byte that ``encoding`` does not have, with its place and the encoding that fits."""
    where, line = "", error.object[max(0, error.start - 200) : error.start + 200]
    if not encoding.startswith(("utf-16", "utf-32")):
        with path.open("rb") as binary:
            for number, line in enumerate(binary, 1):
                try:
                    line.decode(encoding)
                except UnicodeDecodeError as inner:
                    where, error = f", line {number}, byte {inner.start + 1} of it", inner
                    break
    byte = f"0x{error.object[error.start]:02x}" if error.start < len(error.object) else "the end"
    return ShopError(f"{path}{where}: {byte} is not {encoding.removesuffix('-sig')}", _hint(fitting(_sample(path))))


def _sample(path: Path, most: int = 200_000) -> bytes:
    """Return lines that are not ASCII, whole, as far as they tell something."""
    found = b""
    with path.open("rb") as binary:
        for line in binary:
            found += b"" if line.isascii() else line
            if len(found) > most:
                break
    return found


def _hint(encodings: list[str], *, in_map: bool = True) -> str:
    """Return what to do; of two encodings that fit the first is more common."""
    if not in_map:
        return f"Write it as UTF-8: iconv -f {encodings[0]} -t utf-8."
    also = f" (or {encodings[1]})" if encodings[1:] else ""
    return (
        f"Say how the file is written with `csv: {{encoding: {encodings[0]}}}`{also} in the map, or export it as UTF-8."
    )
