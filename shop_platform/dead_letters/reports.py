"""What replays and fixes tell of themselves: counts, reasons, an example of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from shop_platform.dead_letters.letters import Letter
from shop_platform.dead_letters.settle import Outcomes
from shop_platform.events.decode import ContractViolation
from shop_platform.events.strict import TWICE

Reason = tuple[str, str, str]
"""Error class, event type, place in the document."""
MOST_EXAMPLES = 3


@dataclass
class ReplayReport:
    """What a replay did.

    ``busy`` letters were in the hands of another replay, ``replayed_before`` had been replayed earlier.
    """

    landed: int = 0
    duplicates: int = 0
    still_invalid: int = 0
    busy: int = 0
    replayed_before: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, int] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        """How many letters were tried or settled."""
        return self.landed + self.duplicates + self.still_invalid

    def add(self, outcomes: Outcomes) -> None:
        """Count one page."""
        self.landed += len(outcomes.landed)
        self.duplicates += len(outcomes.duplicates)
        self.still_invalid += len(outcomes.invalid)
        for letter, violation in outcomes.invalid:
            reason = (violation.error_class.value, violation.event_type or "", violation.path or "")
            self.reasons[reason] += 1
            self.examples.setdefault(reason, letter.id)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        counts = ("landed", "duplicates", "still_invalid", "busy", "replayed_before")
        return {name: getattr(self, name) for name in counts} | {
            "reasons": [
                {
                    "error_class": error_class,
                    "event_type": event_type or None,
                    "schema_path": path or None,
                    "letters": count,
                    "example": self.examples[error_class, event_type, path],
                }
                for (error_class, event_type, path), count in self.reasons.most_common()
            ]
        }


@dataclass(frozen=True)
class Example:
    """One letter before and after a bulk fix."""

    letter_id: int
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Problem:
    """Why the new value of one letter is no valid event either; ``advice``: what fixes it."""

    letter_id: int
    sentence: str
    advice: str


@dataclass
class FixReport:
    """What a fix did. ``problems`` holds one of each reason.

    ``unchanged`` letters have that value already; ``no_document`` ones are no JSON object, or lack the place.
    """

    fixed: int = 0
    unchanged: int = 0
    no_document: int = 0
    still_invalid: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)

    def refuse(self, letter: Letter, violation: ContractViolation) -> None:
        """Count a letter whose new value is no valid event either."""
        self.still_invalid += 1
        reason = (violation.error_class.value, violation.path or "$")
        self.reasons[reason] += 1
        self.problems.setdefault(reason, Problem(letter.id, str(violation), advice(violation)))

    def add(self, other: FixReport) -> None:
        """Count one page."""
        self.fixed += other.fixed
        self.unchanged += other.unchanged
        self.no_document += other.no_document
        self.still_invalid += other.still_invalid
        self.reasons += other.reasons
        self.problems = other.problems | self.problems
        self.examples = (self.examples + other.examples)[:MOST_EXAMPLES]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return {
            "fixed": self.fixed,
            "unchanged": self.unchanged,
            "no_document": self.no_document,
            "still_invalid": self.still_invalid,
            "reasons": [
                {
                    "error_class": error_class,
                    "schema_path": path,
                    "letters": count,
                    "example": self.problems[error_class, path].letter_id,
                    "reason": self.problems[error_class, path].sentence,
                }
                for (error_class, path), count in self.reasons.most_common()
            ],
        }


def advice(violation: ContractViolation) -> str:
    """Return how a corrected value that was refused can be fixed."""
    if TWICE in str(violation):
        return (
            f"Say which one holds: --set '{violation.path or '$'}=...' leaves one of them; or give the whole document"
            " with --value FILE."
        )
    return "Mend this place too, and try again."
