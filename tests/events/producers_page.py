"""What docs/producers.md tells a shop's developer, read from the page: its table of types, examples and rights."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass

from shop_platform.events.registry import TOPICS
from shop_platform.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "producers.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text() -> str:
    """Return the page."""
    return PAGE.read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """Return the fenced blocks of one kind, in their order."""
    return [body for found, body in _BLOCK.findall(text()) if found == kind]


def block(kind: str, mark: str) -> str:
    """Return the only fenced block of one kind that holds ``mark``."""
    (found,) = (body for body in blocks(kind) if mark in body)
    return found


def table_of_types() -> str:
    """Return the rows of the table of types as the registry has them."""
    return "\n".join(
        f"| [`{kind.name}`](contract/{kind.name}.json) | `{topic.name}` | `{kind.subject_field}` |"
        for topic in TOPICS
        for kind in topic.event_types
    )


@dataclass(frozen=True)
class Message:
    """What goes over the wire beside the value, as a block of the page writes it."""

    topic: str
    key: bytes
    headers: list[tuple[str, bytes | None]]


def message(block_of_text: str) -> Message:
    """Return the message that a block of lines ``topic``, ``key`` and ``header`` describes."""
    told = [line.split(None, 1) for line in block_of_text.splitlines()]
    named = dict(line for line in told if line[0] != "header")
    headers = [tuple(line[1].split(": ", 1)) for line in told if line[0] == "header"]
    return Message(named["topic"], named["key"].encode(), [(name, value.encode()) for name, value in headers])


@dataclass(frozen=True)
class Rights:
    """What a line of ``kafka-acls.sh`` allows."""

    principal: str
    topics: tuple[str, ...]
    operations: tuple[str, ...]


def rights() -> Rights:
    """Return what the page has a cluster's administrator allow to a producer's user."""
    (line,) = re.findall(r"^kafka-acls\.sh .*$", block("sh", "kafka-acls.sh").replace("\\\n", " "), re.MULTILINE)
    words = shlex.split(line)
    told = list(itertools.pairwise(words))
    (principal,) = (value for name, value in told if name == "--allow-principal")
    return Rights(
        principal.removeprefix("User:"),
        tuple(value for name, value in told if name == "--topic"),
        tuple(value.upper() for name, value in told if name == "--operation"),
    )
