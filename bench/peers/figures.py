"""Figures of the comparison and their table (pure)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COMMAND = "make bench ONLY=ingest"


@dataclass(frozen=True)
class Entry:
    """What is said of a contestant beside its figures. ``key`` ends the figure's name: ``ingest.vs_<key>``."""

    key: str
    title: str
    version: str
    guarantee: str
    wrote: str


@dataclass(frozen=True)
class Run:
    """One contestant's way through the topic; ``complete`` is false when it did not reach the end in time.

    ``cpu_seconds`` is the processor time of its own process, ``server_cpu_seconds`` that of PostgreSQL meanwhile.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    complete: bool = True

    @property
    def rate(self) -> float:
        """Rows a second from the call that starts reading to the last commit."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu_per_row(self) -> float:
        """Microseconds of processor time a row costs, PostgreSQL's included: what a busy machine does not change."""
        return (self.cpu_seconds + self.server_cpu_seconds) / self.rows * 1e6 if self.rows else 0.0


@dataclass(frozen=True)
class Round:
    """A peer's run between two of the ingestion, so that a change of the machine's load meets both.

    ``before`` and ``after`` use two processes, ``alone`` uses one.
    """

    before: Run
    peer: Run
    after: Run
    alone: Run

    @property
    def ours(self) -> float:
        """Rows a second of the ingestion: the mean of the runs before and after."""
        return (self.before.rate + self.after.rate) / 2

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer the ingestion is."""
        return _times(self.ours, self.peer.rate)

    @property
    def ratio_alone(self) -> float:
        """How many times as fast as the peer one process of the ingestion is."""
        return _times(self.alone.rate, self.peer.rate)

    @property
    def ours_cpu_per_row(self) -> float:
        """Microseconds of processor time a row costs the ingestion and PostgreSQL."""
        return (self.before.cpu_per_row + self.after.cpu_per_row) / 2


def _times(rate: float, reference: float) -> float:
    return rate / reference if reference > 0 else float("inf")


def started_at(output: str) -> float | None:
    """Return the moment (seconds since the epoch) that a peer's program announced, or nothing yet.

    A peer's own words on stdout, and a line that is not whole yet, are passed over.
    """
    for line in output.splitlines(keepends=True):
        if not line.endswith("\n"):
            continue
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and isinstance(document.get("started"), int | float):
            return float(document["started"])
    return None


def middle(rounds: Sequence[Round]) -> Round:
    """Return the round with the median ratio, of two in the middle the one less in our favour."""
    ratio = statistics.median_low([each.ratio for each in rounds])
    return next(each for each in rounds if each.ratio == ratio)


def row(entry: Entry, rounds: Sequence[Round], load_average: float) -> dict[str, Any]:
    """Return the figure for ``build/bench.json``."""
    chosen = middle(rounds)
    ratio = round(chosen.ratio, 2)
    return {
        "name": f"ingest.vs_{entry.key}",
        "value": ratio,
        "unit": "ratio",
        "reference": round(chosen.peer.rate),
        "ratio": ratio,
        "command": COMMAND,
        "ours_rows_per_second": round(chosen.ours),
        "peer_rows_per_second": round(chosen.peer.rate),
        "alone_rows_per_second": round(chosen.alone.rate),
        "ratio_alone": round(chosen.ratio_alone, 2),
        "peer": entry.title,
        "version": entry.version,
        "guarantee": entry.guarantee,
        "wrote": entry.wrote,
        "peer_rows": chosen.peer.rows,
        "peer_seconds": round(chosen.peer.seconds, 2),
        "peer_complete": chosen.peer.complete,
        "peer_cpu_seconds": round(chosen.peer.cpu_seconds, 2),
        "ours_cpu_seconds": round((chosen.before.cpu_seconds + chosen.after.cpu_seconds) / 2, 2),
        "peer_cpu_us_per_row": round(chosen.peer.cpu_per_row, 1),
        "ours_cpu_us_per_row": round(chosen.ours_cpu_per_row, 1),
        "rounds": len(rounds),
        "load_average_measured": round(load_average, 2),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Render the rows as a Markdown table, the fastest peer first."""
    head = (
        "| Peer | Version | Rows/s | Ours, 2 processes | Ours/peer | Ours, 1 process | Ours/peer |"
        " CPU µs/row with PostgreSQL (ours) | Guarantee | Wrote |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|---|---|\n"
    )
    return head + "".join(_line(each) for each in sorted(rows, key=lambda each: -each["peer_rows_per_second"]))


def _line(each: dict[str, Any]) -> str:
    rate = f"{each['peer_rows_per_second']:,}"
    if not each["peer_complete"]:
        rate += f" (stopped after {each['peer_rows']:,} rows)"
    cells = (
        each["peer"],
        each["version"],
        rate,
        f"{each['ours_rows_per_second']:,}",
        f"{each['ratio']:.2f}",
        f"{each['alone_rows_per_second']:,}",
        f"{each['ratio_alone']:.2f}",
        f"{each['peer_cpu_us_per_row']:.1f} ({each['ours_cpu_us_per_row']:.1f})",
        each["guarantee"],
        each["wrote"],
    )
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
