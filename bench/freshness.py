"""Produced to visible: how long an order takes from the producer's hand into kpi_daily and kpi_hourly, at three rates.

A simulated shop sends in real time. Among its events are marked orders, two a second, each in a currency of its own:
the KPIs have a row per currency, so it is seen when one of them appears. Measured with the resident refresher, and with
Dagster's watermark sensor alone (``SHOP_BENCH_FRESHNESS=refresher`` or ``sensor`` for one of them).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import uuid_utils
from confluent_kafka import Producer

from bench.service import running_service
from bench.stack import measuring_stack
from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.generator.runs import iso
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.ports import Claims, any_free
from shop_platform.local.processes import Supervisor
from shop_platform.local.services import refresher
from shop_platform.operations.dbt import run_dbt
from shop_platform.orchestration.instance import dagster_services, free_code_ports, prepare_home
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=freshness"
_RATES = {"refresher": (100, 1_000, 5_000), "sensor": (100, 1_000)}
_NAMES = {"refresher": "mart", "sensor": "sensor"}
_SECONDS = {"refresher": 45, "sensor": 180}
_WARM_SECONDS = 10
_MARK_EVERY_SECONDS = 0.5
_LOOK_EVERY_SECONDS = 0.05
_PATIENCE_SECONDS = 180
_HISTORY_DAYS, _ORDERS_PER_DAY = 30, 150
_AIM_SECONDS = 10.0
_MARTS = ("kpi_daily", "kpi_hourly")


def run() -> list[dict[str, Any]]:
    """Measure p50, p95 and p99 in seconds per path and rate; the reference is the aim at 1,000 events a second."""
    chosen = os.environ.get("SHOP_BENCH_FRESHNESS")
    paths = [chosen] if chosen else list(_RATES)
    marks = ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=3))
    marks = (mark for mark in marks if mark.startswith(("X", "Z")))
    rows = []
    for path in paths:
        if path not in _RATES:
            raise ShopError(f"SHOP_BENCH_FRESHNESS={path} is neither 'refresher' nor 'sensor'")
        with measuring_stack() as (settings, _), running_service(settings):
            _history(settings)
            with _keeping(path, settings):
                for rate in _RATES[path]:
                    rows.append(_row(path, rate, _at(settings, path, rate, marks)))
    return rows


def _history(settings: Settings) -> None:
    run_history(settings, days=_HISTORY_DAYS, orders_per_day=_ORDERS_PER_DAY, seed=11)
    ingest_until_end(settings)
    run_dbt(settings, ["run"])


@contextlib.contextmanager
def _keeping(path: str, settings: Settings) -> Iterator[None]:
    """Run what keeps the marts up to date while the block runs."""
    supervisor, claims = Supervisor(settings.data_dir / "logs"), Claims()
    try:
        if path == "refresher":
            told_nobody = settings.model_copy(update={"refresh_report_seconds": 0})
            services = [refresher(told_nobody)]
        else:
            code_ports = free_code_ports(claims.take)
            prepare_home(settings, code_ports=code_ports)
            services = dagster_services(settings, code_ports=code_ports, web_port=any_free(claims.take))
        for service in services:
            supervisor.start(service)
            supervisor.wait_ready(service.name)
        yield
    finally:
        supervisor.stop_all()
        claims.close()


def _at(settings: Settings, path: str, rate: int, marks: Iterator[str]) -> dict[str, list[float]]:
    """Return the seconds to visibility per mart."""
    producer = Producer(settings.kafka_client(linger_ms=5, acks="all", log_level=0))
    sent: dict[str, float] = {}
    seen: dict[str, dict[str, float]] = {mart: {} for mart in _MARTS}
    with (
        _live(settings, rate),
        connect(settings, Role.TRANSFORM) as reader,
        connect(settings, Role.ADMIN, autocommit=True) as admin,
    ):
        template = _an_order(admin)
        reader.autocommit = True
        began, end, next_mark = time.monotonic(), time.monotonic() + _WARM_SECONDS + _SECONDS[path], 0.0
        while time.monotonic() < end or any(len(seen[mart]) < len(sent) for mart in _MARTS):
            now = time.monotonic()
            if now > end + _PATIENCE_SECONDS:
                raise ShopError(f"Marked orders are missing at {rate}/s: {len(sent)} sent, {_counts(seen)} seen")
            if now < end and now >= max(next_mark, began + _WARM_SECONDS):
                mark = next(marks)
                producer.produce("shop.orders", _marked(template, mark), key=f"ord_{mark}")
                producer.flush(10)
                sent[mark], next_mark = now, now + _MARK_EVERY_SECONDS
            for mart in _MARTS:
                waiting = [mark for mark in sent if mark not in seen[mart]]
                for (found,) in reader.execute(
                    f"select distinct currency from marts.{mart} where currency = any(%s)",  # noqa: S608 - constants
                    [waiting],
                ):
                    seen[mart][str(found)] = time.monotonic() - sent[str(found)]
            time.sleep(_LOOK_EVERY_SECONDS)
    return {mart: sorted(times.values()) for mart, times in seen.items()}


def _counts(seen: dict[str, dict[str, float]]) -> str:
    return ", ".join(f"{len(times)} in {mart}" for mart, times in seen.items())


@contextlib.contextmanager
def _live(settings: Settings, rate: int) -> Iterator[None]:
    """The simulated shop in real time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "generate", "live", "--rate", str(rate)],
        env=os.environ | settings.process_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        if process.poll() is not None:
            raise ShopError(f"The simulated shop ended at {rate}/s", "Its output is above.")
    finally:
        process.terminate()
        process.wait(30)


def _an_order(admin: Any) -> dict[str, Any]:
    found = admin.execute(
        "select event_type, source, data from raw.orders where event_type like 'shop.order.placed.%'"
        " order by event_time desc limit 1"
    ).fetchone()
    assert found is not None
    return {"type": found[0], "source": found[1], "data": found[2]}


def _marked(template: dict[str, Any], mark: str) -> bytes:
    """Return the template as an order of this moment in the currency ``mark``."""
    data = json.loads(json.dumps(template["data"]))
    data |= {"order_id": f"ord_{mark}", "currency": mark}
    envelope = {
        "specversion": "1.0",
        "id": str(uuid_utils.uuid7()),
        "source": template["source"],
        "type": template["type"],
        "time": iso(int(time.time() * 1000)),
        "subject": f"ord_{mark}",
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(envelope).encode()


def _row(path: str, rate: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    quantiles = {mart: statistics.quantiles(times, n=100, method="inclusive") for mart, times in seconds.items()}
    told = {
        mart: {f"p{p}": round(found[p - 1], 2) for p in (50, 95, 99)} | {"orders": len(seconds[mart])}
        for mart, found in quantiles.items()
    }
    worst = max(told[mart]["p95"] for mart in _MARTS)
    sys.stderr.write(f"  {path:<10} {rate:>6} events/s: {told}\n")
    return {
        "name": f"freshness.{_NAMES[path]}_p95_s_{rate if rate < 1_000 else f'{rate // 1_000}k'}",
        "value": worst,
        "unit": "s",
        "reference": _AIM_SECONDS,
        "ratio": round(worst / _AIM_SECONDS, 2),
        "marts": told,
        "command": _COMMAND,
    }
