"""What a verification found, in words: what holds, what is broken and where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from shop_platform.operations.differences import MartComparison
from shop_platform.operations.examples import NAMED
from shop_platform.operations.rebuild import RebuildComparison
from shop_platform.operations.reconcile import Reconciliation

RUNBOOK = "docs/runbooks/invariant-broken.md"
_KEEP = f"What to do: {RUNBOOK}. Until then delete nothing and rebuild nothing."

# How each count of the reconciliation is called, what it means and what to do first.
FAULTS = {
    "missing": (
        "missing",
        "acknowledged by Kafka, neither landed nor a dead letter, and nobody gave them up",
    ),
    "unexpected": (
        "unexpected",
        "here, and not in the ledger that their producer keeps: a second simulated shop,"
        " a ledger that lost lines, or a shop of your own that uses a source of the simulated one",
    ),
    "in_both": ("both", "landed and a dead letter too: `shop dead-letters replay` settles what was sent again"),
    "landed_twice": ("landed twice", "one id for two events, which the contract forbids: mend their producer"),
    "offset_mismatches": (
        "offset mismatch",
        "the record of what was read has a hole, an overlap or another end than the stored offset",
    ),
}


def tell_i1(found: Reconciliation) -> list[str]:
    """Return what invariant I1 says, line by line; every kind of break with its examples."""
    lines = [_headline(found)]
    if found.retracted:
        was, it = (
            ("1 of the dead letters", "it")
            if found.retracted == 1
            else (f"{found.retracted:,} of the dead letters", "them")
        )
        lines.append(f"  retracted: {was} had landed, and a person took {it} back (shop events)")
    for kind, (name, meaning) in FAULTS.items():
        if count := getattr(found, kind):
            lines.append(f"  {name}: {count:,} ({meaning})")
            examples = [each.sentence() for each in found.examples.get(kind, ())]
            lines += _indented(examples, count)
    if not found.ids_hold and not any(getattr(found, kind) for kind in FAULTS):
        lines.append(f"  the counts differ by {_balance(found):+,}, and no single id tells why")
    off, counted = sum(found.hours.off.values()), sum(found.hours.counted.values())
    hours = _many(counted, "partition and hour", "partitions and hours")
    lines.append(f"Hours: {hours} of event time, {_off(off)}")
    worst = [hour.sentence() for hour in found.hours.worst[:NAMED]]
    lines += _indented(worst, off, "  ", ": select * from ops.reconciliation where not adds_up")
    if not found.holds:
        lines.append(_KEEP)
    return lines


def tell_i2(found: RebuildComparison) -> list[str]:
    """Return what invariant I2 says, line by line; every mart that differs with its rows and columns."""
    rows = sum(mart.rows for mart in found.marts.values())
    lines = [f"I2 {_word(found.holds)}: {_many(len(found.marts), 'mart', 'marts')}, {_rows(rows)} recomputed from raw"]
    for name, mart in found.marts.items():
        if not mart.equal:
            lines.append(f"  {name}: {_counts(mart)}")
            lines += [f"    {each.sentence()}" for each in mart.examples]
            if more := mart.differing - len(mart.examples):
                lines.append(f"    and {more:,} more")
    lines += [
        f"  {name}: kept by retention, compared " + (f"from {day} on" if day else "not at all: it has no day")
        for name, day in found.kept.items()
    ]
    if not found.marts:
        lines.append("  not one mart could be compared, so nothing was proven")
    if not found.holds:
        lines.append(_KEEP)
    return lines


def short_i1(found: Reconciliation) -> str:
    """Return what breaks I1 in one line, each kind with its first example."""
    parts = []
    for kind, (name, _) in FAULTS.items():
        if count := getattr(found, kind):
            parts.append(f"{name} {count:,}{_first(each.sentence() for each in found.examples.get(kind, ()))}")
    if off := sum(found.hours.off.values()):
        hours = "1 hour does not add up" if off == 1 else f"{off:,} hours do not add up"
        parts.append(f"{hours}{_first(hour.sentence() for hour in found.hours.worst)}")
    return "; ".join(parts) or f"the counts differ by {_balance(found):+,}"


def short_i2(found: RebuildComparison) -> str:
    """Return what breaks I2 in one line, each mart with its first row."""
    parts = [
        f"{name}: {_counts(mart)}{_first(each.sentence() for each in mart.examples)}"
        for name, mart in found.marts.items()
        if not mart.equal
    ]
    return "; ".join(parts) or "not one mart could be compared"


def _headline(found: Reconciliation) -> str:
    apart = [
        (found.landed, "landed"),
        (found.dead_lettered, "dead-lettered"),
        *([(found.given_up, "given up")] if found.given_up else []),
        *([(found.expired, "removed by retention")] if found.expired else []),
    ]
    there = " + ".join(f"{count:,} {what}" for count, what in apart)
    if found.produced is None:
        sent = "no producer's ledger, so what is missing cannot be known:"
    else:
        sent = f"{found.produced:,} produced"
        if found.foreign:
            sent += f" + {_many(found.foreign, 'event', 'events')} of producers without a ledger"
        if found.mended:
            sent += f" + {found.mended:,} that got their id when they were mended"
        sent += " =" if found.ids_hold else ", and"
    aside = f"{_many(found.duplicates, 'duplicate', 'duplicates')} dropped, {found.in_flight:,} in flight"
    if found.unattributed_dead_letters:
        aside += f", {_many(found.unattributed_dead_letters, 'dead letter', 'dead letters')} without an id apart"
    because = (
        " (every id is where it should be, but not every hour adds up)" if found.ids_hold and not found.holds else ""
    )
    return f"I1 {_word(found.holds)}{because}: {sent} {there} ({aside})"


def _counts(mart: MartComparison) -> str:
    """Say how many rows differ, and how."""
    said = [
        (mart.changed, "differ"),
        (mart.only_in_mart - mart.changed, "only in the mart"),
        (mart.only_in_rebuild - mart.changed, "only in the recomputation"),
    ]
    told = ", ".join(f"{_rows(count)} {_agree(what, count)}" for count, what in said if count)
    return f"{told} (of {mart.rows:,} in the mart)"


def _rows(count: int) -> str:
    return _many(count, "row", "rows")


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _agree(verb: str, count: int) -> str:
    return f"{verb}s" if verb == "differ" and count == 1 else verb


def _balance(found: Reconciliation) -> int:
    here = found.landed + found.dead_lettered + found.given_up + found.expired
    return here - (found.produced or 0) - found.foreign - found.mended


def _off(count: int) -> str:
    if not count:
        return "all add up"
    return "1 does not add up" if count == 1 else f"{count:,} do not add up"


def _word(holds: bool) -> str:
    return "holds" if holds else "IS BROKEN"


def _first(sentences: Iterable[str]) -> str:
    first = next(iter(sentences), None)
    return "" if first is None else f", e.g. {first}"


def _indented(sentences: list[str], count: int, indent: str = "    ", where: str = "") -> list[str]:
    more = count - len(sentences)
    return [f"{indent}{each}" for each in sentences] + ([f"{indent}and {more:,} more{where}"] if more > 0 else [])
