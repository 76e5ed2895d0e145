"""What an import found and did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from shop_platform.importing.records import Problem

KEPT_PROBLEMS = 1_000


@dataclass
class ImportReport:
    """Counts of one import. ``events`` are those that can be sent, by type; ``sent`` those that Kafka acknowledged."""

    file: str
    format: str
    map: str
    dry_run: bool
    rows: int = 0
    entities: int = 0
    left_out: int = 0
    rows_left_out: int = 0
    blank_rows: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    events: Counter[str] = field(default_factory=Counter)
    failing_entities: int = 0
    failing_rows: int = 0
    problems: int = 0
    first_problems: list[Problem] = field(default_factory=list)
    run: str | None = None
    sent: int = 0
    rejects: str | None = None
    interrupted: bool = False
    seconds: float = 0.0
    shop_tz: str = ""

    def note(self, problems: list[Problem]) -> None:
        """Count problems and keep the first thousand."""
        self.problems += len(problems)
        self.first_problems += problems[: KEPT_PROBLEMS - len(self.first_problems)]

    @property
    def exit_code(self) -> int:
        """0: everything was sent (or can be), 1: rows fail, 130: interrupted."""
        return 130 if self.interrupted else int(self.failing_entities > 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        plain = asdict(self)
        first = plain.pop("first_problems")
        failing = {name: plain.pop(f"failing_{name}") for name in ("entities", "rows")}
        failing |= {"problems": plain.pop("problems"), "first": first}
        return plain | {
            "notes": dict(sorted(self.notes.items())),
            "events": dict(sorted(self.events.items())),
            "events_total": self.events.total(),
            "failing": failing,
            "seconds": round(self.seconds, 3),
        }

    def lines(self, shown_problems: int) -> Iterator[str]:
        """Yield the report as text."""
        left_out = f", {self.left_out:,} left out as the map says" if self.left_out else ""
        repeated = f", {self.repeated:,} events repeated within the file" if self.repeated else ""
        yield f"{self.file}: {self.rows:,} rows, {self.entities:,} entities{left_out}{repeated}"
        for name, count in sorted(self.events.items()):
            yield f"  {count:>9,}  {name}"
        if self.blank_rows or self.rows_left_out:
            yield f"  {self.blank_rows:,} empty rows, {self.rows_left_out:,} rows left out as the map says"
        for note, count in sorted(self.notes.items()):
            yield f"  {count:>9,}  {note}"
        for problem in self.first_problems[:shown_problems]:
            yield f"  {sentence(problem)}"
        if self.problems > shown_problems:
            more = self.problems - min(shown_problems, len(self.first_problems))
            yield f"  and {more:,} more; --json lists the first {KEPT_PROBLEMS:,}"
        if self.failing_entities:
            yield (
                f"{self.failing_entities:,} of {self.entities:,} entities ({self.failing_rows:,} rows) fail,"
                f" for {self.problems:,} reasons"
            )
        if self.events and self.shop_tz:
            yield f"Business days begin at midnight of {self.shop_tz} (SHOP_SHOP_TZ)."
        yield self._outcome()

    def _outcome(self) -> str:
        total = f"{self.events.total():,} events"
        rejects = f" The rows that fail are in {self.rejects}." if self.rejects else ""
        if self.interrupted:
            return f"Interrupted: {self.sent:,} of {total} sent. Run it again to go on; what landed is known by its id."
        if self.dry_run:
            return f"Dry run: nothing was sent; {total} could be."
        if self.failing_entities and not self.run:
            return f"Nothing was sent. Mend the rows or the map, or say --skip-failing to send the other {total}."
        return f"{self.sent:,} events sent and acknowledged ({self.run}) in {self.seconds:.1f} s.{rejects}"


def sentence(problem: Problem) -> str:
    """Return one problem as a line of text."""
    column = f", {problem.column}" if problem.column else ""
    value = f": '{problem.value}'" if problem.value else ":"
    kind = problem.event_type.removeprefix("shop.").removesuffix(".v1")
    where = f" ({kind} {problem.field})".replace(" )", ")") if problem.event_type or problem.field else ""
    return f"row {problem.row}{column}{value} {problem.reason}{where}"
