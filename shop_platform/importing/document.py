"""A YAML file as plain text values, with the line of every key, so that a mistake can be named where it stands."""

from __future__ import annotations

import difflib
import re
import typing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from shop_platform.errors import ShopError

_T = TypeVar("_T")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_AT = re.compile(r" - at `\$?([^`]*)`$")


class Document:
    """One YAML file. Every scalar stays text: ``NO`` is Norway and ``on`` a word, not a truth value."""

    def __init__(self, path: Path) -> None:
        """Read ``path``; raise :class:`ShopError` when it is missing, no UTF-8 or no YAML, or repeats a key."""
        self.path = path
        self._lines: dict[str, int] = {}
        try:
            node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ShopError(
                f"The map {path} cannot be read: {reason}", "See docs/import.md for what a map is."
            ) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path}, line {mark.line + 1}" if mark else str(path)
            problem = getattr(error, "problem", None) or str(error)
            raise ShopError(f"{where}: this is no YAML: {problem}", "Check indentation, quotes and braces.") from None
        self.data = self._plain(node, "") if node is not None else {}

    def _plain(self, node: yaml.Node, at: str) -> Any:
        self._lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == "tag:yaml.org,2002:null" else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, f"{at}[{index}]") for index, item in enumerate(node.value)]
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            inner = f"{at}.{name}"
            if key.tag == "tag:yaml.org,2002:merge":
                raise self.mistake(at, "`<<` is not supported", "Repeat the keys, or use an anchor for a whole value.")
            self._lines[inner] = key.start_mark.line + 1
            if name in found:
                raise self.mistake(inner, f"the key '{name}' is there twice", "Keep one of them.")
            found[name] = self._plain(value, inner)
        return found

    def mistake(self, at: str, what: str, hint: str = "") -> ShopError:
        """Return the error for what stands at ``at`` (as ``.events[0].data``), with file, line and key."""
        known = at
        while known and known not in self._lines:
            known = re.sub(r"(\.[^.\[]*|\[[^\]]*\])$", "", known) if re.search(r"[.\[]", known) else ""
        line = self._lines.get(known, 1)
        return ShopError(f"{self.path}, line {line}, {at.lstrip('.') or 'the whole map'}: {what}", hint)

    def convert(self, value: Any, kind: type[_T], at: str) -> _T:
        """Return ``value`` as the struct ``kind``; raise :class:`ShopError` that names the key and what is allowed."""
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            found = _AT.search(str(error))
            inner = found[1] if found else ""
            what = _AT.sub("", str(error))
            unknown = _UNKNOWN.search(what)
            if unknown is None:
                raise self.mistake(at + inner, _plainly(what), _allowed(kind, inner)) from None
            raise self.mistake(
                f"{at}{inner}.{unknown[1]}", f"there is no key '{unknown[1]}' here",
                _meant(unknown[1], _fields(_kind_at(kind, inner))),
            ) from None  # fmt: skip


def near(word: str, known: typing.Iterable[str]) -> list[str]:
    """Return up to three names that ``word`` may have been meant to be, capitals and punctuation apart."""
    folded = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in known}
    return [folded[key] for key in difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), folded, 3)]


def _meant(word: str, known: tuple[str, ...]) -> str:
    guesses = near(word, known)
    meant = f"Did you mean '{guesses[0]}'? " if guesses else ""
    return f"{meant}Allowed: {', '.join(known)}."


def _plainly(what: str) -> str:
    """Put a validator's sentence into the words of someone who writes YAML."""
    for before, after in (
        ("Object missing required field", "the key is missing:"),
        ("Invalid enum value", "not allowed:"),
        ("`object`", "keys with values"),
        ("`array`", "a list"),
        ("`str`", "text"),
        ("`null`", "nothing"),
        ("`bool`", "true or false"),
        ("`int`", "a whole number"),
        (" of length >= 1", " of one item at least"),
    ):
        what = what.replace(before, after)
    return what


def _allowed(kind: Any, inner: str) -> str:
    there = _kind_at(kind, inner)
    words = _fields(there) or (typing.get_args(there) if typing.get_origin(there) is typing.Literal else ())
    return f"Allowed: {', '.join(words)}." if words else ""


def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(kind)) if _is_struct(kind) else ()


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _kind_at(kind: Any, inner: str) -> Any:
    """Return the type of what stands at ``inner`` below a struct of type ``kind``."""
    for name, _ in re.findall(r"\.([^.\[]+)|(\[[^\]]*\])", inner):
        kind = _bare(kind)
        if not name:
            kind = (typing.get_args(kind) or (Any,))[-1]
        elif _is_struct(kind):
            kind = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}.get(name)
    return _bare(kind)


def _bare(kind: Any) -> Any:
    """Return a type without its annotations and without None."""
    if typing.get_origin(kind) is typing.Annotated:
        return _bare(typing.get_args(kind)[0])
    options = typing.get_args(kind)
    others = [option for option in options if option is not type(None)]
    return _bare(others[0]) if len(others) < len(options) and len(others) == 1 else kind
