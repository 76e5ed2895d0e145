"""``shop retention``: remove what is older than the rules say."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shop_platform.operations.retention import RetentionReport


def remove_old(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.")] = False,
    by: Annotated[str, typer.Option(help="Who does it, for the record; by default the user of this shell.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Remove old years of raw.web (if SHOP_RETENTION says so, e.g. web=25 months) and old rows of ops.

    Marts keep what they hold. Exit code 1: something is due and cannot go yet, the line says why.
    """
    from shop_platform.dead_letters.audit import default_actor
    from shop_platform.operations.retention import apply_retention
    from shop_platform.settings import get_settings

    report = apply_retention(get_settings(), actor=by.strip() or default_actor(), dry_run=dry_run)
    sys.stdout.write((json.dumps(report.as_dict(), indent=2) if json_ else text(report)) + "\n")
    if report.blocked:
        raise typer.Exit(1)


def text(report: RetentionReport) -> str:
    """Return the report for a person: one line per table."""
    lines = []
    for removal in report.removals:
        if removal.blocked:
            lines.append(f"{removal.relation:<22} NOT REMOVED: {removal.note}")
        elif removal.rows:
            word = "would go" if report.dry_run else "removed"
            lines.append(f"{removal.relation:<22} {removal.rows:>12,} rows before {removal.older_than:%Y-%m-%d} {word}")
        else:
            lines.append(f"{removal.relation:<22} {'nothing':>12} ({removal.note})")
    if not any(removal.relation.startswith("raw.") for removal in report.removals):
        lines.append("raw tables are kept for ever (SHOP_RETENTION is not set)")
    return "\n".join(lines)
