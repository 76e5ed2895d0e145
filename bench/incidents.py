"""Incidents: seconds from a fault until somebody is told, from its end until that is told, and what is told wrongly.

A whole stack with a small history and a live shop, a webhook of our own, one fault after the other
(``SHOP_BENCH_INCIDENTS=2,5`` for some of them). Takes half an hour.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.faults import FAULTS, Fault, Stack
from shop_platform.errors import ShopError
from shop_platform.operations.status import look_around
from shop_platform.settings import load
from tests.support.webhook import Webhook, webhook

_COMMAND = "make bench ONLY=incidents"
_TOLD_WITHIN_SECONDS, _OVER_WITHIN_SECONDS = 120.0, 60.0
_PATIENCE_SECONDS, _START_SECONDS = 300.0, 600.0
# An incident lasts until somebody has seen it.
_SEEN_SECONDS = 5.0


@dataclass
class Told:
    """What became of one fault: seconds until it was told and, after its end, until it was told as over."""

    fault: str
    told: float | None
    over: float | None
    title: str
    others: list[str]


def run() -> list[dict[str, Any]]:
    """Measure each fault; the reference of a time is the promise (two minutes, and one for the end)."""
    chosen = os.environ.get("SHOP_BENCH_INCIDENTS")
    faults = [FAULTS[int(number) - 1] for number in chosen.split(",")] if chosen else list(FAULTS)
    with webhook() as hook, _stack(hook) as stack:
        results = []
        for fault in faults:
            results.append(_measure(stack, hook, fault))
            sys.stderr.write(_line(results[-1]))
    return _rows(results)


def _line(each: Told) -> str:
    line = f"  {each.fault:<40} told {_s(each.told)}  over {_s(each.over)}  {each.title}\n"
    return line + "".join(f"      also told: {other}\n" for other in each.others)


def _rows(results: list[Told]) -> list[dict[str, Any]]:
    told = [each.told if each.told is not None else _PATIENCE_SECONDS for each in results]
    over = [each.over if each.over is not None else _PATIENCE_SECONDS for each in results]
    wrong = sum(len(each.others) for each in results) + sum(each.told is None for each in results)
    return [
        _row("incidents.told_p95_s", _p95(told), "s", _TOLD_WITHIN_SECONDS),
        _row("incidents.told_max_s", max(told), "s", _TOLD_WITHIN_SECONDS),
        _row("incidents.over_p95_s", _p95(over), "s", _OVER_WITHIN_SECONDS),
        {"name": "incidents.false", "value": wrong, "unit": "messages", "command": _COMMAND},
    ]


def _row(name: str, value: float, unit: str, promise: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": unit, "command": _COMMAND, "reference": promise,
            "ratio": value / promise}  # fmt: skip


def _p95(values: list[float]) -> float:
    return max(values) if len(values) < 20 else statistics.quantiles(values, n=20)[-1]


def _measure(stack: Stack, hook: Webhook, fault: Fault) -> Told:
    seen = len(hook.received)
    began = time.monotonic()
    end = fault.begin(stack)
    if fault.found_by_a_run:
        began = time.monotonic()
    first = _wait(hook, seen, fault, "firing")
    told = first["at"] - began if first else None
    if end is not None:
        time.sleep(_SEEN_SECONDS)
        ended = time.monotonic()
        end()
        if fault.found_by_a_run:
            ended = time.monotonic()
    else:
        ended = _well_again(stack, fault)
    last = _wait(hook, seen, fault, "resolved") if first else None
    over = max(last["at"] - ended, 0.0) if last else None
    # What comes late is wrong too: wait for what this fault may still bring.
    time.sleep(_SEEN_SECONDS * 3)
    if fault.afterwards is not None:
        fault.afterwards(stack)
    mine = [each for each in hook.received[seen:] if each["incident"].startswith(fault.incidents)]
    others = [
        f"{each['status']} {each['incident']}: {each['title']}" for each in hook.received[seen:] if each not in mine
    ]
    others += [f"{each['status']} once more {each['incident']}" for each in mine if each not in (first, last)]
    return Told(fault.name, told, over, first["title"] if first else "", others)


def _well_again(stack: Stack, fault: Fault) -> float:
    """Wait until the stack has ended the fault by itself; return when."""
    before = time.monotonic()
    deadline = before + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)
        status = look_around(stack.settings)
        if all(each["up"] for each in status.components):
            break
    return time.monotonic()


def _wait(hook: Webhook, seen: int, fault: Fault, status: str) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for each in hook.received[seen:]:
            if each["status"] == status and each["incident"].startswith(fault.incidents):
                return each
        time.sleep(0.2)
    return None


def _s(value: float | None) -> str:
    return "  never" if value is None else f"{value:5.0f} s"


@contextlib.contextmanager
def _stack(hook: Webhook) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="shop-bench-incidents-") as folder:
        data = Path(folder, "data")
        environment = os.environ | {
            "SHOP_DATA_DIR": str(data),
            "SHOP_ALERT_WEBHOOK_URL": hook.url,
            # A wrong figure is found by the next round of tests.
            "SHOP_REFRESH_CHECK_SECONDS": "20",
        }
        log = Path(folder, "demo.log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "shop_platform.cli", "demo", "--days", "3", "--orders-per-day", "15"],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + _START_SECONDS
            while b"Dashboard:" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ShopError(f"The stack did not start:\n{log.read_text()[-2000:]}")
                time.sleep(1)
            # What was away while the stack came up is told until now, if anything is.
            time.sleep(30)
            os.environ["SHOP_DATA_DIR"] = str(data)
            yield Stack(load(), process.pid)
        finally:
            os.environ.pop("SHOP_DATA_DIR", None)
            process.send_signal(signal.SIGINT)
            process.wait(120)
