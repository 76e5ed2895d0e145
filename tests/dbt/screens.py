"""Which marts a screen reads, found in its code: the SQL that a page's calls lead to, the queries of a board."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from shop_platform.settings import PROJECT_ROOT

_DATA = PROJECT_ROOT / "dashboard" / "data"
_PACKAGE = "dashboard"
_BOARDS = PROJECT_ROOT / "grafana" / "dashboards"
_READ = re.compile(r"\b(?:from|join)\s+marts\.(\w+)", re.IGNORECASE)


def marts_in(sql: str) -> set[str]:
    """Return the marts that ``sql`` reads; a name in a literal is not one."""
    return set(_READ.findall(sql))


def marts_of_boards(folder: Path = _BOARDS) -> dict[str, set[str]]:
    """Return per Grafana board (its file's name) the marts that its queries read."""
    return {path.stem: _marts_of_board(path) for path in sorted(folder.glob("*.json"))}


def marts_of_page(module: str, root: Path = PROJECT_ROOT) -> set[str]:
    """Return the marts that a page of the Dash app reads, ``module`` being its dotted name.

    From every call on a ``reader`` in the page and in the modules that it imports, through the functions and constants
    of ``dashboard/data/{reader,queries}*.py`` with that name, to the SQL. Definitions of metrics that it shows count as
    reading.
    """
    wanted: set[str] = set()
    found: set[str] = set()
    for tree in _with_imports(module, root, set()):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id.strip("_") == "reader":
                    wanted.add(node.attr)
            elif isinstance(node, ast.Constant) and node.value == "metrics.json":
                found |= _marts_of_definitions(root / _PACKAGE / "data" / "metrics.json")
    return found | _follow(wanted, root / _PACKAGE / "data")


def _follow(names: set[str], folder: Path = _DATA) -> set[str]:
    defined: dict[str, list[ast.AST]] = {}
    # Not the pool and the cache: they run whatever they are given.
    for path in sorted([*folder.glob("reader*.py"), *folder.glob("queries*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        methods = [part for node in tree.body if isinstance(node, ast.ClassDef) for part in node.body]
        for node in [*tree.body, *methods]:
            for name in _defines(node):
                defined.setdefault(name, []).append(node)
    found: set[str] = set()
    seen: set[str] = set()
    todo = set(names)
    while todo:
        seen |= todo
        nodes = [part for name in todo for node in defined.get(name, []) for part in ast.walk(node)]
        found |= {mart for node in nodes if isinstance(node, ast.Constant) for mart in marts_in(str(node.value))}
        mentioned = {node.id for node in nodes if isinstance(node, ast.Name)}
        mentioned |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        todo = (mentioned & defined.keys()) - seen
    return found


def _defines(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _with_imports(module: str, root: Path, seen: set[str]) -> Iterator[ast.Module]:
    """Yield the module and what it imports of the app, but for the data layer and the package's list of pages."""
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    if module in seen or not path.is_file() or module.startswith(f"{_PACKAGE}.data"):
        return
    seen.add(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            for name in [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]:
                yield from _with_imports(name, root, seen)


def _marts_of_board(path: Path) -> set[str]:
    def texts(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for value in node.values():
                yield from texts(value)
        elif isinstance(node, list):
            for value in node:
                yield from texts(value)
        elif isinstance(node, str):
            yield node

    return {mart for text in texts(json.loads(path.read_text(encoding="utf-8"))) for mart in marts_in(text)}


def _marts_of_definitions(path: Path) -> set[str]:
    """Return the marts that the glossary's formulas are of (``sum(units) of fct_orders``)."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    return {mart for metric in metrics for mart in re.findall(r" of (\w+)$", metric["formula"])}
