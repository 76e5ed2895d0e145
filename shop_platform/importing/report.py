"""What an import found and did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from shop_platform.importing.compare import Difference
from shop_platform.importing.days import Days
from shop_platform.importing.records import Problem, counted

KEPT_PROBLEMS = 1_000
SHOWN_DIFFERENCES = 10
# Fields that the document tells below another name.
_NESTED = {
    "failing_entities", "failing_rows", "problems", "first_problems", "compared", "not_compared", "amend", "differing",
    "others", "staying", "amended", "first_differences",
}  # fmt: skip


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
    left_out_because: Counter[str] = field(default_factory=Counter)
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
    days: Days | None = None
    store: str | None = None
    compared: bool = False
    not_compared: str = ""
    amend: bool = False
    differing: int = 0
    others: int = 0
    staying: int = 0
    amended: Counter[str] = field(default_factory=Counter)
    first_differences: list[Difference] = field(default_factory=list)

    def note(self, problems: list[Problem]) -> None:
        """Count problems and keep the first thousand."""
        self.problems += len(problems)
        self.first_problems += problems[: KEPT_PROBLEMS - len(self.first_problems)]

    def differ(self, differences: Sequence[Difference]) -> None:
        """Count an entity that differs from what landed, and keep the first thousand differences.

        One in which some differences can be told by later events and others cannot is counted as both.
        """
        is_other = any(each.other for each in differences)
        self.others += is_other
        self.differing += any(each.changes for each in differences)
        self.staying += not is_other and any(not each.changes for each in differences)
        self.first_differences += differences[: KEPT_PROBLEMS - len(self.first_differences)]

    @property
    def refused(self) -> int:
        """How many entities are not sent because of what landed."""
        return self.others + (0 if self.amend else self.differing)

    @property
    def exit_code(self) -> int:
        """0: everything was sent (or can be), 1: rows fail or contradict what landed, 130: interrupted."""
        return 130 if self.interrupted else int(self.failing_entities + self.refused > 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NESTED}
        return plain | {
            "days": self.days.as_dict() if self.days else None,
            "left_out_because": dict(self.left_out_because.most_common()),
            "landed": {
                "compared": self.compared,
                "because": self.not_compared,
                "others": self.others,
                "differing": self.differing,
                "staying": self.staying,
                "amended": dict(sorted(self.amended.items())),
                "first": [
                    {
                        "row": each.row,
                        "id": each.subject,
                        "what": each.what,
                        "amendable": bool(each.changes),
                        "retract": list(each.retract),
                    }
                    for each in self.first_differences
                ],
            },
            "notes": dict(sorted(self.notes.items())),
            "events": dict(sorted(self.events.items())),
            "events_total": self.events.total(),
            "failing": {
                "entities": self.failing_entities,
                "rows": self.failing_rows,
                "problems": self.problems,
                "first": [asdict(each) for each in self.first_problems],
            },
            "seconds": round(self.seconds, 3),
        }

    def lines(self, shown_problems: int) -> Iterator[str]:
        """Yield the report as text."""
        yield from self.findings(shown_problems)
        yield self.outcome()

    def findings(self, shown_problems: int) -> Iterator[str]:
        """Yield what is known before anything is sent."""
        left_out = f", {self.left_out:,} left out" if self.left_out else ""
        repeated = f", {counted(self.repeated, 'event')} repeated within the file" if self.repeated else ""
        yield (
            f"{self.file}: {counted(self.rows, 'row')}, {counted(self.entities, 'entity', 'entities')}"
            f"{left_out}{repeated}"
        )
        for name, count in sorted(self.events.items()):
            yield f"  {count:>9,}  {name}"
        for reason, count in self.left_out_because.most_common():
            yield f"  {count:>9,}  left out: {reason}"
        if self.blank_rows or self.rows_left_out:
            yield (
                f"  {counted(self.blank_rows, 'empty row')}, {counted(self.rows_left_out, 'row')} left out as the map"
                " says"
            )
        for note, count in sorted(self.notes.items()):
            yield f"  {count:>9,}  {note}"
        for problem in self.first_problems[:shown_problems]:
            yield f"  {sentence(problem)}"
        if self.problems > shown_problems:
            more = self.problems - min(shown_problems, len(self.first_problems))
            yield f"  and {more:,} more; --json lists the first {KEPT_PROBLEMS:,}"
        if self.failing_entities:
            yield (
                f"{self.failing_entities:,} of {counted(self.entities, 'entity', 'entities')}"
                f" ({counted(self.failing_rows, 'row')}) {'fails' if self.failing_entities == 1 else 'fail'},"
                f" for {counted(self.problems, 'reason')}"
            )
        yield from self._landed()
        if self.events and self.days:
            yield from self.days.lines()

    def _landed(self) -> Iterator[str]:
        """Yield what differs from what landed."""
        if not self.compared:
            yield f"Not compared with what has landed: {self.not_compared}"
        each_of = (
            (self.others, "is not what landed under its id", "are not what landed under their id",
             lambda each: each.other),
            (self.differing, "differs from what landed", "differ from what landed",
             lambda each: bool(each.changes) and not each.other),
            (self.staying, "differs in what no later event can tell; what landed stays",
             "differ in what no later event can tell; what landed stays",
             lambda each: not each.changes and not each.other),
        )  # fmt: skip
        for count, one, many, belongs in each_of:
            shown = [each for each in self.first_differences if belongs(each)]
            if not count:
                continue
            of_all = f"{count:,} of {counted(self.entities, 'entity', 'entities')}"
            yield f"{of_all} {one if count == 1 else many}:"
            ids = list(dict.fromkeys(each.entity for each in shown))
            for entity in ids[:SHOWN_DIFFERENCES]:
                of_entity = [each for each in shown if each.entity == entity]
                yield f"  row {of_entity[0].row}, {of_entity[0].subject}: {'; '.join(each.what for each in of_entity)}"
            if count > SHOWN_DIFFERENCES:
                yield f"  and {count - SHOWN_DIFFERENCES:,} more"
        for name, count in sorted(self.amended.items()):
            yield f"  {count:>9,}  {name}, to tell what changed"

    def outcome(self) -> str:
        """Return how it ended."""
        total = counted(self.events.total(), "event")
        rejects = f" The rows that fail are in {self.rejects}." if self.rejects else ""
        if self.interrupted:
            return f"Interrupted: {self.sent:,} of {total} sent. Run it again to go on; what landed is known by its id."
        if self.refused and not self.run:
            return f"{'Dry run: nothing' if self.dry_run else 'Nothing'} was sent. {self._advice()}"
        if self.dry_run:
            return f"Dry run: nothing was sent; {total if self.events.total() else 'nothing'} could be."
        if self.failing_entities and not self.run:
            others = f", or say --skip-failing to send the other {total}" if self.events.total() else ""
            return f"Nothing was sent. Mend the rows or the map{others}."
        if not self.run:
            return f"Nothing was sent: no event is left to send.{rejects}"
        return f"{counted(self.sent, 'event')} sent and acknowledged ({self.run}) in {self.seconds:.1f} s.{rejects}"

    def _advice(self) -> str:
        names = sorted({each.store for each in self.first_differences if each.store})
        if names:
            return (
                f"This file has landed as that of store {' and '.join(names)}: say --store {names[0]}, or keep `store:"
                f" {names[0]}` in the map. If it is another store's, take the earlier import back first (shop events"
                " retract)."
            )
        if self.others:
            named = f" (this one is called {self.store})" if self.store else ", as --store kiel"
            return (
                f"Order numbers repeat between stores: give each store a name{named}. Is it the same store, take the"
                " earlier import back first (shop events retract), or import with the map and the name of that import."
            )
        return "Say --amend to send what changed as events of its own; --skip-failing leaves these out."


def sentence(problem: Problem) -> str:
    """Return one problem as a line of text."""
    column = f", {problem.column}" if problem.column else ""
    value = f": '{problem.value}'" if problem.value else ":"
    kind = problem.event_type.removeprefix("shop.").removesuffix(".v1")
    where = f" ({kind} {problem.field})".replace(" )", ")") if problem.event_type or problem.field else ""
    return f"row {problem.row}{column}{value} {problem.reason}{where}"
