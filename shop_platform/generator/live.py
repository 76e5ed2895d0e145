"""Live mode: the shop goes on from where it stands, in real time, at the rate that was asked for.

A session's events take seconds to a minute, the payment follows within seconds, a parcel leaves after two to seven
minutes and arrives ten to thirty minutes later, a return takes about an hour (``LIVE_PACE``). Late parcels alone keep
real time: they arrive after the day that was promised. What the history left open (deliveries, refunds ...) happens
when it is due; while live mode is not running the shop is closed, but parcels that are under way arrive all the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_platform.errors import ShopError
from shop_platform.generator import snapshot
from shop_platform.generator.history import STATE
from shop_platform.generator.journal import Journal, Window
from shop_platform.generator.ledger import Ledger, Partition, mend, next_run, read_known
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import DAY, LIVE_FAULTS, FaultRates, Parameters
from shop_platform.generator.producer import LedgeredProducer
from shop_platform.generator.reconcile import Memory, read_tail
from shop_platform.generator.runs import (
    generator_dir,
    iso,
    only_one,
    plan_of,
    read_manifest,
    require_permission,
)
from shop_platform.generator.shop import Shop
from shop_platform.generator.stream import MESSAGES_PER_VISIT, HistoryStream, Line
from shop_platform.settings import Settings

_TICK_MS = 250
_LONGEST_WINDOW_MS = 1_000
_GAP_MS = 10_000
_SNAPSHOT_SECONDS = 5.0
_REPORT_SECONDS = 1.0
_OPENING_MS = 2_000
_CLOCK_TOLERANCE_MS = 60_000
# How long a deviation from the asked rate may last: orders' later events follow minutes after their sessions.
_CONTROL_SECONDS = 10.0


@dataclass(frozen=True)
class LiveReport:
    """How a live run is doing. ``rate``: events a second since it began."""

    run: str
    clock: str
    sent: int
    acknowledged: int
    held_back: int
    rate: float
    recovered: int


def run_live(
    settings: Settings,
    *,
    rate: float = 25.0,
    seed: int = 42,
    faults: FaultRates = LIVE_FAULTS,
    stop: threading.Event | None = None,
    report: Callable[[LiveReport], None] | None = None,
) -> LiveReport:
    """Send about ``rate`` events a second until ``stop`` is set, and return the last report.

    Continues the history's shop or an earlier live run's; without either a new shop opens (only then ``seed``
    matters). Raises :class:`ShopError` when simulated data is not allowed, the history is unfinished, another
    generator is at work, or Kafka fails; everything acknowledged is in the ledger then, and the next start goes on
    without a gap.
    """
    require_permission(settings)
    if not 0 < rate <= 20_000:
        raise ShopError(f"{rate:g} events a second are not possible.", "Choose a rate above 0 and up to 20000.")
    with only_one(settings):
        mend(settings.ledger_dir)
        line, notes = _remembered(settings, seed)
        with (
            Ledger(settings.ledger_dir, next_run(settings, "live"), _faults_since(settings, notes)) as ledger,
            LedgeredProducer(settings, ledger) as producer,
        ):
            run = _Run(settings, line, ledger, producer, faults, _offsets(settings, notes))
            run.recover(notes)
            return run.loop(rate, stop or threading.Event(), report)


def _remembered(settings: Settings, seed: int) -> tuple[Line, dict[str, Any]]:
    manifest = read_manifest(settings)
    if manifest is not None and not manifest["completed"]:
        raise ShopError(
            "The history is not finished.", "Run `shop generate history` first; it goes on where it stopped."
        )
    found = snapshot.load(generator_dir(settings) / STATE)
    if found is not None:
        return found
    if manifest is not None:
        # The state was lost: the same plan leads to the same shop.
        stream = HistoryStream(plan_of(manifest))
        for _ in stream:
            pass
        return Line(stream.shop), {}
    origin = _now() - _OPENING_MS
    return Line(Shop.found(Parameters(), seed, settings.shop_tz, origin, _OPENING_MS)), {}


def _offsets(settings: Settings, notes: dict[str, Any]) -> dict[Partition, int]:
    if "next_offset" in notes:
        return {(topic, partition): offset for topic, partition, offset in notes["next_offset"]}
    return read_known(settings.ledger_dir, "history").next_offset


def _faults_since(settings: Settings, notes: dict[str, Any]) -> set[tuple[str, str]]:
    return read_known(settings.ledger_dir, "live", (notes.get("run", ""), notes.get("bytes", 0))).faults


def _now() -> int:
    return time.time_ns() // 1_000_000


class _Run:
    """One process's live run: windows, their messages, and a snapshot every few seconds."""

    def __init__(
        self, settings: Settings, line: Line, ledger: Ledger, producer: LedgeredProducer, faults: FaultRates,
        next_offset: dict[Partition, int],
    ) -> None:  # fmt: skip
        folder = generator_dir(settings)
        self._settings = settings
        self._line = line
        self._ledger = ledger
        self._producer = producer
        self._faults = faults
        self._next_offset = next_offset
        self._state: Path = folder / STATE
        self._journal = Journal(folder / "windows.jsonl")
        self._snapshot_due = 0.0
        self._recovered = 0

    def recover(self, notes: dict[str, Any]) -> None:
        """Repeat the windows that a killed run began: complete the ledger, send what it could not send any more."""
        windows = self._journal.since(self._line.shop.clock)
        if windows:
            known = read_known(self._settings.ledger_dir, "live", (notes.get("run", ""), notes.get("bytes", 0)))
            for place, offset in known.next_offset.items():
                self._next_offset[place] = max(self._next_offset.get(place, 0), offset)
            memory = Memory(known, read_tail(self._settings, self._next_offset))
            messages = [message for window in windows for message in window.live_through(self._line)]
            # The ledger first, then new messages: new offsets would hide the gap from the next attempt.
            unsent = [message for message in messages if not memory.has(message, self._ledger)]
            self._ledger.flush()
            self._recovered = memory.completed
            self._send(unsent)
        self._snapshot()

    def loop(self, rate: float, stop: threading.Event, report: Callable[[LiveReport], None] | None) -> LiveReport:
        """Live on until ``stop``."""
        shop = self._line.shop
        if shop.clock - _now() > _CLOCK_TOLERANCE_MS:
            raise ShopError(
                f"The shop stands at {iso(shop.clock)}, which is in the future.", "Check this machine's clock."
            )
        if shop.clock == shop.origin:
            self._window(shop.origin + shop.opening_ms, rate * DAY / 1000 / MESSAGES_PER_VISIT, "live")
        elif _now() - shop.clock > _TICK_MS:
            self._window(_now(), 0.0, "real")
        began, sent_before, reported = time.monotonic(), self._producer.sent, time.monotonic()
        while not stop.is_set():
            waiting = _now() - shop.clock
            if waiting < _TICK_MS:
                # Serving acknowledgements while waiting keeps the ledger as fresh as Kafka.
                self._producer.poll(min(_TICK_MS - waiting, _TICK_MS) / 1000)
                self._ledger.flush()
                continue
            if waiting > _GAP_MS:
                # The machine slept. The shop was closed.
                self._window(_now(), 0.0, "real")
                began, sent_before = time.monotonic(), self._producer.sent
                continue
            owed = rate * (time.monotonic() - began) - (self._producer.sent - sent_before)
            correction = 1.0 + max(-0.5, min(1.0, owed / (rate * _CONTROL_SECONDS)))
            visits = rate * correction * DAY / 1000 / MESSAGES_PER_VISIT
            self._window(shop.clock + min(waiting, _LONGEST_WINDOW_MS), visits, "live")
            if time.monotonic() >= self._snapshot_due:
                self._producer.flush()
                self._snapshot()
            if report and time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                report(self._report(began, sent_before))
        self._producer.flush()
        self._snapshot()
        self._journal.close()
        return self._report(began, sent_before)

    def _window(self, end: int, visits_per_day: float, pace: str) -> None:
        window = Window(self._line.shop.clock, end, visits_per_day, pace, self._faults)
        self._journal.write(window)
        self._send(window.live_through(self._line))

    def _send(self, messages: list[Message]) -> None:
        for message in messages:
            self._producer.send(message)
        self._producer.poll()
        self._ledger.flush()

    def _snapshot(self) -> None:
        """Save the state once Kafka has acknowledged everything, so that only later windows can be open."""
        self._producer.flush()
        began = time.monotonic()
        places = self._next_offset | self._ledger.next_offset
        notes = {
            "run": self._ledger.run,
            "bytes": self._ledger.size(),
            "next_offset": [[topic, partition, offset] for (topic, partition), offset in sorted(places.items())],
        }
        snapshot.save(self._state, self._line, notes)
        self._journal.clear()
        # A large shop takes longer to save; never spend more than a twentieth of the time on it.
        self._snapshot_due = time.monotonic() + max(_SNAPSHOT_SECONDS, 20 * (time.monotonic() - began))

    def _report(self, began: float, sent_before: int) -> LiveReport:
        seconds = max(time.monotonic() - began, 1e-9)
        return LiveReport(
            run=self._ledger.run,
            clock=iso(self._line.shop.clock),
            sent=self._producer.sent,
            acknowledged=self._producer.acknowledged,
            held_back=len(self._line.held.waiting),
            rate=(self._producer.sent - sent_before) / seconds,
            recovered=self._recovered,
        )
