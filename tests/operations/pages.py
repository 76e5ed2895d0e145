"""What the pages tell their readers to type: fenced blocks line by line, and commands in code spans."""

from __future__ import annotations

import re

from shop_platform.settings import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
RUNBOOKS = sorted((DOCS / "runbooks").glob("*.md"))
PAGES = {page.name if page.parent == DOCS else f"runbooks/{page.name}": page for page in RUNBOOKS} | {
    name: DOCS / name for name in ("guide.md", "producers.md", "troubleshooting.md", "dead-letters.md")
}

_BLOCK = re.compile(r"^ *```(sh|sql)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_ANY_BLOCK = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# What a span begins with that is meant to be typed, and not only named: it has at least one more word.
_PROGRAMS = (
    r"shop|make|dbt|mf|psql|docker|python3?|\.venv/bin/\S+|cd|eval|unset|export|sudo|ss|df|free|pkill|tar|cp|mv|curl"
    r"|SHOP_\w+=\S+ shop"
)
_COMMAND = re.compile(rf"(?:(?:{_PROGRAMS}) (?!run failed:)\S|\$\(python|(?:select|delete|drop) )")


def commands(text: str) -> list[str]:
    """Return every command and query of a page once, in their order, without comments and line breaks."""
    found = []
    for kind, block in _BLOCK.findall(text):
        without = re.sub(r"(^|\s)(#|--) .*$", "", block.replace("\\\n", " "), flags=re.MULTILINE)
        found += without.split(";" if kind == "sql" else "\n")
    found += [span for span in _SPAN.findall(_ANY_BLOCK.sub("", text)) if _COMMAND.match(span)]
    return list(dict.fromkeys(" ".join(each.split()) for each in found if each.strip()))
