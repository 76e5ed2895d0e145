"""History mode: a shop's past into Kafka, once, whatever interrupts it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shop_platform.errors import ShopError
from shop_platform.generator import snapshot
from shop_platform.generator.ledger import Ledger, mend, next_run, read_known
from shop_platform.generator.parameters import HISTORY_FAULTS, FaultRates, Parameters
from shop_platform.generator.producer import LedgeredProducer
from shop_platform.generator.reconcile import Memory, Tail, read_tail
from shop_platform.generator.runs import (
    MODEL,
    generator_dir,
    only_one,
    plan_of,
    read_manifest,
    require_permission,
    write_manifest,
)
from shop_platform.generator.stream import HistoryPlan, HistoryStream, Line
from shop_platform.settings import Settings

Progress = Callable[[int, int], None]
STATE = "state.npz"
_PROGRESS_EVERY = 2_000


@dataclass
class HistoryReport:
    """What a call of :func:`run_history` found or did. ``messages`` counts duplicates, ``events`` distinct ids."""

    seed: int
    days: int
    orders_per_day: float
    start: str
    end: str
    events: int = 0
    messages: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    completed: bool = False
    already_done: bool = False
    resumed: bool = False
    sent_now: int = 0
    seconds: float = 0.0
    note: str = ""


def run_history(
    settings: Settings,
    *,
    days: int = 90,
    orders_per_day: float | None = None,
    seed: int = 42,
    until: dt.datetime | None = None,
    faults: FaultRates = HISTORY_FAULTS,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> HistoryReport:
    """Send ``days`` local days of history and the part of today before ``until`` (default: now, to the minute).

    A history that is done is left alone; an unfinished one is completed with its own parameters, whatever is asked
    for now (``note`` says so). ``progress(done, total)`` counts messages. ``stop`` ends the run after what is in
    flight; the next call goes on. Raises :class:`ShopError` when simulated data is not allowed, a parameter makes no
    sense, another generator is at work, or Kafka fails.
    """
    require_permission(settings)
    wanted = _plan(settings, days, orders_per_day or Parameters().orders_per_day, seed, until, faults)
    with only_one(settings):
        manifest = read_manifest(settings)
        if manifest is None:
            write_manifest(settings, wanted, completed=False)
            return _produce(settings, wanted, False, "", progress, stop)
        plan = plan_of(manifest)
        note = _difference(plan, wanted, until is not None)
        if manifest["completed"]:
            if progress:
                progress(manifest["messages"], manifest["messages"])
            known: dict[str, Any] = {name: manifest[name] for name in ("events", "messages", "faults")}
            return HistoryReport(**_described(manifest), **known, completed=True, already_done=True, note=note)
        if manifest.get("model") != MODEL:
            raise ShopError(
                "The unfinished history was begun by another version of the simulation.",
                "Finish it with that version, or start anew with `shop reset`.",
            )
        return _produce(settings, plan, True, note, progress, stop)


def _plan(
    settings: Settings, days: int, orders_per_day: float, seed: int, until: dt.datetime | None, faults: FaultRates
) -> HistoryPlan:
    now = dt.datetime.now(dt.UTC)
    end = (until or now).replace(second=0, microsecond=0)
    if end.tzinfo is None:
        raise ShopError(f"'{end.isoformat()}' has no time zone.", "Give it one, for example 2026-11-22T10:00:00Z.")
    if end > now:
        raise ShopError(f"The history would end in the future, at {end.isoformat()}.", "Choose a time before now.")
    if days < 1:
        raise ShopError(f"A history of {days} days is none.", "Choose 1 day or more.")
    if not 0 < orders_per_day <= 1_000_000:
        raise ShopError(f"{orders_per_day:g} orders a day are not possible.", "Choose between 1 and 1,000,000.")
    if not 0 <= seed < 2**63:
        raise ShopError(f"The seed {seed} is out of range.", "Choose a number from 0 to 9223372036854775807.")
    if end.year < 2016 or end.year > 2044:
        raise ShopError(f"The calendar does not reach {end.year}.", "Choose a time from 2016 to 2044.")
    return HistoryPlan.make(
        seed=seed, days=days, orders_per_day=orders_per_day, until=end, zone=settings.shop_tz, faults=faults
    )


def _difference(there: HistoryPlan, wanted: HistoryPlan, end_matters: bool) -> str:
    names = ("seed", "days", "orders_per_day", "zone", "faults", *(("end",) if end_matters else ()))
    other = [name for name in names if getattr(there, name) != getattr(wanted, name)]
    if not other:
        return ""
    has = ", ".join(f"{name} {getattr(there, name)}" for name in other if name != "faults")
    return (
        f"There is a history already and it is kept ({has or 'with other fault rates'}); what was asked for differs in"
        f" {', '.join(other)}. `shop reset` removes it."
    )


def _described(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: manifest[name] for name in ("seed", "days", "orders_per_day", "start", "end")}


def _produce(
    settings: Settings,
    plan: HistoryPlan,
    resumed: bool,
    note: str,
    progress: Progress | None,
    stop: threading.Event | None,
) -> HistoryReport:
    started = time.monotonic()
    folder = settings.ledger_dir
    mend(folder)
    known = read_known(folder, "history")
    stream = HistoryStream(plan)
    counts: Counter[str] = Counter()
    with (
        Ledger(folder, next_run(settings, "history"), known.faults) as ledger,
        LedgeredProducer(settings, ledger) as producer,
    ):
        memory = _complete_ledger(settings, plan, ledger, known_runs=resumed)
        done = 0
        for window in stream:
            for message in window:
                done += 1
                counts[message.fault] += 1
                if memory is None or not memory.has(message, ledger):
                    producer.send(message)
                if done % _PROGRESS_EVERY == 0:
                    if stop is not None and stop.is_set():
                        break
                    if progress:
                        progress(done, max(stream.estimate, done))
            if stop is not None and stop.is_set():
                break
        producer.flush()
        stopped = stop is not None and stop.is_set()
        manifest = read_manifest(settings) or {}
        report = HistoryReport(
            **_described(manifest), events=done - counts["duplicate"], messages=done, completed=not stopped,
            faults={fault: count for fault, count in sorted(counts.items()) if fault}, resumed=resumed,
            sent_now=producer.acknowledged, seconds=time.monotonic() - started, note=note,
        )  # fmt: skip
    if not stopped:
        snapshot.save(generator_dir(settings) / STATE, Line(stream.shop), {})
        write_manifest(
            settings, plan, completed=True, events=report.events, messages=report.messages, faults=report.faults
        )
        if progress:
            progress(done, done)
    return report


def _complete_ledger(settings: Settings, plan: HistoryPlan, ledger: Ledger, *, known_runs: bool) -> Memory | None:
    """Bring the ledgers up to what Kafka holds, before anything new is sent behind it.

    Sending first would put new offsets into the ledger and hide the gap below them from the next attempt.
    """
    if not known_runs:
        return None
    known = read_known(settings.ledger_dir, "history")
    tail = read_tail(settings, known.next_offset)
    if len(tail):
        repetition = Memory(known, tail)
        for window in HistoryStream(plan):
            for message in window:
                repetition.has(message, ledger)
            if not len(tail):
                break
        ledger.flush()
    return Memory(read_known(settings.ledger_dir, "history"), Tail())
